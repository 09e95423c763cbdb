"""The FIFO queue of commands."""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.aws import AwsClients, outages
from jobpipe.queue_message import Envelope

_QUEUE = "The command queue"
_MAX_BATCH = 10  # entries of one ChangeMessageVisibilityBatch


class SqsCommands:
    """CommandQueue and ReceivedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def send(self, envelope: Envelope) -> None:
        with outages(_QUEUE):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=envelope.body,
                MessageGroupId=envelope.group_id,
                MessageDeduplicationId=envelope.deduplication_id,
            )

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        for start in range(0, len(receipts), _MAX_BATCH):
            # An entry that fails is not tried again: its message comes back anyway, when its visibility ends.
            with outages(_QUEUE):
                self._clients.sqs.change_message_visibility_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
                        for i, (receipt, seconds) in enumerate(receipts[start : start + _MAX_BATCH])
                    ],
                )
