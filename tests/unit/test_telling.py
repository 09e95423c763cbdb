"""From the ends of jobs to deliveries: each is stored once, tried in its order, and woken whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import (
    SendAgain,
    Sweep,
    WakeLine,
    decode_delivery_message,
)
from jobpipe.domain.events.ended_jobs import EndedJob, encode_ended
from jobpipe.domain.events.schedule import AT_ONCE, OWNER_AT_ONCE, PAUSES, pause_after
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.domain.job import Job, Status
from tests.faults.lambdas import Inline
from tests.helpers.memory.webhooks import MemoryDeliveries
from tests.helpers.telling import EVER, World, line_of
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.consumer import NoTimeLeft
from worker_lambda.chalicelib.telling.consumers import deliveries_consumer, events_consumer, later_consumer
from worker_lambda.chalicelib.telling.deliver import send_again
from worker_lambda.chalicelib.telling.tell import tell

PENDING, DELIVERED, GIVEN_UP = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP


@pytest.fixture
def world() -> World:
    return World()


# --- telling --------------------------------------------------------------------------------------------


def test_an_end_is_stored_for_each_webhook_and_its_line_is_woken(world: World) -> None:
    first, second = world.webhook(events=[*EVENT_TYPES]), world.webhook()
    job = world.ended()
    world.tell(job)
    assert [each.event_type for each in world.told(first)] == ["item.changed", "job.ended"]
    assert [each.event_type for each in world.told(second)] == ["job.ended"]
    assert world.queue.lines == [WakeLine(line_of(first, job)), WakeLine(line_of(second, job))]


def test_a_line_that_has_events_is_awake_already(world: World) -> None:
    """Its receiver may be slow: it has one message on the queue, however many events wait for it."""
    webhook = world.webhook(events=[*EVENT_TYPES])
    jobs = [world.ended() for _ in range(20)]
    for job in jobs:
        world.tell(job)
    assert world.queue.lines == [WakeLine(line_of(webhook, jobs[0]))]


def test_a_line_whose_message_is_lost_is_woken_by_its_next_event(world: World) -> None:
    """SQS drops messages after 14 days, for instance while the stage is without events."""
    webhook = world.webhook()
    for days, count in ((13, 1), (15, 2)):
        item_id = f"i{days}"
        job = world.ended(item_id, updated_at=rfc3339(now() - timedelta(days=days)))
        world.tell(job)
        world.tell(world.ended(item_id))
        assert world.queue.lines == [WakeLine(line_of(webhook, job))] * count
        world.queue.lines.clear()


def test_a_message_that_was_received_before_wakes_what_its_first_receipt_may_have_stored(world: World) -> None:
    """The worker died between the store and the wake; then the job was retried, and the webhook changed."""
    webhook = world.webhook()
    world.webhook("bob")  # it has nothing to wake
    job = world.ended()
    world.tell(job)
    world.queue.lines.clear()
    world.jobs.rows[job.job_id] = replace(job, generation="another", status=Status.QUEUED)
    changed = replace(webhook, events=("item.changed",))
    world.webhooks.rows["alice", webhook.webhook_id] = changed
    world.tell(job, receive_count=2)
    assert world.queue.lines == [WakeLine(line_of(webhook, job))]
    assert len(world.told(webhook)) == 1


def test_a_message_that_was_received_before_wakes_the_lines_of_a_job_that_has_expired(world: World) -> None:
    """The message names the document, which the job would name otherwise."""
    webhook, other = world.webhook(), world.webhook("bob")
    job = world.ended(collection="subscriptions", scope="alice")
    world.tell(job)
    world.queue.lines.clear()
    del world.jobs.rows[job.job_id]
    world.tell(job, receive_count=2)
    assert world.queue.lines == [WakeLine(line_of(webhook, job))]
    assert world.told(other) == []


def test_a_message_of_an_earlier_release_wakes_the_lines_of_the_document_that_the_job_names(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.queue.lines.clear()
    message = world.message(f'{{"v":1,"jobs":[["{job.job_id}","{job.generation}"]]}}')
    tell(replace(message, receive_count=2), world.services, lambda: 20.0)
    assert world.queue.lines == [WakeLine(line_of(webhook, job))]


def test_a_message_that_was_received_before_wakes_nothing_of_who_may_not_know(world: World) -> None:
    """The other owner's webhook has a line of the same item id, which is another document."""
    world.webhook("bob", events=[*EVENT_TYPES])
    job = world.ended(collection="subscriptions", scope="alice")
    world.tell(job, receive_count=2)
    assert world.queue.lines == []


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


