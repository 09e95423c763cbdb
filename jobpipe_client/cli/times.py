"""Times on the command line: in RFC 3339, or as a duration from now."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Time(click.ParamType[datetime | timedelta]):
    """A time with a zone, such as 2026-12-01T12:00:00Z, or a duration, such as 90s, 30m, 2h or 7d."""

    name = "time"

    def convert(
        self, value: str | datetime | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime | timedelta:
        """Return the time or the duration; fail with a usage error if the text is neither."""
        if not isinstance(value, str):
            return value
        duration = _DURATION.fullmatch(value)
        try:
            if duration is not None:
                return timedelta(**{_UNITS[duration[2]]: int(duration[1])})
            moment = datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            moment = None
        if moment is None or moment.tzinfo is None:
            example = "a time such as 2026-12-01T12:00:00Z nor a duration such as 2h"
            self.fail(f"{value!r} is neither {example}.", param, ctx)
        return moment
