"""A pipeline in memory that notifies of the ends of its jobs: its queues, receivers, and the release."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.ended_jobs import EndedJob, deduplication_id, encode_ended
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.jobs.queue_message import Envelope
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.pipeline import Pipeline
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.consumer import Consumer
from worker_lambda.chalicelib.notifications.consumers import deliveries_consumer, events_consumer, later_consumer
from worker_lambda.chalicelib.notifications.services import NotificationServices
from worker_lambda.chalicelib.releasing.release import Pass
from worker_lambda.chalicelib.releasing.services import ReleaseServices
from worker_lambda.chalicelib.releasing.sweep import INDEX_DELAY, sweep

SHARD = "0"  # of the schedule in these tests: the shards of a sweep run one after the other here
_DEDUPLICATED_FOR = timedelta(minutes=5)
_AT_ONCE = datetime.min.replace(tzinfo=UTC)  # whatever the clock of the process is that sends a message
_LONG_DELAY = timedelta(seconds=30)  # a message with a longer one comes too early, as with one that SQS refuses
NOTIFYING_SECONDS, RELEASE_SECONDS = 60.0, 180.0  # of an invocation


@dataclass
class _Message:
    number: int
    body: str
    group: str
    visible: datetime
    receives: int = 0

    def record(self) -> dict[str, Any]:
        return {
            "messageId": str(self.number),
            "receiptHandle": f"{self.number}/{self.receives}",
            "body": self.body,
            "attributes": {
                "ApproximateReceiveCount": str(self.receives),
                "SentTimestamp": "0",
                "MessageGroupId": self.group,
                "SequenceNumber": str(self.number),
            },
        }


class NotificationQueue:
    """A queue of SQS, with deduplication and groups if its messages have them, and with delays."""

    def __init__(self) -> None:
        self.waiting: list[_Message] = []
        self._seen: dict[str, datetime] = {}
        self._sent = 0

    def put(self, body: str, group: str = "", token: str = "", delay: timedelta = timedelta()) -> None:
        """Send a message; `token` is its deduplication id."""
        seen = self._seen.get(token)
        if token and seen is not None and now() < seen + _DEDUPLICATED_FOR:
            return
        self._seen[token] = now()
        self._sent += 1
        visible = now() + (delay / 2 if delay > _LONG_DELAY else delay) if delay else _AT_ONCE
        self.waiting.append(_Message(self._sent, body, group, visible))

    def receive(self, pick: Sequence[int], most: int = 10) -> list[dict[str, Any]]:
        """Return messages of some groups, in their order, as an event of Lambda."""
        visible = [each for each in self.waiting if each.visible <= now()]
        groups = [*dict.fromkeys(each.group for each in visible)]
        chosen = {groups[n % len(groups)] for n in pick} if groups and pick else {*groups}
        taken = [each for each in visible if each.group in chosen][:most]
        for each in taken:
            each.receives += 1
        return [each.record() for each in taken]

    def delete(self, receipts: Sequence[str]) -> None:
        self._delete({receipt.partition("/")[0] for receipt in receipts})

    def _delete(self, numbers: set[str]) -> None:
        self.waiting = [each for each in self.waiting if str(each.number) not in numbers]

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        """Let the messages be received again at once: any delay is too short for someone."""

    def acknowledge(self, records: Sequence[dict[str, Any]], answer: dict[str, Any]) -> None:
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self._delete({each["messageId"] for each in records} - failed)


class NotingQueue(MemoryQueue):
    """The queue of commands, which notes each message when it is sent."""

    noted: Callable[[str, Envelope], None]

    def send(self, envelope: Envelope) -> None:
        before = len(self.waiting)
        super().send(envelope)
        if len(self.waiting) > before:
            self.noted(self.waiting[-1][0], envelope)


@dataclass
class _Events:
    """EventQueue."""

    queue: NotificationQueue

    def send_ended(self, ended: Sequence[tuple[str, Sequence[EndedJob]]]) -> list[bool]:
        for group, jobs in ended:
            self.queue.put(encode_ended(jobs), group, deduplication_id(jobs))
        return [True] * len(ended)


@dataclass
class _Deliveries:
    """DeliveryQueue."""

    queue: NotificationQueue
    waiting: NotificationQueue

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        for each in lines:
            self.queue.put(each.encode(), each.group_id, uuid.uuid4().hex)

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        self.waiting.put(message.encode(), delay=max(timedelta(seconds=1), pause))

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
        for each in replays:
            self.queue.put(each.encode(), each.group_id, each.deduplication_id or uuid.uuid4().hex)

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        self.waiting.put(sweep.encode(), delay=pause)


@dataclass(frozen=True)
class Answer:
    """What a receiver answers, and after how long; without a status, the process cannot begin with the request."""

    status: int | None
    seconds: float = 0.0


@dataclass
class Receivers:
    """The receivers of all webhooks."""

    advance: Callable[[timedelta], None]
    noted: Callable[[Webhook, Delivery, int], None]  # is called with each request before it is answered
    answers: dict[str, list[Answer]] = field(default_factory=dict)  # by webhook, of its next requests; then 204

    def post(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        planned = self.answers.get(webhook.webhook_id)
        answer = planned.pop(0) if planned else Answer(204)
        if answer.status is None:
            raise Unavailable("This process cannot begin with the request.")
        at = rfc3339(now())
        self.noted(webhook, delivery, answer.status)
        self.advance(timedelta(seconds=answer.seconds))
        status = answer.status or None  # 0: there is no answer in time
        return DeliveryAttempt(at, 1, status, "" if status else "no response in time")


@dataclass
class NotifyingPipeline(Pipeline):
    """A pipeline whose queues of events and of deliveries have consumers."""

    queue: NotingQueue = field(default_factory=NotingQueue)
    events_waiting: NotificationQueue = field(default_factory=NotificationQueue)
    deliveries_waiting: NotificationQueue = field(default_factory=NotificationQueue)
    later_waiting: NotificationQueue = field(default_factory=NotificationQueue)
    receivers: Receivers = field(init=False)

    def __post_init__(self) -> None:
        self.event_queue = _Events(self.events_waiting)  # type: ignore[assignment]  # an EventQueue too
        self.delivery_queue = _Deliveries(  # type: ignore[assignment]  # a DeliveryQueue too
            self.deliveries_waiting, self.later_waiting
        )
        super().__post_init__()

    def notify(self, pick: Sequence[int] = (), seconds: float = NOTIFYING_SECONDS) -> bool:
        """Pass a batch of the queue of events to its consumer; return whether there was one."""
        return self._consume(self.events_waiting, events_consumer, pick, seconds)

    def deliver(self, pick: Sequence[int] = (), seconds: float = NOTIFYING_SECONDS) -> bool:
        """Pass a batch of the queue of deliveries to its consumer; return whether there was one."""
        return self._consume(self.deliveries_waiting, deliveries_consumer, pick, seconds)

    def wake(self) -> bool:
        """Pass a batch of the queue of later deliveries to its consumer; return whether there was one."""
        return self._consume(self.later_waiting, later_consumer, (), NOTIFYING_SECONDS)

    def sweep_schedule(self, seconds: float = RELEASE_SECONDS) -> None:
        """Run one invocation of the release."""
        sweep(self._release_services(), _left(seconds))

    def release_once(self) -> None:
        """Go through the schedule once, as a part of an invocation."""
        Pass(SHARD, self._release_services(), lambda: True).run(now() - INDEX_DELAY)

    def _release_services(self) -> ReleaseServices:
        return ReleaseServices(self.schedule, self.documents, self.queue, sends_events=True)

    def _consume(
        self,
        queue: NotificationQueue,
        consumer: Callable[[NotificationServices, Callable[[], float]], Consumer],
        pick: Sequence[int],
        seconds: float,
    ) -> bool:
        records = queue.receive(pick)
        if records:
            consumed = consume_batch(records, consumer(self._notification_services(), _left(seconds)))
            queue.acknowledge(records, consumed)
        return bool(records)

    def _notification_services(self) -> NotificationServices:
        return NotificationServices(
            jobs=self.jobs,
            source=Source("test", self.documents),
            webhooks=self.webhooks,
            deliveries=self.deliveries,
            queue=self.delivery_queue,
            events_received=self.events_waiting,
            deliveries_received=self.deliveries_waiting,
            later_received=self.later_waiting,
            post=self.receivers.post,
            tasks=None,
            bus=None,
            reserve_seconds=1.0,
        )


def _left(seconds: float) -> Callable[[], float]:
    """Return what counts the seconds that are left of an invocation that begins now and may take so many."""
    began = now()
    return lambda: seconds - (now() - began).total_seconds()