SHIPPED = {"collection": "orders", "operation": "ship", "emitted": '[["shipped",{}],["left",{}]]'}


def test_a_webhook_is_told_the_events_of_operations_that_it_names(world: World) -> None:
    every = world.webhook(events=[*EVENT_TYPES, "orders.left", "orders.shipped"])
    one = world.webhook(events=["orders.left"])
    none = world.webhook(events=["subscriptions.left"])
    elsewhere = world.webhook(events=["orders.left"], collections=["items"])
    job = world.ended(**SHIPPED)
    world.tell(job)
    kinds = ["item.changed", "orders.shipped", "orders.left", "job.ended"]
    assert [each.event_type for each in world.told(every)] == kinds
    assert [each.event_type for each in world.told(one)] == ["orders.left"]
    assert world.told(none) == world.told(elsewhere) == []
    assert world.queue.lines == [WakeLine(line_of(every, job)), WakeLine(line_of(one, job))]


def test_events_of_operations_are_told_to_whoever_may_read_the_document(world: World) -> None:
    other = world.webhook("bob", events=[*EVENT_TYPES, "orders.shipped", "subscriptions.shipped"])
    world.tell(world.ended(**SHIPPED))
    assert [each.event_type for each in world.told(other)] == ["item.changed", "orders.shipped"]
    world.tell(world.ended(**{**SHIPPED, "collection": "subscriptions", "scope": "alice"}))
    assert len(world.told(other)) == 2


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


class SlowDeliveries(MemoryDeliveries):
    """A store whose calls take a second each, of which an invocation has a few."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds_left = 0.0
        self.added: list[Delivery] = []
        self.asked = 0

    def add(self, delivery: Delivery) -> bool:
        self.seconds_left -= 1
        is_new = super().add(delivery)
        self.added.append(delivery)
        return is_new

    def missing(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        self.seconds_left -= 1
        self.asked += 1
        assert 0 < len(deliveries) <= 100, "a limit of BatchGetItem"
        return super().missing(deliveries)


def receipts(world: World, store: SlowDeliveries, jobs: Sequence[Job], seconds: float) -> list[int]:
    """Let SQS deliver a message until it is acknowledged; return how many deliveries were stored after each."""
    world.deliveries = store
    consumer = events_consumer(world.services, lambda: store.seconds_left)
    stored = []
    for count in range(1, 1000):
        store.seconds_left = seconds
        attributes = {"MessageGroupId": "g", "ApproximateReceiveCount": str(count), "SequenceNumber": "7"}
        body = encode_ended([EndedJob(job.ref, job.item) for job in jobs])
        record = {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}
        answer = consume_batch([record], consumer)
        stored.append(len(store.rows))
        if answer == {"batchItemFailures": []}:
            return stored
    raise AssertionError("it is never acknowledged")


@pytest.mark.parametrize("seconds", [1.0, 7.0, 60.0])
def test_a_message_of_more_than_an_invocation_can_store_goes_on_in_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Each receipt stores something, however little time it has, and nothing that is stored already."""
    monkeypatch.setattr("worker_lambda.chalicelib.telling.together._threads", Inline)
    webhooks = [world.webhook(f"owner{n}", events=["item.changed"]) for n in range(130)]
    webhooks += [world.webhook(events=[*EVENT_TYPES])]
    jobs = [world.ended(), world.ended()]
    store = SlowDeliveries()
    stored = receipts(world, store, jobs, seconds)
    assert len(stored) > 2
    assert stored == sorted({*stored}), "each receipt has stored something"
    assert len(store.added) == len(store.rows) == stored[-1] == 2 * (130 + 2)
    woken = {wake.line for wake in world.queue.lines}
    assert woken == {line_of(webhook, jobs[0]) for webhook in webhooks}
    for webhook in webhooks:
        of_webhook = [each.sequence for each in store.added if each.line.webhook_id == webhook.webhook_id]
        assert of_webhook == sorted(of_webhook), "stored in the order in which they are to be delivered"


