"""The circuit of a webhook: while the receiver fails, only a few requests test whether it works again.

Without the circuit, each event for a dead receiver would hold one of a few places for the ten seconds of an
attempt, and the queue of deliveries would grow until SQS found no other messages in it.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.events.schedule import CIRCUIT_OPENS_AFTER, CIRCUIT_PAUSES, PAUSED_AFTER
from jobpipe.domain.events.webhook import Webhook


def after_outcome(webhook: Webhook, at: datetime, *, delivered: bool) -> Webhook:
    """Return the webhook after an attempt that began at this time.

    After CIRCUIT_OPENS_AFTER failures without a success, the circuit is open until `next_try`. The next failure
    opens it again, for longer. When all attempts have failed for PAUSED_AFTER, the webhook is paused.
    """
    if delivered:
        return replace(webhook, failing_since=None, failures=0, next_try=None)
    since = webhook.failing_since or rfc3339(at)
    failed = replace(webhook, failing_since=since)
    # Attempts that began together fail together, and count once.
    if webhook.next_try is None or rfc3339(at) >= webhook.next_try:
        failures = webhook.failures + 1
        pause = _pause(failures)
        failed = replace(failed, failures=failures, next_try=None if pause is None else rfc3339(at + pause))
    if webhook.paused or at - datetime.fromisoformat(since) < PAUSED_AFTER:
        return failed
    return replace(failed, paused=True, paused_by_failures=True)


def is_open(webhook: Webhook, at: datetime) -> bool:
    """Return whether nothing may be delivered to the webhook at this time."""
    return webhook.next_try is not None and rfc3339(at) < webhook.next_try


def retry_time(webhook: Webhook) -> datetime:
    """Return a random time soon after `next_try`, at which a message that waits for the circuit may be tried again.

    The time is random so that not all waiting messages come at the same moment.
    """
    until = datetime.fromisoformat(webhook.next_try or webhook.updated_at)
    return until + random.uniform(0, 0.5) * (_pause(webhook.failures) or timedelta())


def _pause(failures: int) -> timedelta | None:
    """Return how long the circuit is open after so many failures; None if it stays closed."""
    if failures < CIRCUIT_OPENS_AFTER:
        return None
    return CIRCUIT_PAUSES[min(failures - CIRCUIT_OPENS_AFTER, len(CIRCUIT_PAUSES) - 1)]
