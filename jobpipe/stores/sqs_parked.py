"""The queue of messages that are no command of ours."""

from __future__ import annotations

from jobpipe.runtime.aws import AwsClients, outages


class SqsParked:
    """ParkedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def park(self, body: str, about: dict[str, str]) -> None:
        with outages("The parked queue"):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                # SQS refuses a value that is empty.
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in about.items() if value
                },
            )
