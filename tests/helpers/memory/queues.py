"""The queue of commands with its backlog, and the parked messages, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.clock import now
from jobpipe.domain.errors import ProblemError
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import MAX_CALL_BYTES, MAX_CALL_MESSAGES


@dataclass
class MemoryQueue:
    """BatchQueue and ReceivedMessages with SQS's FIFO rules: deduplication, and order within a group."""

    waiting: list[tuple[str, Envelope, int]] = field(default_factory=list)  # message id, envelope, receive count
    seen: set[str] = field(default_factory=set)
    sent: int = 0
    sent_ms: dict[str, int] = field(default_factory=dict)  # by message id
    postponed: list[tuple[str, int]] = field(default_factory=list)  # message id, seconds
    calls: list[list[str]] = field(default_factory=list)  # the groups of the messages of each send_batch

    def delete(self, receipts: Sequence[str]) -> None:
        gone = {receipt.rpartition("/")[0] for receipt in receipts}
        self.waiting = [entry for entry in self.waiting if entry[0] not in gone]

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        self.postponed += [(receipt.rpartition("/")[0], seconds) for receipt, seconds in receipts]

    def send(self, envelope: Envelope) -> None:
        self.sent += 1
        if envelope.deduplication_id not in self.seen:
            self.seen.add(envelope.deduplication_id)
            self.waiting.append((f"m{self.sent}", envelope, 0))
            self.sent_ms[f"m{self.sent}"] = int(now().timestamp() * 1000)

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        assert 1 <= len(envelopes) <= MAX_CALL_MESSAGES, "a call has 1 to 10 messages"
        assert sum(len(each.body.encode()) for each in envelopes) <= MAX_CALL_BYTES, "the call is too large"
        self.calls.append([each.group_id for each in envelopes])
        for each in envelopes:
            self.send(each)
        return {}

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """Return the first messages as an event of Lambda; they stay queued until `acknowledge`."""
        self.waiting = [(i, e, n + 1 if k < most else n) for k, (i, e, n) in enumerate(self.waiting)]
        return [
            {
                "messageId": message_id,
                "receiptHandle": f"{message_id}/{count}",
                "body": envelope.body,
                "attributes": {
                    "MessageGroupId": envelope.group_id,
                    "ApproximateReceiveCount": str(count),
                    "SentTimestamp": str(self.sent_ms.get(message_id, 0)),
                },
            }
            for message_id, envelope, count in self.waiting[:most]
        ]

    def acknowledge(self, records: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        """Delete the received messages that are not reported as failed."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = {record["messageId"] for record in records} - failed
        self.waiting = [entry for entry in self.waiting if entry[0] not in done]


@dataclass
class MemoryBacklog:
    """BacklogGauge; no message is ever in flight, and the first one sent is the oldest."""

    queue: MemoryQueue
    parked: MemoryParked

    def read(self) -> Backlog:
        sent = [self.queue.sent_ms.get(message_id, 0) for message_id, _, _ in self.queue.waiting]
        oldest = max(0.0, now().timestamp() - min(sent) / 1000) if sent else 0.0
        return Backlog(len(sent), 0, 0, oldest, 0, len(self.parked.messages))


@dataclass
class MemoryParked:
    """ParkedMessages."""

    messages: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # body, attributes

    def park(self, body: str, attributes: dict[str, str]) -> None:
        self.messages.append((body, attributes))
