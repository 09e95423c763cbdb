"""What waits for a time, what the circuit of a webhook holds back, and sweeps through what a webhook has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events import circuit
from jobpipe.domain.events.delivery import DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.schedule import CIRCUIT_OPENS_AFTER, CIRCUIT_PAUSES
from jobpipe.domain.events.webhook import Webhook
from tests.helpers.telling import EVER, World, line_of
from worker_lambda.chalicelib.notifications import wait
from worker_lambda.chalicelib.notifications.deliver import send_again

PENDING, DELIVERED, GIVEN_UP = DeliveryState.PENDING, DeliveryState.DELIVERED, DeliveryState.GIVEN_UP


@pytest.fixture
def world() -> World:
    return World()


def change(world: World, webhook: Webhook, **members: object) -> None:
    world.webhooks.rows[webhook.owner, webhook.webhook_id] = replace(world.stored(webhook), **members)  # type: ignore[arg-type]


def open_circuit(world: World, webhook: Webhook) -> str:
    """Let the webhook have failed; return until when its circuit is open."""
    until = rfc3339(now() + timedelta(minutes=5))
    change(world, webhook, failures=CIRCUIT_OPENS_AFTER + 2, next_try=until)
    return until


# --- waiting --------------------------------------------------------------------------------------------


def test_a_message_that_is_too_early_waits_for_the_rest(world: World) -> None:
    webhook = world.webhook()
    line = Line("alice", webhook.webhook_id, "d")
    early = WakeLine(line, rfc3339(now() + timedelta(hours=1)))
    wait.wake_when_due(early, world.services)
    ((message, rest),) = world.queue.postponed
    assert message == early
    assert timedelta(minutes=59) < rest <= timedelta(hours=1)
    assert world.queue.lines == []
    wake = WakeLine(line, rfc3339(now() - timedelta(seconds=1)))
    wait.wake_when_due(wake, world.services)
    assert world.queue.lines == [wake]


def test_nothing_waits_for_a_webhook_that_is_gone_or_paused(world: World) -> None:
    """A line would go round for 24 hours, with a message every 15 minutes, for each of its webhook's documents."""
    webhook = world.webhook()
    change(world, webhook, paused=True)
    for webhook_id in (webhook.webhook_id, "gone"):
        for due in ("", rfc3339(now() + timedelta(hours=1))):
            wait.wake_when_due(WakeLine(Line("alice", webhook_id, "d"), due), world.services)
    wait.wake_when_due(SendAgain("alice", "gone", "e", "s"), world.services)
    assert (world.queue.postponed, world.queue.lines, world.queue.replays) == ([], [], [])


# --- the circuit ----------------------------------------------------------------------------------------


def test_a_dead_receiver_is_asked_a_few_times_however_much_waits_for_it(world: World) -> None:
    webhook = world.webhook()
    jobs = [world.ended(f"i{n}") for n in range(50)]
    world.tell(*jobs)
    world.answers = [None] * 1000
    for job in jobs:
        world.deliver(line_of(webhook, job))
    assert len(world.posted) == CIRCUIT_OPENS_AFTER
    waiting = {message.line for message, _ in world.queue.postponed if isinstance(message, WakeLine)}
    assert waiting == {line_of(webhook, job) for job in jobs}, "each line comes again"
    assert len(world.queue.postponed) == len(jobs), "and has one message"
    next_try = world.stored(webhook).next_try
    assert next_try is not None
    held = [message for message, _ in world.queue.postponed[CIRCUIT_OPENS_AFTER:]]
    assert min(message.due for message in held) >= next_try
    assert len({message.due for message in held}) > 1, "they do not all come at once"


def test_when_the_circuit_has_ended_one_failure_opens_it_again_for_longer(world: World) -> None:
    at = now()
    webhook = world.webhook()
    pauses = []
    for _ in range(CIRCUIT_OPENS_AFTER + 4):
        webhook = circuit.after_outcome(webhook, at, delivered=False)
        if webhook.next_try is not None:
            pauses.append(datetime.fromisoformat(webhook.next_try) - datetime.fromisoformat(rfc3339(at)))
            at = datetime.fromisoformat(webhook.next_try)
            assert circuit.is_open(webhook, at - timedelta(milliseconds=1))
            assert not circuit.is_open(webhook, at)
    assert pauses == [*CIRCUIT_PAUSES, CIRCUIT_PAUSES[-1], CIRCUIT_PAUSES[-1]]
    webhook = circuit.after_outcome(webhook, at, delivered=True)
    assert (webhook.failures, webhook.next_try, webhook.failing_since) == (0, None, None)


def test_attempts_that_began_together_and_failed_count_once(world: World) -> None:
    webhook, at = world.webhook(), now()
    for _ in range(CIRCUIT_OPENS_AFTER):
        webhook = circuit.after_outcome(webhook, at, delivered=False)
    assert circuit.after_outcome(webhook, at, delivered=False) == webhook


def test_a_line_that_waits_for_its_own_time_does_not_come_sooner_by_the_circuit(world: World) -> None:
    webhook = world.webhook()
    open_circuit(world, webhook)
    own = rfc3339(now() + timedelta(hours=6))
    world.wake(WakeLine(Line("alice", webhook.webhook_id, "d"), own))
    ((message, _),) = world.queue.postponed
    assert message.due == own


