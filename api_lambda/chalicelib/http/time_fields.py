"""Times in the query, in RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import InvalidRequest

# Compiled when it is first used, not at the Lambda's start.
_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"


def rounded_up(name: str, text: str) -> str:
    """Return the time in UTC with milliseconds, rounded up: as many whole milliseconds are before it."""
    try:
        day, time, fraction, offset = re.fullmatch(_TIME, text).groups()  # type: ignore[union-attr]
        moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if offset in 'Zz' else offset}").astimezone(UTC)
        milliseconds = (Decimal(fraction or 0) * 1000).to_integral_value(ROUND_CEILING)
        return rfc3339(moment + timedelta(milliseconds=int(milliseconds)))
    except (AttributeError, ValueError, OverflowError):
        raise InvalidRequest(
            f"{name} must be a time in RFC 3339, such as 2026-11-22T20:57:44Z; a + in it is sent as %2B."
        ) from None
