"""The FIFO queue of commands."""

from __future__ import annotations

from jobpipe.aws import AwsClients, outages
from jobpipe.queue_message import Envelope


class SqsCommands:
    """CommandQueue on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def send(self, envelope: Envelope) -> None:
        with outages("The command queue"):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=envelope.body,
                MessageGroupId=envelope.group_id,
                MessageDeduplicationId=envelope.deduplication_id,
            )
