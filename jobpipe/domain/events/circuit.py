"""The circuit of a webhook: while its receiver fails, few requests ask whether it answers again.

Without it, each event of a receiver that is dead would hold one of few places for the ten seconds of an attempt,
and the queue of deliveries would grow until SQS finds nothing else in it.
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

    After CIRCUIT_OPENS_AFTER failures without a success its circuit is open until `next_try`. Then the first
    failure opens it again, for longer. After PAUSED_AFTER of failures only, the webhook is paused.
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
    """Return whether nothing is to be delivered to the webhook at this time."""
    return webhook.next_try is not None and rfc3339(at) < webhook.next_try


def retry_time(webhook: Webhook) -> datetime:
    """Return a time at which something that waits for the circuit may ask again: soon after it ends, at random.

    So not all that waits comes in the same moment.
    """
    until = datetime.fromisoformat(webhook.next_try or webhook.updated_at)
    return until + random.uniform(0, 0.5) * (_pause(webhook.failures) or timedelta())


def _pause(failures: int) -> timedelta | None:
    """Return for how long the circuit is open after so many failures; None if it is not."""
    if failures < CIRCUIT_OPENS_AFTER:
        return None
    return CIRCUIT_PAUSES[min(failures - CIRCUIT_OPENS_AFTER, len(CIRCUIT_PAUSES) - 1)]
