"""Deliver the events of one line in their order.

After each attempt the writes have an order, so that a process may die between any two of them:

    failed      put a message on the queue of later deliveries ── record the attempt, with the time when it is due
    delivered   record it ── take it from its line ── go on with the next one

Until the last write, the message of the line stays on its queue and is delivered again.

While the circuit of the webhook is open, nothing is attempted: its messages wait on the queue of later deliveries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events import circuit
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState
from jobpipe.domain.events.delivery_messages import SendAgain, WakeLine
from jobpipe.domain.events.schedule import ATTEMPT_SECONDS, pause_after
from jobpipe.domain.events.webhook import Webhook
from jobpipe.runtime.metrics import DELIVERED, DELIVERY_FAILED, GIVEN_UP, WEBHOOK_PAUSED, meter
from jobpipe.runtime.telemetry import logger

from .services import TellingServices
from .wait import let_wait

RESERVE_SECONDS = ATTEMPT_SECONDS + 5.0
"""What must be left of an invocation to begin with an attempt: its time, and that of the calls of AWS around it."""

_GONE = 410
_OK = range(200, 300)


def deliver_line(wake: WakeLine, services: TellingServices, seconds_left: Callable[[], float]) -> None:
    """Deliver what is due in the line, until it is empty, or its head has to wait."""
    line = wake.line
    while True:
        webhook = services.webhooks.get(line.owner, line.webhook_id)
        if webhook is None or webhook.paused:  # resuming it wakes its lines
            return
        if circuit.is_open(webhook, now()):
            let_wait(wake, webhook, services)
            return
        delivery = services.deliveries.head(line)
        # If it is not due, there is a message on the queue of later deliveries, which wakes the line in time.
        if delivery is None or not _is_due(delivery, wake):
            return
        if seconds_left() < RESERVE_SECONDS:
            services.queue.deliver_now([wake])
            return
        if not _attempt(webhook, delivery, services):
            return


def send_again(replay: SendAgain, services: TellingServices, *, is_repeated: bool = False) -> None:
    """Attempt to deliver one event outside of its line, even if the webhook is paused. It is not tried again.

    `is_repeated` is whether the message was received before.
    """
    webhook = services.webhooks.get(replay.owner, replay.webhook_id)
    if webhook is None:
        return
    if replay.sweep and circuit.is_open(webhook, now()):  # a single event is how its owner finds that it answers
        let_wait(replay, webhook, services)
        return
    known = services.deliveries.get(replay.owner, replay.webhook_id, replay.event_id)
    delivery = None if known is None else services.deliveries.with_body(known)
    if delivery is None:
        return
    attempt = replace(services.post(webhook, delivery), replay=True)
    state = delivery.state
    if attempt.status in _OK:
        state = DeliveryState.DELIVERED
    elif not delivery.line.document and state is DeliveryState.PENDING:
        state = DeliveryState.GIVEN_UP
    recorded = services.deliveries.record(delivery, attempt, state, delivery.due)
    was_waiting = delivery.state is DeliveryState.PENDING and attempt.status in _OK
    if delivery.line.document and (was_waiting or is_repeated):
        # The next one in its line need not wait for the time at which this one would have been tried again.
        services.queue.deliver_now([WakeLine(delivery.line)])
    _record_outcome(webhook, attempt, services)
    _log(delivery, attempt, recorded.state if recorded else state)


def _is_due(delivery: Delivery, wake: WakeLine) -> bool:
    """Return whether the head is to be attempted now."""
    in_line = [each.at for each in delivery.attempts if not each.replay]
    is_resumed = bool(in_line) and in_line[-1] < wake.resumed  # its message may have come while it was paused
    return is_resumed or delivery.due <= max(rfc3339(now()), wake.due)


def _attempt(webhook: Webhook, head: Delivery, services: TellingServices) -> bool:
    """Attempt to deliver the head of a line; return whether it has left the line, which then goes on."""
    delivery = services.deliveries.with_body(head)
    if delivery is None:  # DynamoDB has deleted the event, and not yet the rows about it
        attempt = DeliveryAttempt(rfc3339(now()), 0, None, "the event has expired")
        services.deliveries.record(head, attempt, DeliveryState.GIVEN_UP, "")
        return True
    attempt = services.post(webhook, delivery)
    state, pause = _state_after(delivery, attempt)
    due = ""
    if pause is not None:
        due = rfc3339(now() + pause)
        services.queue.deliver_later(WakeLine(delivery.line, due), pause)
    recorded = services.deliveries.record(delivery, attempt, state, due)
    _record_outcome(webhook, attempt, services)
    state = recorded.state if recorded else state
    _log(delivery, attempt, state)
    return state is not DeliveryState.PENDING


def _state_after(delivery: Delivery, attempt: DeliveryAttempt) -> tuple[DeliveryState, timedelta | None]:
    """Return the state after an attempt and, if it is tried again, the pause before that."""
    if attempt.status in _OK:
        return DeliveryState.DELIVERED, None
    pause = None if attempt.status == _GONE else pause_after(delivery.attempts_in_line + 1)
    return (DeliveryState.GIVEN_UP if pause is None else DeliveryState.PENDING), pause


def _record_outcome(webhook: Webhook, attempt: DeliveryAttempt, services: TellingServices) -> None:
    """Record on the webhook whether its receiver answers, and pause it if that has failed for too long."""
    if attempt.status == _GONE:
        services.webhooks.pause(webhook)
        paused, why = True, "its receiver is gone (410)"
    else:
        at = datetime.fromisoformat(attempt.at)
        after = services.webhooks.record_outcome(webhook, at, delivered=attempt.status in _OK)
        paused, why = after is not None and after.paused, "its deliveries have failed for days"
    if paused and not webhook.paused:
        meter.add(WEBHOOK_PAUSED)
        logger.warning(
            "webhook paused, since %s: its owner can resume it", why, extra={"webhook_id": webhook.webhook_id}
        )


def _log(delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState) -> None:
    """Count the attempt and write its line, without the URL and the event, which are the caller's."""
    meter.add(DELIVERED if attempt.status in _OK else DELIVERY_FAILED)
    if state is DeliveryState.GIVEN_UP:
        meter.add(GIVEN_UP)
    fields = {
        "webhook_id": delivery.line.webhook_id,
        "event_id": delivery.event_id,
        "status": attempt.status,
        "error": attempt.error or None,
        "state": state.value,
        "duration_ms": attempt.milliseconds,
    }
    logger.info("delivery", extra=fields)
