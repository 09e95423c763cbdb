"""The queue of later deliveries: messages that wait for a time, and sweeps through the deliveries of a webhook.

What takes the place of a message is sent before the message is acknowledged, so that nothing is forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import now
from jobpipe.domain.events.delivery import DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine

from .services import TellingServices

SWEEP_PAGE = 50
"""Deliveries that one message of a sweep goes through."""


def wake_in_time(wake: WakeLine, services: TellingServices) -> None:
    """Let the line go on if it is due, else wait for the rest of the time; SQS takes at most 15 minutes."""
    rest = datetime.fromisoformat(wake.due) - now() if wake.due else timedelta()
    if rest > timedelta():
        services.queue.later(wake.line, wake.due, rest)
    else:
        services.queue.now([wake])


def sweep(place: Sweep, services: TellingServices) -> None:
    """Wake the lines of the pending deliveries on a page, or replay the others; then go on with the next page."""
    page = services.deliveries.since(place.owner, place.webhook_id, place.since, SWEEP_PAGE, place.after)
    if place.replay:
        ended = [each for each in page.deliveries if each.state is not DeliveryState.PENDING]
        services.queue.again([SendAgain(place.owner, place.webhook_id, each.event_id) for each in ended])
    else:
        # The message of a delivery that waits for its next attempt may have come while the webhook was paused.
        due: dict[Line, str] = {}
        for each in page.deliveries:
            if each.state is DeliveryState.PENDING and each.line.document:
                due[each.line] = max(due.get(each.line, ""), each.due)
        services.queue.now([WakeLine(line, at) for line, at in due.items()])
    if page.next_after is not None:
        services.queue.sweep(replace(place, after=page.next_after))
