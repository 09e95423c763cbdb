"""The time after which a command must not take effect.

The time is a member of a command, in RFC 3339. The API refuses a time that has passed. The worker compares the time
with its own clock before each attempt.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR
from typing import Any

from jobpipe.domain.clock import to_milliseconds
from jobpipe.domain.errors import CommandTooLate, InvalidRequest

MEMBER = "not_after"
LONGEST_DAYS = 366
"""How many days ahead the time may be: a year."""

STORED_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
"""The form in UTC with milliseconds, in which equal times are equal texts."""


def check_form(value: Any) -> str:
    """Return the time in the stored form, rounded down; raise InvalidRequest if it is not a time."""
    try:
        return to_milliseconds(value, ROUND_FLOOR)
    except (TypeError, ValueError):
        raise InvalidRequest(f"{MEMBER} must be a time in RFC 3339, such as 2026-11-22T20:57:44Z.") from None


def check_at_acceptance(not_after: str | None, accepted_at: datetime) -> None:
    """Raise InvalidRequest if a command that is accepted at this time cannot have this limit."""
    if not_after is None:
        return
    limit = datetime.fromisoformat(not_after)
    if limit <= accepted_at:
        raise InvalidRequest(f"{MEMBER} must be in the future; {not_after} has passed.", pointer=f"#/{MEMBER}")
    if limit > accepted_at + timedelta(days=LONGEST_DAYS):
        raise InvalidRequest(f"{MEMBER} must be within {LONGEST_DAYS} days.", pointer=f"#/{MEMBER}")


def has_passed(not_after: str | None, at: datetime) -> bool:
    """Return whether the command is too late to take effect."""
    return not_after is not None and at > datetime.fromisoformat(not_after)


def check_in_time(not_after: str | None, at: datetime) -> None:
    """Raise CommandTooLate if the command is too late to take effect."""
    if has_passed(not_after, at):
        raise CommandTooLate(f"The command must not take effect after {not_after}.")