def test_what_is_due_while_the_circuit_is_open_does_not_pass_the_fifo_queue(world: World) -> None:
    webhook = world.webhook()
    until = open_circuit(world, webhook)
    resumed = rfc3339(now())
    wait.wake_when_due(WakeLine(Line("alice", webhook.webhook_id, "d"), "", resumed), world.services)
    wait.wake_when_due(SendAgain("alice", webhook.webhook_id, "e", "s"), world.services)
    wait.sweep(Sweep("alice", webhook.webhook_id), world.services)
    assert (world.queue.lines, world.queue.replays) == ([], [])
    (wake, _), (again, _) = world.queue.postponed
    assert min(wake.due, again.due) >= until
    assert isinstance(wake, WakeLine)
    assert wake.resumed == resumed
    assert world.queue.sweeps == [Sweep("alice", webhook.webhook_id)]
    assert world.queue.pauses[0] > timedelta(minutes=4)


def test_an_event_of_a_sweep_waits_for_the_circuit_and_one_that_is_named_does_not(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    (delivery,) = world.told(webhook)
    open_circuit(world, webhook)
    replay = SendAgain("alice", webhook.webhook_id, delivery.event_id, "sweep")
    send_again(replay, world.services)
    assert world.posted == []
    ((message, _),) = world.queue.postponed
    assert isinstance(message, SendAgain)
    assert message.deduplication_id != replay.deduplication_id, "SQS would drop it as repeated"
    send_again(replace(replay, sweep=""), world.services)
    assert world.posted == [delivery.event_id]
    assert not circuit.is_open(world.stored(webhook), now()), "its owner has shown that it answers"


# --- sweeps ---------------------------------------------------------------------------------------------


def test_a_resumed_webhook_has_every_line_woken_and_its_heads_are_attempted_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wait, "SWEEP_PAGE", 2)
    webhook = world.webhook()
    jobs = [world.ended(item_id) for item_id in "abcde"]
    world.tell(*jobs)
    world.answers = [500]
    world.deliver(line_of(webhook, jobs[0]))
    world.deliver(line_of(webhook, jobs[1]))
    world.queue.lines.clear()
    resumed = rfc3339(now() + timedelta(seconds=1))
    world.sweep_all(Sweep("alice", webhook.webhook_id, at=resumed))
    woken = {wake.line: wake for wake in world.queue.lines}
    assert set(woken) == {line_of(webhook, job) for n, job in enumerate(jobs) if n != 1}
    assert set(world.queue.pauses) == {wait.SWEEP_PAUSE}, "its pages do not fill the queue"
    world.posted.clear()
    world.wake(woken[line_of(webhook, jobs[0])])
    assert len(world.posted) == 1, "an attempt that was not due is made: its own message came while it was paused"


def test_a_head_that_was_attempted_since_the_webhook_was_resumed_waits_for_its_time(world: World) -> None:
    """The sweep comes twice, and a page of it may be repeated."""
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.answers = [500] * 9
    wake = WakeLine(line_of(webhook, job), resumed=rfc3339(now() - timedelta(seconds=1)))
    for _ in range(3):
        world.wake(wake)
    assert len(world.posted) == 1


def test_a_sweep_of_a_webhook_that_was_not_paused_attempts_nothing_before_it_is_due(world: World) -> None:
    webhook = world.webhook()
    job = world.ended()
    world.tell(job)
    world.answers = [500]
    world.deliver(line_of(webhook, job))
    world.queue.lines.clear()
    world.sweep_all(Sweep("alice", webhook.webhook_id))
    (wake,) = world.queue.lines
    world.wake(wake)
    assert len(world.posted) == 1


def test_a_sweep_of_a_webhook_that_is_gone_or_paused_ends(world: World) -> None:
    webhook = world.webhook()
    world.tell(world.ended())
    world.queue.lines.clear()
    change(world, webhook, paused=True)
    world.sweep_all(Sweep("alice", webhook.webhook_id))
    world.sweep_all(Sweep("alice", "gone", EVER, replay=True))
    assert world.queue.lines == []


def test_events_from_one_time_to_another_are_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "SWEEP_PAGE", 2)
    webhook = world.webhook()
    jobs = [world.ended(item_id) for item_id in "abcde"]
    later = world.ended("f", updated_at=rfc3339(now() + timedelta(minutes=1)))
    world.tell(*jobs, later)
    for job in (*jobs[:4], later):
        world.deliver(line_of(webhook, job))
    sweep = Sweep("alice", webhook.webhook_id, EVER, replay=True, at=rfc3339(now() + timedelta(seconds=1)))
    world.sweep_all(sweep)
    delivered = {each.event_id for each in world.told(webhook) if each.state is DELIVERED}
    replayed = {each.event_id for each in world.queue.replays}
    assert len(delivered) == 5
    assert len(replayed) == 4
    assert replayed < delivered, "the pending one is delivered anyhow, and the later one was not asked for"
    assert {each.sweep for each in world.queue.replays} == {sweep.sweep_id}


def test_a_page_that_is_repeated_sends_the_same_messages() -> None:
    one = Sweep("alice", "w", EVER, replay=True, at="2026-11-22T20:57:44.123Z")
    another = replace(one, at="2026-11-22T20:57:44.124Z")
    ids = [SendAgain("alice", "w", "e", each.sweep_id).deduplication_id for each in (one, another)]
    assert ids[0] == SendAgain("alice", "w", "e", replace(one, after="d").sweep_id).deduplication_id
    assert ids[0] != ids[1]
    assert SendAgain("alice", "w", "f", one.sweep_id).deduplication_id != ids[0]
    assert SendAgain("alice", "w", "e").deduplication_id == "", "who asks twice for an event gets it twice"
