"""Deliver the events of one line in order.

The writes after each attempt have an order that allows the process to die between any two of them:

    failed      put a message on the queue of later deliveries ── record the attempt, with the time when it is due
    delivered   record it ── take it from its line ── go on with the next one

Until the last write, the message of the line stays on its queue and is delivered again.

While the circuit of a webhook is open, nothing is attempted: the messages wait on the queue of later deliveries.
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

from .services import NotificationServices
from .wait import postpone

RESERVE_SECONDS = ATTEMPT_SECONDS + 5.0
"""The time that an invocation must have left to begin an attempt: for the attempt and the AWS calls around it."""

_GONE = 410
_OK = range(200, 300)


def deliver_line(wake: WakeLine, services: NotificationServices, seconds_left: Callable[[], float]) -> None:
    """Deliver the due events of the line, until the line is empty or its head must wait."""
    line = wake.line
    while True:
        webhook = services.webhooks.get(line.owner, line.webhook_id)
        if webhook is None or webhook.paused:  # resuming it wakes its lines
            return
        if circuit.is_open(webhook, now()):
            postpone(wake, webhook, services)
            return
        delivery = services.deliveries.head(line)
        # If the head is not due, a message on the queue of later deliveries will wake the line in time.
        if delivery is None or not _is_due(delivery, wake):
            return
        if seconds_left() < RESERVE_SECONDS:
            services.queue.deliver_now([wake])
            return
        if not _attempt(webhook, delivery, services):
            return


def send_again(replay: SendAgain, services: NotificationServices, *, is_repeated: bool = False) -> None:
    """Attempt once to deliver an event outside its line, even if the webhook is paused.

    `is_repeated` says whether the message was received before.
    """
    webhook = services.webhooks.get(replay.owner, replay.webhook_id)
    if webhook is None:
        return
    if replay.sweep and circuit.is_open(webhook, now()):  # a single event lets the owner test the receiver
        postpone(replay, webhook, services)
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
        # The next event of the line need not wait until this one would have been tried again.
        services.queue.deliver_now([WakeLine(delivery.line)])
    _record_outcome(webhook, attempt, services)
    _log(delivery, attempt, recorded.state if recorded else state)


def _is_due(delivery: Delivery, wake: WakeLine) -> bool:
    """Return whether the head must be attempted now."""
    in_line = [each.at for each in delivery.attempts if not each.replay]
    is_resumed = bool(in_line) and in_line[-1] < wake.resumed  # the message may have come during the pause
    return is_resumed or delivery.due <= max(rfc3339(now()), wake.due)


def _attempt(webhook: Webhook, head: Delivery, services: NotificationServices) -> bool:
    """Attempt to deliver the head of a line; return whether the head has left the line."""
    delivery = services.deliveries.with_body(head)
    if delivery is None:  # DynamoDB has deleted the event, but not its deliveries yet
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
    """Return the state after an attempt, and the pause before the next attempt if there is one."""
    if attempt.status in _OK:
        return DeliveryState.DELIVERED, None
    pause = None if attempt.status == _GONE else pause_after(delivery.attempts_in_line + 1)
    return (DeliveryState.GIVEN_UP if pause is None else DeliveryState.PENDING), pause


def _record_outcome(webhook: Webhook, attempt: DeliveryAttempt, services: NotificationServices) -> None:
    """Record on the webhook whether the delivery succeeded; pause the webhook after failures for too long."""
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
            "webhook paused because %s: the owner can resume it", why, extra={"webhook_id": webhook.webhook_id}
        )


def _log(delivery: Delivery, attempt: DeliveryAttempt, state: DeliveryState) -> None:
    """Count the attempt and write a log line, without the URL and the event, which are the caller's data."""
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
