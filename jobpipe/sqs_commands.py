"""The FIFO queue of commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.aws import AwsClients, error_code, outages
from jobpipe.queue_message import Envelope
from jobpipe.telemetry import trace_header

_QUEUE = "The command queue"
_STALE = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


class SqsCommands:
    """CommandQueue and ReceivedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def send(self, envelope: Envelope) -> None:
        # Not part of the message: it counts neither for its size nor for its deduplication.
        trace = trace_header()
        traced = {"DataType": "String", "StringValue": trace}
        about: Any = {"MessageSystemAttributes": {"AWSTraceHeader": traced}} if trace else {}
        with outages(_QUEUE):
            self._clients.sqs.send_message(
                QueueUrl=self._queue_url,
                MessageBody=envelope.body,
                MessageGroupId=envelope.group_id,
                MessageDeduplicationId=envelope.deduplication_id,
                **about,
            )

    def delete(self, receipts: Sequence[str]) -> None:
        for receipt in receipts:
            with _if_still_good():
                self._clients.sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=receipt)

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        # One by one: an emulator wants another permission for a batch than AWS does, and these are few.
        for receipt, seconds in receipts:
            with _if_still_good():
                self._clients.sqs.change_message_visibility(
                    QueueUrl=self._queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds
                )


@contextmanager
def _if_still_good() -> Iterator[None]:
    """Whose receipt is no longer good is somebody else's message by now, or nobody's: that is no error."""
    try:
        with outages(_QUEUE):
            yield
    except ClientError as error:
        if error_code(error) not in _STALE:
            raise
