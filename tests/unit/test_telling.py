"""From the ends of jobs to deliveries: each is stored once, tried in its order, and woken whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import CreateItem
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import (
    SendAgain,
    Sweep,
    WakeLine,
    decode_delivery_message,
)
from jobpipe.domain.events.ended_jobs import encode_ended
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.schedule import AT_ONCE, PAUSES, pause_after
from jobpipe.domain.events.webhook import EVENT_TYPES, JOB_ENDED, Webhook, new_webhook
from jobpipe.domain.job import Job, Status, new_job
from tests.helpers.memory.documents import MemoryDocuments
from tests.helpers.memory.jobs import MemoryJobs
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.memory.webhooks import MemoryDeliveries, MemoryDeliveryQueue, MemoryWebhooks
from worker_lambda.chalicelib.consume_batch import Delivery as Message
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.telling import wait
from worker_lambda.chalicelib.telling.consumers import deliveries_consumer, events_consumer, later_consumer
from worker_lambda.chalicelib.telling.deliver import deliver_line, send_again
from worker_lambda.chalicelib.telling.services import TellingServices
from worker_lambda.chalicelib.telling.tell import tell

PENDING, DELIVERED, GIVEN_UP = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP
EVER = "0001-01-01T00:00:00.000Z"


@dataclass
class World:
    """The stores of a stage in memory, and a receiver."""

    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)
    received: MemoryQueue = field(default_factory=MemoryQueue)
    answers: list[int | None] = field(default_factory=list)  # of the next requests; then 204
    posted: list[str] = field(default_factory=list)  # ids of events
    seconds_left: float = 20.0
    sequence: int = 0

    @property
    def services(self) -> TellingServices:
        return TellingServices(
            jobs=self.jobs,
            source=Source("test", MemoryDocuments()),
            webhooks=self.webhooks,
            deliveries=self.deliveries,
            queue=self.queue,
            events_received=self.received,
            deliveries_received=self.received,
            later_received=self.received,
            post=self._post,
            reserve_seconds=1.0,
        )

    def _post(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        self.posted.append(delivery.event_id)
        status = self.answers.pop(0) if self.answers else 204
        return DeliveryAttempt(rfc3339(now()), 1, status, "" if status else "no answer in time")

    def webhook(self, owner: str = "alice", **members: Any) -> Webhook:
        body = {"url": "https://example.com/hook", "events": [JOB_ENDED], **members}
        webhook = new_webhook(body, owner, {"items", "orders"}, UrlRules(), now())
        self.webhooks.rows[owner, webhook.webhook_id] = webhook
        return webhook

    def ended(self, item_id: str = "i", owner: str = "alice", **members: Any) -> Job:
        new = new_job(CreateItem(item_id, {"name": "n", "description": "d"}), owner, None, now(), timedelta(days=1))
        job = replace(new, **{"status": Status.SUCCEEDED, "result": "{}", **members})
        self.jobs.rows[job.job_id] = job
        return job

    def tell(self, *jobs: Job) -> None:
        self.sequence += 1
        message = self.message(encode_ended([job.ref for job in jobs]))
        tell(replace(message, sequence_number=f"{self.sequence:020}"), self.services)

    def message(self, body: str) -> Message:
        return Message("m", body, 1, "r", "g", datetime.fromtimestamp(0, UTC), "", "arn", "1")

    def deliver(self, line: Line, due: str = "") -> None:
        deliver_line(WakeLine(line, due), self.services, lambda: self.seconds_left)

    def told(self, webhook: Webhook) -> list[Delivery]:
        """Return the webhook's deliveries, in the order of their events."""
        found = self.deliveries.since(webhook.owner, webhook.webhook_id, EVER, 100, None).deliveries
        return sorted(found, key=lambda each: each.sequence)

    def stored(self, webhook: Webhook) -> Webhook:
        found = self.webhooks.get(webhook.owner, webhook.webhook_id)
        assert found is not None
        return found


@pytest.fixture
def world() -> World:
    return World()


def line_of(webhook: Webhook, job: Job) -> Line:
    return Line.of(webhook.owner, webhook.webhook_id, job.item)


# --- telling --------------------------------------------------------------------------------------------


