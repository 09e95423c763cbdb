"""Messages that were received from a queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from botocore.exceptions import ClientError

from jobpipe.runtime.aws import AwsClients, aws_call, error_code

_STALE = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidIdFormat",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


class SqsReceived:
    """An implementation of ReceivedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str, name: str) -> None:
        """`name` is the name of the queue in errors."""
        self._clients = clients
        self._queue_url = queue_url
        self._name = name

    def delete(self, receipts: Sequence[str]) -> None:
        """Delete the messages with these receipt handles."""
        for receipt in receipts:
            with self._ignore_stale_receipt():
                self._clients.sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=receipt)

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        """Deliver the message of each receipt handle again after so many seconds."""
        # Not as a batch, for which an emulator requires another permission than AWS does; these are few.
        for receipt, seconds in receipts:
            with self._ignore_stale_receipt():
                self._clients.sqs.change_message_visibility(
                    QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
                )

    @contextmanager
    def _ignore_stale_receipt(self) -> Iterator[None]:
        """Ignore receipt handles that are no longer valid: the message was delivered again or deleted meanwhile."""
        try:
            with aws_call(self._name):
                yield
        except ClientError as error:
            if error_code(error) not in _STALE:
                raise
