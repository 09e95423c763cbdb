"""The current time, and the text form of times."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

# Compiled when it is first used, not at the Lambda's start.
_TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """Return the time in RFC 3339, in UTC with milliseconds: `2026-11-22T20:57:44.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_milliseconds(text: str, rounding: str) -> str:
    """Return a time of RFC 3339 in the form of `rfc3339`; `rounding` is a mode of the module decimal.

    Raise ValueError if the text is not such a time, and TypeError if it is not a str.
    """
    parts = re.fullmatch(_TIME, text)
    if parts is None:
        raise ValueError(text)
    day, time, fraction, offset = parts.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time}{'+00:00' if offset in 'Zz' else offset}").astimezone(UTC)
        milliseconds = (Decimal(fraction or 0) * 1000).to_integral_value(rounding)
        return rfc3339(moment + timedelta(milliseconds=int(milliseconds)))
    except OverflowError as error:
        raise ValueError(text) from error
