"""The time before which a command must not take effect.

The time is a member of a command, in RFC 3339. A command that is not due yet is a job with the status `scheduled`,
whose message is sent when the time has come. A time that has passed makes no difference: the command is due at
once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_CEILING
from typing import Any

from jobpipe.domain.clock import to_milliseconds
from jobpipe.domain.errors import InvalidRequest

MEMBER = "not_before"
LONGEST_DAYS = 366
"""How many days ahead the time may be: a year."""


def check_form(value: Any) -> str:
    """Return the time in the stored form, rounded up; raise InvalidRequest if it is not a time."""
    try:
        return to_milliseconds(value, ROUND_CEILING)
    except (TypeError, ValueError):
        raise InvalidRequest(f"{MEMBER} must be a time in RFC 3339, such as 2026-11-22T20:57:44Z.") from None


def check_at_acceptance(not_before: str | None, not_after: str | None, accepted_at: datetime) -> None:
    """Raise InvalidRequest if a command that is accepted at this time cannot have these times."""
    if not_before is None:
        return
    if datetime.fromisoformat(not_before) > accepted_at + timedelta(days=LONGEST_DAYS):
        raise InvalidRequest(f"{MEMBER} must be within {LONGEST_DAYS} days.", pointer=f"#/{MEMBER}")
    if not_after is not None and not_before >= not_after:
        raise InvalidRequest(f"{MEMBER} must be earlier than not_after.", pointer=f"#/{MEMBER}")


def is_due(not_before: str | None, at: datetime) -> bool:
    """Return whether the command may take effect."""
    return not_before is None or datetime.fromisoformat(not_before) <= at
