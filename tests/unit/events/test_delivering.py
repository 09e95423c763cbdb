"""Deliveries are tried in the order of their lines, and again after the pauses that are promised."""

from __future__ import annotations

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
from jobpipe.domain.events.schedule import MOST_AT_ONCE, MOST_AT_ONCE_OF_OWNER, PAUSES, pause_after
from tests.helpers.telling import EVER, World, line_of
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.notifications.consumers import deliveries_consumer, events_consumer, later_consumer
from worker_lambda.chalicelib.notifications.deliver import send_again

PENDING, DELIVERED, GIVEN_UP = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP


@pytest.fixture
def world() -> World:
    return World()


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

    world.queue.deliver_later = fail  # type: ignore[assignment,method-assign]
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
    assert len(groups) == MOST_AT_ONCE
    assert groups == {SendAgain("alice", "w", str(n)).group_id for n in range(200)}
    assert WakeLine(Line("alice", "w", "1"), "x").group_id == WakeLine(Line("alice", "w", "1")).group_id


def test_an_owner_has_so_many_groups_whatever_number_of_webhooks_it_has() -> None:
    """One owner cannot occupy the function with receivers that take long."""
    places = [(str(webhook), str(n)) for webhook in range(10) for n in range(40)]
    groups = {WakeLine(Line("alice", *place)).group_id for place in places}
    assert len(groups) == MOST_AT_ONCE_OF_OWNER
    assert not groups & {WakeLine(Line("bob", *place)).group_id for place in places}
    assert all(len(each) <= 128 for each in groups), "a limit of SQS"


def test_the_pauses_are_those_that_are_promised() -> None:
    hours = [pause.total_seconds() / 3600 for pause in PAUSES]
    assert hours == [5 / 3600, 1 / 60, 5 / 60, 0.5, 2, 6, 12, 24]
    assert pause_after(1) == PAUSES[0]
    assert pause_after(len(PAUSES)) == PAUSES[-1]
    assert pause_after(len(PAUSES) + 1) is None
