"""The queue of later deliveries: messages that wait for a time, and sweeps through the deliveries of a webhook.

The message that replaces another one is sent before the other is acknowledged, so that no delivery is lost.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events import circuit
from jobpipe.domain.events.delivery import DeliveryState
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.webhook import Webhook

from .services import NotificationServices

SWEEP_PAGE = 200
"""The number of deliveries that one message of a sweep handles."""

SWEEP_PAUSE = timedelta(seconds=10)
"""The pause between pages of a sweep, so that one webhook's backlog does not fill the queue of deliveries."""


def postpone(message: WakeLine | SendAgain, webhook: Webhook, services: NotificationServices) -> None:
    """Send the message again for the time at which the webhook's open circuit allows an attempt."""
    due = max(message.due, rfc3339(circuit.retry_time(webhook)))  # not before the time for which it already waits
    services.queue.deliver_later(replace(message, due=due), datetime.fromisoformat(due) - now())


def wake_when_due(message: WakeLine | SendAgain, services: NotificationServices) -> None:
    """Pass the message on if it is due, or send it again for the remaining time; SQS delays at most 15 minutes.

    The message of a line is dropped if its webhook is gone or paused: resuming the webhook wakes all of its lines.
    """
    place = message.line if isinstance(message, WakeLine) else message
    webhook = services.webhooks.get(place.owner, place.webhook_id)
    if webhook is None or (webhook.paused and isinstance(message, WakeLine)):
        return
    rest = datetime.fromisoformat(message.due) - now() if message.due else timedelta()
    if rest > timedelta():
        services.queue.deliver_later(message, rest)
    elif circuit.is_open(webhook, now()):
        postpone(message, webhook, services)
    elif isinstance(message, WakeLine):
        services.queue.deliver_now([message])
    else:
        services.queue.deliver_again([message])


def sweep(place: Sweep, services: NotificationServices) -> None:
    """Wake the lines on a page, or replay the page's events; then continue with the next page after a pause."""
    webhook = services.webhooks.get(place.owner, place.webhook_id)
    if webhook is None or (webhook.paused and not place.replay):
        return
    if circuit.is_open(webhook, now()):
        services.queue.sweep(place, circuit.retry_time(webhook) - now())
        return
    next_after = _replay(place, services) if place.replay else _wake(place, services)
    if next_after is not None:
        services.queue.sweep(replace(place, after=next_after), SWEEP_PAUSE)


def _wake(place: Sweep, services: NotificationServices) -> str | None:
    """Wake the lines on the page; return the cursor of the next page."""
    page = services.deliveries.lines(place.owner, place.webhook_id, SWEEP_PAGE, place.after)
    # The message of a delivery that waits for its next attempt may have come while the webhook was paused.
    services.queue.deliver_now([WakeLine(line, resumed=place.at) for line in page.lines])
    return page.next_after


def _replay(place: Sweep, services: NotificationServices) -> str | None:
    """Replay the events on the page; return the cursor of the next page. Pending events are delivered anyway."""
    page = services.deliveries.list_since(place.owner, place.webhook_id, place.since, SWEEP_PAGE, place.after)
    last = "".join(each for each in place.at if each.isdigit())
    in_time = [each for each in page.deliveries if each.event_id[: len(last)] <= last]
    ended = [each for each in in_time if each.state is not DeliveryState.PENDING]
    services.queue.deliver_again(
        [SendAgain(place.owner, place.webhook_id, each.event_id, place.sweep_id) for each in ended]
    )
    return page.next_after if len(in_time) == len(page.deliveries) else None