def test_what_is_stored_when_time_is_short_is_woken_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker_lambda.chalicelib.telling.together._threads", Inline)
    for n in range(5):
        world.webhook(f"owner{n}", events=["item.changed"])
    job = world.ended()
    store = world.deliveries = SlowDeliveries()
    store.seconds_left = 3.0
    message = replace(world.message(encode_ended([EndedJob(job.ref, job.item)])), sequence_number="7")
    with pytest.raises(NoTimeLeft):
        tell(message, world.services, lambda: store.seconds_left)
    assert world.queue.lines == [WakeLine(line_of(webhook, job)) for webhook in world.webhooks.all()[:3]]


def test_an_event_is_stored_for_ten_webhooks_at_once(world: World) -> None:
    all_here = threading.Barrier(10, timeout=5)

    class Meeting(MemoryDeliveries):
        def add(self, delivery: Delivery) -> bool:
            all_here.wait()
            return super().add(delivery)

    world.deliveries = Meeting()
    webhooks = [world.webhook(f"owner{n}", events=["item.changed"]) for n in range(10)]
    world.tell(world.ended())
    assert all(len(world.told(webhook)) == 1 for webhook in webhooks)


def test_no_later_event_of_a_line_is_stored_before_an_earlier_one(world: World) -> None:
    """While the table does not answer, nothing that comes after is stored, and few others are tried."""

    class Failing(MemoryDeliveries):
        calls = 0

        def add(self, delivery: Delivery) -> bool:
            self.calls += 1
            if delivery.line.owner == "owner7":
                raise Unavailable("The table did not answer.")
            return super().add(delivery)

    store = world.deliveries = Failing()
    for n in range(300):
        world.webhook(f"owner{n}", events=["item.changed"])
    jobs = [world.ended(), world.ended()]
    with pytest.raises(Unavailable):
        world.tell(*jobs)
    assert {each.sequence.split("-")[1] for each in store.rows.values()} == {"00a"}
    assert store.calls <= 100, "the next ones were not tried"


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
    ((later, pause),) = world.queue.postponed
    due = world.told(webhook)[0].due
    assert (later, pause) == (WakeLine(line, due), PAUSES[0])
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
        world.close_circuit(webhook)
        world.deliver(line_of(webhook, jobs[0]), rfc3339(now() + timedelta(days=2)))
    assert world.told(webhook)[0].state is GIVEN_UP
    world.close_circuit(webhook)
    world.deliver(line_of(webhook, jobs[0]))
    assert [each.state for each in world.told(webhook)] == [GIVEN_UP, DELIVERED]
    *pauses, _ = [pause for _, pause in world.queue.postponed]  # the last one is that of the circuit
    assert pauses == [*PAUSES]
    assert len(world.told(webhook)[0].attempts) == len(PAUSES) + 1


