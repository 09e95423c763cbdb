"""The FIFO queue of commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jobpipe.domain.errors import InternalError, ProblemError, Unavailable
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients, aws_call, is_outage
from jobpipe.runtime.telemetry import logger, trace_header
from jobpipe.stores.queues.sqs_received import SqsReceived

_QUEUE = "The command queue"


class SqsCommands(SqsReceived):
    """CommandQueue, BatchQueue and ReceivedMessages on SQS."""

    def __init__(self, clients: AwsClients, queue_url: str) -> None:
        super().__init__(clients, queue_url, _QUEUE)

    def send(self, envelope: Envelope) -> None:
        """Send one message; when this returns, it will be delivered."""
        with aws_call(_QUEUE):
            self._clients.sqs.send_message(QueueUrl=self._queue_url, **_message(envelope, trace_header()))

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        """Send up to ten messages; return the errors of messages that are not on the queue, by deduplication id."""
        trace = trace_header()
        entries: list[Any] = [{"Id": str(n), **_message(envelope, trace)} for n, envelope in enumerate(envelopes)]
        with aws_call(_QUEUE):
            response = self._clients.sqs.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        sent = {int(entry["Id"]) for entry in response.get("Successful", [])}
        failed = {int(entry["Id"]): entry for entry in response.get("Failed", [])}
        # A message is on the queue only if SQS confirms it.
        return {
            envelope.deduplication_id: _error(failed.get(n, {}))
            for n, envelope in enumerate(envelopes)
            if n not in sent
        }


def _message(envelope: Envelope, trace: str | None) -> Any:
    message: dict[str, Any] = {
        "MessageBody": envelope.body,
        "MessageGroupId": envelope.group_id,
        "MessageDeduplicationId": envelope.deduplication_id,
    }
    # A system attribute counts neither for the message's size nor for its deduplication.
    if trace:
        message["MessageSystemAttributes"] = {"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    return message


def _error(entry: Any) -> ProblemError:
    """Return the error for a message that SQS did not accept. A fault of the sender is a fault of this software."""
    if entry.get("SenderFault") and not is_outage(entry.get("Code", "")):
        logger.error("message refused", extra={"code": entry.get("Code", "")})
        return InternalError("The command could not be queued.")
    return Unavailable("The command could not be queued.")