def test_an_end_is_stored_for_each_webhook_and_its_line_is_woken(world: World) -> None:
    first, second = world.webhook(events=[*EVENT_TYPES]), world.webhook()
    job = world.ended()
    world.tell(job)
    assert [each.event_type for each in world.told(first)] == ["item.changed", "job.ended"]
    assert [each.event_type for each in world.told(second)] == ["job.ended"]
    assert world.queue.lines == [WakeLine(line_of(first, job)), WakeLine(line_of(second, job))]


def test_an_end_that_is_told_twice_is_stored_once_and_woken_twice(world: World) -> None:
    """A crash between the store and the wake must not lose the event."""
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.tell(job)
    assert len(world.told(webhook)) == 1
    assert world.queue.lines == [WakeLine(line_of(webhook, job))] * 2


def test_who_is_told(world: World) -> None:
    mine, other = world.webhook(events=[*EVENT_TYPES]), world.webhook("bob", events=[*EVENT_TYPES])
    world.tell(world.ended())
    assert {each.event_type for each in world.told(mine)} == {"job.ended", "item.changed"}
    assert {each.event_type for each in world.told(other)} == {"item.changed"}, "items are shared, and jobs are not"


def test_documents_that_only_their_owner_sees_are_told_to_nobody_else(world: World) -> None:
    mine, other = world.webhook(events=[*EVENT_TYPES]), world.webhook("bob", events=[*EVENT_TYPES])
    world.tell(world.ended(collection="subscriptions", scope="alice"))
    assert len(world.told(mine)) == 2
    assert world.told(other) == []


def test_a_webhook_is_told_of_its_collections_only(world: World) -> None:
    webhook = world.webhook(collections=["orders"])
    world.tell(world.ended())
    assert world.told(webhook) == []
    world.tell(world.ended(collection="orders"))
    assert len(world.told(webhook)) == 1


@pytest.mark.parametrize(
    "members",
    [{"generation": "another"}, {"status": Status.QUEUED}, {"expires_at": 1}],
)
def test_an_end_that_is_gone_or_was_undone_is_not_told(world: World, members: dict[str, Any]) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.jobs.rows[job.job_id] = replace(job, **members)
    world.tell(job)
    del world.jobs.rows[job.job_id]
    world.tell(job)
    assert world.told(webhook) == []
    assert world.queue.lines == []


def test_without_webhooks_nothing_is_read(world: World) -> None:
    job = world.ended()
    world.jobs.get = None  # type: ignore[assignment,method-assign]
    world.tell(job)


def test_the_events_of_a_line_are_in_the_order_of_the_queue(world: World) -> None:
    webhook = world.webhook(events=[*EVENT_TYPES])
    jobs = [world.ended() for _ in range(4)]
    world.sequence = 8
    world.tell(*jobs[:2])
    world.sequence = 9_999_999_999  # SQS's numbers have 20 digits today, and 128 bits by their documentation
    world.tell(jobs[2])
    world.sequence *= 10**10
    world.tell(jobs[3])
    world.deliver(line_of(webhook, jobs[0]))
    posted = [event_id.split("-")[1] for event_id in world.posted]
    assert posted == [job.job_id for job in jobs for _ in range(2)]


def test_a_message_that_is_none_is_dropped_and_blocks_nothing(world: World) -> None:
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": "garbage",
        "attributes": {"ApproximateReceiveCount": "1"},
    }
    grouped = {**record, "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g"}}
    for consumer, each in (
        (events_consumer, grouped),
        (deliveries_consumer, grouped),
        (later_consumer, record),
    ):
        assert consume_batch([each], consumer(world.services, lambda: 20.0)) == {"batchItemFailures": []}


# --- delivering -----------------------------------------------------------------------------------------


def test_what_is_delivered_makes_way_for_the_next(world: World) -> None:
    webhook = world.webhook()
    jobs = [world.ended(), world.ended()]
    world.tell(*jobs)
    world.deliver(line_of(webhook, jobs[0]))
    assert [each.state for each in world.told(webhook)] == [DELIVERED, DELIVERED]
    assert len(world.posted) == 2


def test_a_failure_holds_up_its_line_until_it_is_due(world: World) -> None:
    webhook = world.webhook()
    jobs = [world.ended(), world.ended()]
    world.tell(*jobs)
    world.answers = [500]
    line = line_of(webhook, jobs[0])
    world.deliver(line)
    ((later, due, pause),) = world.queue.postponed
    assert (later, pause) == (line, PAUSES[0])
    assert world.told(webhook)[0].due == due
    world.deliver(line)
    assert len(world.posted) == 1, "it is not due"
    world.deliver(line, due)
    assert len(world.posted) == 3, "a message that has waited for its time counts, whatever the clock shows"


