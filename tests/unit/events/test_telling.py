"""Ends of jobs become deliveries: each is stored once for each webhook, and its line is woken whatever happens."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery import Delivery, DeliveryState
from jobpipe.domain.events.delivery_messages import (
    WakeLine,
)
from jobpipe.domain.events.ended_jobs import EndedJob, encode_ended
from jobpipe.domain.events.webhook import EVENT_TYPES
from jobpipe.domain.jobs.job import Job, Status
from tests.faults.stage.lambdas import Inline
from tests.helpers.memory.webhooks import MemoryDeliveries
from tests.helpers.telling import World, line_of
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.consumer import NoTimeLeft
from worker_lambda.chalicelib.notifications.consumers import deliveries_consumer, events_consumer, later_consumer
from worker_lambda.chalicelib.notifications.notify import notify

PENDING, DELIVERED, GIVEN_UP = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP


@pytest.fixture
def world() -> World:
    return World()


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
    notify(replace(message, receive_count=2), world.services, lambda: 20.0)
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


SHIPPED = {"collection": "orders", "operation": "ship", "emitted_events": '[["shipped",{}],["left",{}]]'}


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

    def find_missing(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        self.seconds_left -= 1
        self.asked += 1
        assert 0 < len(deliveries) <= 100, "a limit of BatchGetItem"
        return super().find_missing(deliveries)


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
    monkeypatch.setattr("worker_lambda.chalicelib.notifications.parallel._threads", Inline)
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
    monkeypatch.setattr("worker_lambda.chalicelib.notifications.parallel._threads", Inline)
    for n in range(5):
        world.webhook(f"owner{n}", events=["item.changed"])
    job = world.ended()
    store = world.deliveries = SlowDeliveries()
    store.seconds_left = 3.0
    message = replace(world.message(encode_ended([EndedJob(job.ref, job.item)])), sequence_number="7")
    with pytest.raises(NoTimeLeft):
        notify(message, world.services, lambda: store.seconds_left)
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

    another_is_stored = threading.Event()

    class Failing(MemoryDeliveries):
        calls = 0

        def add(self, delivery: Delivery) -> bool:
            self.calls += 1
            if delivery.line.owner == "owner7":
                assert another_is_stored.wait(timeout=30)
                raise Unavailable("The table did not answer.")
            is_new = super().add(delivery)
            another_is_stored.set()
            return is_new

    store = world.deliveries = Failing()
    for n in range(300):
        world.webhook(f"owner{n}", events=["item.changed"])
    jobs = [world.ended(), world.ended()]
    with pytest.raises(Unavailable):
        world.tell(*jobs)
    assert {each.sequence.split("-")[1] for each in store.rows.values()} == {"00a"}
    assert store.calls <= 100, "the next ones were not tried"
