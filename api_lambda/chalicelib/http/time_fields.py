"""Times in a query or a body, in RFC 3339."""

from __future__ import annotations

from decimal import ROUND_CEILING

from jobpipe.domain.clock import to_milliseconds
from jobpipe.domain.errors import InvalidRequest


def round_time_up(name: str, text: str) -> str:
    """Return the time in UTC, rounded up to milliseconds, so that the same whole milliseconds are before it."""
    try:
        return to_milliseconds(text, ROUND_CEILING)
    except ValueError:
        raise InvalidRequest(
            f"{name} must be a time in RFC 3339, such as 2026-11-22T20:57:44Z; a + in it is sent as %2B."
        ) from None