def test_the_later_message_is_sent_before_the_attempt_is_recorded(world: World) -> None:
    """The other way round, a crash in between would leave a line that nothing wakes."""
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.answers = [500]

    def fail(*_: object) -> None:
        raise Unavailable("The queue did not answer.")

    world.queue.later = fail  # type: ignore[assignment,method-assign]
    with pytest.raises(Unavailable):
        world.deliver(line_of(webhook, job))
    (delivery,) = world.told(webhook)
    assert (delivery.state, delivery.attempts, delivery.due) == (PENDING, (), "")


def test_the_last_failure_gives_up_and_the_line_goes_on(world: World) -> None:
    webhook = world.webhook()
    jobs = [world.ended(), world.ended()]
    world.tell(*jobs)
    world.answers = [503] * (len(PAUSES) + 1)
    for _ in range(len(PAUSES) + 1):
        world.deliver(line_of(webhook, jobs[0]), "9999")
    assert [each.state for each in world.told(webhook)] == [GIVEN_UP, DELIVERED]
    assert [pause for _, _, pause in world.queue.postponed] == [*PAUSES]
    assert len(world.told(webhook)[0].attempts) == len(PAUSES) + 1


def test_replays_do_not_shorten_the_schedule(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.answers = [500] * 3
    event_id = world.told(webhook)[0].event_id
    for _ in range(2):
        send_again(SendAgain("alice", webhook.webhook_id, event_id), world.services)
    assert world.told(webhook)[0].state is PENDING
    world.deliver(line_of(webhook, job))
    assert world.queue.postponed[0][2] == PAUSES[0]


def test_a_receiver_that_is_gone_pauses_the_webhook_at_once(world: World) -> None:
    webhook = world.webhook()
    jobs = [world.ended(), world.ended()]
    world.tell(*jobs)
    world.answers = [410]
    world.deliver(line_of(webhook, jobs[0]))
    assert [each.state for each in world.told(webhook)] == [GIVEN_UP, PENDING]
    assert (world.stored(webhook).paused, world.stored(webhook).paused_by_failures) == (True, True)
    assert len(world.posted) == 1


def test_a_paused_or_deleted_webhook_is_not_delivered_to(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.webhooks.rows["alice", webhook.webhook_id] = replace(webhook, paused=True)
    world.deliver(line_of(webhook, job))
    del world.webhooks.rows["alice", webhook.webhook_id]
    world.deliver(line_of(webhook, job))
    assert world.posted == []


def test_what_is_stored_while_a_webhook_is_paused_is_woken_too(world: World) -> None:
    """It may be resumed between the read of the webhook and the store."""
    webhook = world.webhook()
    world.webhooks.rows["alice", webhook.webhook_id] = replace(webhook, paused=True)
    job = world.ended()
    world.tell(job)
    assert world.queue.lines == [WakeLine(line_of(webhook, job))]


def test_when_time_is_short_the_line_goes_on_in_another_invocation(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.queue.lines.clear()
    world.seconds_left = 12.0
    world.deliver(line_of(webhook, job))
    assert world.posted == []
    assert world.queue.lines == [WakeLine(line_of(webhook, job))]


def test_a_test_event_is_attempted_once(world: World) -> None:
    webhook = world.webhook()
    event = world.services.source.test_event(webhook.webhook_id, now(), "a1")
    texts = {
        "event_type": event.event_type,
        "subject": event.subject,
        "sequence": event.sequence,
        "body": event.body,
    }
    line = Line.of_no_document("alice", webhook.webhook_id)
    delivery = Delivery(
        line=line, event_id=event.event_id, state=PENDING, attempts=(), created_at=rfc3339(now()), **texts
    )
    assert world.deliveries.add(delivery)
    world.answers = [500]
    again = SendAgain("alice", webhook.webhook_id, event.event_id)
    send_again(again, world.services)
    assert world.told(webhook)[0].state is GIVEN_UP
    assert world.queue.postponed == []
    send_again(again, world.services)
    assert world.told(webhook)[0].state is DELIVERED


def test_a_delivered_message_is_deleted_before_the_batch_ends(world: World) -> None:
    """A slow receiver of the batch would hold up the next event of the others."""
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    deleted: list[str] = []
    world.received.delete = deleted.extend  # type: ignore[assignment,method-assign]
    attributes = {"MessageGroupId": "g", "ApproximateReceiveCount": "1"}
    body = WakeLine(line_of(webhook, job)).encode()
    record = {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}
    consumer = deliveries_consumer(world.services, lambda: 20.0)
    assert consume_batch([record], consumer) == {"batchItemFailures": []}
    assert deleted == ["r"]


# --- waiting --------------------------------------------------------------------------------------------


def test_a_message_that_is_too_early_waits_for_the_rest(world: World) -> None:
    line = Line("alice", "w", "d")
    early = rfc3339(now() + timedelta(hours=1))
    wait.wake_in_time(WakeLine(line, early), world.services)
    ((_, due, rest),) = world.queue.postponed
    assert due == early
    assert timedelta(minutes=59) < rest <= timedelta(hours=1)
    assert world.queue.lines == []
    wake = WakeLine(line, rfc3339(now() - timedelta(seconds=1)))
    wait.wake_in_time(wake, world.services)
    assert world.queue.lines == [wake]


def sweep_all(world: World, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "SWEEP_PAGE", 2)
    world.queue.sweeps = [sweep]
    while world.queue.sweeps:
        wait.sweep(world.queue.sweeps.pop(), world.services)


def test_a_resumed_webhook_has_every_pending_line_woken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = world.webhook()
    jobs = [world.ended(item_id) for item_id in "abcde"]
    world.tell(*jobs)
    world.answers = [500]
    world.deliver(line_of(webhook, jobs[0]))
    world.deliver(line_of(webhook, jobs[1]))
    world.queue.lines.clear()
    sweep_all(world, Sweep("alice", webhook.webhook_id, EVER, replay=False), monkeypatch)
    woken = {wake.line: wake for wake in world.queue.lines}
    assert set(woken) == {line_of(webhook, job) for n, job in enumerate(jobs) if n != 1}
    world.posted.clear()
    world.deliver(line_of(webhook, jobs[0]), woken[line_of(webhook, jobs[0])].due)
    assert len(world.posted) == 1, "an attempt that was not due is made: its own message came while it was paused"


def test_all_events_since_a_time_are_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = world.webhook()
    jobs = [world.ended(item_id) for item_id in "abcde"]
    world.tell(*jobs)
    for job in jobs[:4]:
        world.deliver(line_of(webhook, job))
    sweep_all(world, Sweep("alice", webhook.webhook_id, EVER, replay=True), monkeypatch)
    delivered = {each.event_id for each in world.told(webhook) if each.state is DELIVERED}
    assert {each.event_id for each in world.queue.replays} == delivered, "the pending one is delivered anyhow"
    assert len(delivered) == 4


# --- the forms and the schedule -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        WakeLine(Line("alice", "w", "d"), "2026-11-22T20:57:44.123Z"),
        WakeLine(Line("alice", "w", "d")),
        SendAgain("alice", "w", "e"),
        Sweep("alice", "w", EVER, replay=True),
        Sweep("alice", "w", EVER, replay=False, after="e"),
    ],
)
def test_a_message_can_be_read_back(message: Any) -> None:
    assert decode_delivery_message(message.encode()) == message


def test_a_receiver_has_so_many_groups_and_a_line_one() -> None:
    groups = {WakeLine(Line("alice", "w", str(n))).group_id for n in range(200)}
    assert len(groups) == AT_ONCE
    assert groups == {SendAgain("alice", "w", str(n)).group_id for n in range(200)}
    assert WakeLine(Line("alice", "w", "1"), "x").group_id == WakeLine(Line("alice", "w", "1")).group_id


def test_the_pauses_are_those_that_are_promised() -> None:
    hours = [pause.total_seconds() / 3600 for pause in PAUSES]
    assert hours == [5 / 3600, 1 / 60, 5 / 60, 0.5, 2, 6, 12, 24]
    assert pause_after(1) == PAUSES[0]
    assert pause_after(len(PAUSES)) == PAUSES[-1]
    assert pause_after(len(PAUSES) + 1) is None
