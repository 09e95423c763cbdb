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
"""The pauses between the attempts of one delivery; after the last attempt it is given up."""

PAUSED_AFTER = timedelta(days=3)
"""A webhook whose deliveries have all failed for so long is paused."""

EVENT_RETENTION = timedelta(days=30)
"""How long an event is kept for a webhook: while it waits, and for a replay."""

ATTEMPT_SECONDS = 10.0
"""The time in which a receiver must have answered with a status."""

MAX_RESPONSE_BYTES = 64 * 1024
"""Of a receiver's answer; more is not read."""

AFTER_STATUS_SECONDS = 1.0
"""The time in which the rest of an answer is read after its status, which has decided."""

MOST_AT_ONCE = 4
"""Deliveries to one receiver at the same time."""

MOST_AT_ONCE_OF_OWNER = 8
"""Deliveries to all receivers of one owner at the same time."""

CIRCUIT_OPENS_AFTER = 5
"""So many failures of a webhook without a success open its circuit: nothing is attempted for a while."""

CIRCUIT_PAUSES = PAUSES[:3]
"""How long the circuit is open, first and after each further failure; the last pause is repeated."""


def pause_after(attempts: int) -> timedelta | None:
    """Return the pause after so many failed attempts; None if the delivery is given up."""
    return PAUSES[attempts - 1] if attempts <= len(PAUSES) else None
