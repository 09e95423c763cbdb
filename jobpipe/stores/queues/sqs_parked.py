"""The queue of parked messages."""

from __future__ import annotations

from jobpipe.runtime.aws import AwsClients, aws_call


class SqsParked:
    """An implementation of ParkedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def park(self, body: str, attributes: dict[str, str]) -> None:
        """Send the body unchanged, with `attributes` that give the reason and the origin."""
        with aws_call("The parked queue"):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                # SQS refuses empty values.
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                    if value
                },
            )
