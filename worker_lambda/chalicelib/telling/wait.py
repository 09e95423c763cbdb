"""The queue of later deliveries: messages that wait for a time, and sweeps through what a webhook has.

What takes the place of a message is sent before the message is acknowledged, so that nothing is forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events import circuit
from jobpipe.domain.events.delivery import DeliveryState
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.webhook import Webhook

from .services import TellingServices

SWEEP_PAGE = 200
"""Deliveries that one message of a sweep goes through."""

SWEEP_PAUSE = timedelta(seconds=10)
"""Between two pages of a sweep, so that one webhook's backlog does not fill the queue of deliveries."""


def let_wait(message: WakeLine | SendAgain, webhook: Webhook, services: TellingServices) -> None:
    """Let the message come again when the webhook's circuit, which is open, has ended."""
    due = max(message.due, rfc3339(circuit.retry_time(webhook)))  # not before the time for which it waits already
    services.queue.deliver_later(replace(message, due=due), datetime.fromisoformat(due) - now())


def wake_in_time(message: WakeLine | SendAgain, services: TellingServices) -> None:
    """Let the message go on if it is due, else wait for the rest of the time; SQS takes at most 15 minutes.

    Nobody waits for a line whose webhook is gone or paused: resuming it wakes all of its lines.
    """
    place = message.line if isinstance(message, WakeLine) else message
    webhook = services.webhooks.get(place.owner, place.webhook_id)
    if webhook is None or (webhook.paused and isinstance(message, WakeLine)):
        return
    rest = datetime.fromisoformat(message.due) - now() if message.due else timedelta()
    if rest > timedelta():
        services.queue.deliver_later(message, rest)
    elif circuit.is_open(webhook, now()):
        let_wait(message, webhook, services)
    elif isinstance(message, WakeLine):
        services.queue.deliver_now([message])
    else:
        services.queue.deliver_again([message])


def sweep(place: Sweep, services: TellingServices) -> None:
    """Wake the lines on a page, or replay its events; then go on with the next page after a pause."""
    webhook = services.webhooks.get(place.owner, place.webhook_id)
    if webhook is None or (webhook.paused and not place.replay):
        return
    if circuit.is_open(webhook, now()):
        services.queue.sweep(place, circuit.retry_time(webhook) - now())
        return
    next_after = _replay(place, services) if place.replay else _wake(place, services)
    if next_after is not None:
        services.queue.sweep(replace(place, after=next_after), SWEEP_PAUSE)


def _wake(place: Sweep, services: TellingServices) -> str | None:
    """Wake the lines on the page; return the cursor of the next one."""
    page = services.deliveries.lines(place.owner, place.webhook_id, SWEEP_PAGE, place.after)
    # The message of a delivery that waits for its next attempt may have come while the webhook was paused.
    services.queue.deliver_now([WakeLine(line, resumed=place.at) for line in page.lines])
    return page.next_after


def _replay(place: Sweep, services: TellingServices) -> str | None:
    """Replay the events on the page; return the cursor of the next one. What is pending is delivered anyhow."""
    page = services.deliveries.since(place.owner, place.webhook_id, place.since, SWEEP_PAGE, place.after)
    last = "".join(each for each in place.at if each.isdigit())
    told = [each for each in page.deliveries if each.event_id[: len(last)] <= last]
    ended = [each for each in told if each.state is not DeliveryState.PENDING]
    services.queue.deliver_again(
        [SendAgain(place.owner, place.webhook_id, each.event_id, place.sweep_id) for each in ended]
    )
    return page.next_after if len(told) == len(page.deliveries) else None
