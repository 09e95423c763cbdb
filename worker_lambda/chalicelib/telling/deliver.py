"""Deliver the events of one line in their order.

After each attempt the writes have an order, so that a process may die between any two of them:

    failed      put a message on the queue of later deliveries ── record the attempt, with the time when it is due
    delivered   record it ── take it from its line ── go on with the next one

Until the last write, the message of the line stays on its queue and is delivered again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState
from jobpipe.domain.events.delivery_messages import SendAgain, WakeLine
from jobpipe.domain.events.schedule import ATTEMPT_SECONDS, pause_after
from jobpipe.domain.events.webhook import Webhook
from jobpipe.runtime.metrics import DELIVERED, DELIVERY_FAILED, GIVEN_UP, WEBHOOK_PAUSED, meter
from jobpipe.runtime.telemetry import logger

from .services import TellingServices

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
        delivery = services.deliveries.head(line)
        # If it is not due, there is a message on the queue of later deliveries, which wakes the line in time.
        if delivery is None or delivery.due > max(rfc3339(now()), wake.due):
            return
        if seconds_left() < RESERVE_SECONDS:
            services.queue.now([wake])
            return
        _attempt(webhook, delivery, services)


def send_again(replay: SendAgain, services: TellingServices) -> None:
    """Attempt to deliver one event outside of its line, even if the webhook is paused. It is not tried again."""
    webhook = services.webhooks.get(replay.owner, replay.webhook_id)
    delivery = services.deliveries.get(replay.owner, replay.webhook_id, replay.event_id)
    if webhook is None or delivery is None:
        return
    attempt = replace(services.post(webhook, delivery), replay=True)
    state = delivery.state
    if attempt.status in _OK:
        state = DeliveryState.DELIVERED
    elif not delivery.line.document and state is DeliveryState.PENDING:
        state = DeliveryState.GIVEN_UP
    services.deliveries.record(delivery, attempt, state, delivery.due)
    _record_outcome(webhook, attempt, services)
    _log(delivery, attempt, state)


def _attempt(webhook: Webhook, delivery: Delivery, services: TellingServices) -> None:
    attempt = services.post(webhook, delivery)
    state, pause = _state_after(delivery, attempt)
    due = ""
    if pause is not None:
        due = rfc3339(now() + pause)
        services.queue.later(delivery.line, due, pause)
    services.deliveries.record(delivery, attempt, state, due)
    _record_outcome(webhook, attempt, services)
    _log(delivery, attempt, state)


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
        paused = True
    else:
        at = datetime.fromisoformat(attempt.at)
        after = services.webhooks.record_outcome(webhook, at, delivered=attempt.status in _OK)
        paused = after is not None and after.paused
    if paused and not webhook.paused:
        meter.add(WEBHOOK_PAUSED)
        logger.warning(
            "webhook paused by failures: its owner can resume it", extra={"webhook_id": webhook.webhook_id}
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
