"""The FIFO queue of commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.errors import InternalError, ProblemError, Unavailable
from jobpipe.domain.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients, error_code, is_outage, outages
from jobpipe.runtime.telemetry import logger, trace_header

_QUEUE = "The command queue"
_STALE = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidIdFormat",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


class SqsCommands:
    """CommandQueue, BatchQueue and ReceivedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        self._clients = clients
        self._queue_url = queue_url

    def send(self, envelope: Envelope) -> None:
        with outages(_QUEUE):
            self._clients.sqs.send_message(QueueUrl=self._queue_url, **_message(envelope))

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        entries: list[Any] = [{"Id": str(n), **_message(envelope)} for n, envelope in enumerate(envelopes)]
        with outages(_QUEUE):
            answer = self._clients.sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        taken = {int(entry["Id"]) for entry in answer.get("Successful", [])}
        why = {int(entry["Id"]): entry for entry in answer.get("Failed", [])}
        # Only what SQS says that it has is on the queue.
        return {
            envelope.deduplication_id: _refusal(why.get(n, {}))
            for n, envelope in enumerate(envelopes)
            if n not in taken
        }

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


def _message(envelope: Envelope) -> Any:
    # The trace is not part of the message: it counts neither for its size nor for its deduplication.
    trace = trace_header()
    traced = {"DataType": "String", "StringValue": trace}
    about: Any = {"MessageSystemAttributes": {"AWSTraceHeader": traced}} if trace else {}
    return {
        "MessageBody": envelope.body,
        "MessageGroupId": envelope.group_id,
        "MessageDeduplicationId": envelope.deduplication_id,
        **about,
    }


def _refusal(entry: Any) -> ProblemError:
    """Why SQS has not taken one message of several: the sender's fault is ours."""
    if entry.get("SenderFault") and not is_outage(entry.get("Code", "")):
        logger.error("message refused", extra={"code": entry.get("Code", "")})
        return InternalError("The command could not be queued.")
    return Unavailable("The command could not be queued.")


@contextmanager
def _if_still_good() -> Iterator[None]:
    """Whose receipt is no longer good is somebody else's message by now, or nobody's: that is no error."""
    try:
        with outages(_QUEUE):
            yield
    except ClientError as error:
        if error_code(error) not in _STALE:
            raise
