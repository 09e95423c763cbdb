"""When a delivery that failed is tried again."""

from __future__ import annotations

from datetime import timedelta

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
)
"""The pauses between the attempts of one delivery; after the last attempt, the delivery has failed for good."""

PAUSED_AFTER = timedelta(days=3)
"""A webhook is paused when all its deliveries have failed for this time."""

EVENT_RETENTION = timedelta(days=30)
"""How long an event is kept for a webhook: while it waits, and for a replay."""

ATTEMPT_SECONDS = 10.0
"""The time within which a receiver must respond with a status."""

MAX_RESPONSE_BYTES = 64 * 1024
"""The most bytes of a receiver's response that are read."""

AFTER_STATUS_SECONDS = 1.0
"""The time for reading the rest of a response; the status has already decided the outcome."""

MOST_AT_ONCE = 4
"""The most simultaneous deliveries to one receiver."""

MOST_AT_ONCE_OF_OWNER = 8
"""The most simultaneous deliveries to all receivers of one owner."""

CIRCUIT_OPENS_AFTER = 5
"""The failures without a success that open a webhook's circuit, so that nothing is attempted for a while."""

CIRCUIT_PAUSES = PAUSES[:3]
"""How long the circuit is open, first and after each further failure; the last pause is repeated."""


def pause_after(attempts: int) -> timedelta | None:
    """Return the pause after so many failed attempts; None after the last attempt."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