def test_a_replay_that_delivers_the_head_wakes_the_next_one(world: World) -> None:
    """Otherwise it would sleep until the head would have been due, up to 24 hours later."""
    webhook = world.webhook()
    jobs = [world.ended(), world.ended()]
    world.tell(*jobs)
    world.answers = [500]
    line = line_of(webhook, jobs[0])
    world.deliver(line)
    world.queue.lines.clear()
    again = SendAgain("alice", webhook.webhook_id, world.told(webhook)[0].event_id)
    send_again(again, world.services)
    assert world.queue.lines == [WakeLine(line)]
    world.deliver(line)
    assert [each.state for each in world.told(webhook)] == [DELIVERED, DELIVERED]
    world.queue.lines.clear()
    send_again(again, world.services)
    assert world.queue.lines == [], "the event was delivered before"
    send_again(again, world.services, is_repeated=True)
    assert world.queue.lines == [WakeLine(line)], "the first receipt may have ended before it woke the line"


def test_an_event_whose_body_has_expired_leaves_its_line(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.deliveries.with_body = lambda _: None  # type: ignore[assignment,method-assign]
    world.deliver(line_of(webhook, job))
    assert [each.state for each in world.told(webhook)] == [GIVEN_UP]
    assert world.posted == []


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
    assert world.queue.postponed[0][1] == PAUSES[0]


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


@pytest.mark.parametrize(
    ("body", "is_kept"),
    [
        ('{"v": 3, "wake": ["alice", "w", "d"], "line": 7}', True),
        ('{"v": 3, "jobs": [["a", "b", "c"]]}', True),
        ('{"v": 3}', True),
        ('{"v": 1}', False),
        ('{"v": "3"}', False),
        ("[3]", False),
        ("3", False),
    ],
)
def test_a_message_of_a_later_release_stays_on_its_queue(world: World, body: str, *, is_kept: bool) -> None:
    """A roll-back must not lose it."""
    attributes = {"ApproximateReceiveCount": "1", "MessageGroupId": "g"}
    record = {"messageId": "m", "receiptHandle": "r", "body": body, "attributes": attributes}
    kept = [{"itemIdentifier": "m"}] if is_kept else []
    for consumer in (events_consumer, deliveries_consumer, later_consumer):
        assert consume_batch([record], consumer(world.services, lambda: 20.0)) == {"batchItemFailures": kept}


# --- the forms and the schedule -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        WakeLine(Line("alice", "w", "d"), "2026-11-22T20:57:44.123Z"),
        WakeLine(Line("alice", "w", "d"), resumed="2026-11-22T20:57:44.123Z"),
        SendAgain("alice", "w", "e"),
        SendAgain("alice", "w", "e", "s", "2026-11-22T20:57:44.123Z"),
        Sweep("alice", "w", EVER, replay=True, at="2026-11-22T20:57:44.123Z"),
        Sweep("alice", "w", after="e"),
    ],
)
def test_a_message_can_be_read_back(message: Any) -> None:
    assert decode_delivery_message(message.encode()) == message


def test_a_receiver_has_so_many_groups_and_a_line_one() -> None:
    groups = {WakeLine(Line("alice", "w", str(n))).group_id for n in range(200)}
    assert len(groups) == AT_ONCE
    assert groups == {SendAgain("alice", "w", str(n)).group_id for n in range(200)}
    assert WakeLine(Line("alice", "w", "1"), "x").group_id == WakeLine(Line("alice", "w", "1")).group_id


def test_an_owner_has_so_many_groups_whatever_number_of_webhooks_it_has() -> None:
    """One owner cannot occupy the function with receivers that take long."""
    places = [(str(webhook), str(n)) for webhook in range(10) for n in range(40)]
    groups = {WakeLine(Line("alice", *place)).group_id for place in places}
    assert len(groups) == OWNER_AT_ONCE
    assert not groups & {WakeLine(Line("bob", *place)).group_id for place in places}
    assert all(len(each) <= 128 for each in groups), "a limit of SQS"


def test_the_pauses_are_those_that_are_promised() -> None:
    hours = [pause.total_seconds() / 3600 for pause in PAUSES]
    assert hours == [5 / 3600, 1 / 60, 5 / 60, 0.5, 2, 6, 12, 24]
    assert pause_after(1) == PAUSES[0]
    assert pause_after(len(PAUSES)) == PAUSES[-1]
    assert pause_after(len(PAUSES) + 1) is None
