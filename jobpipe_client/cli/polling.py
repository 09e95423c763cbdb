"""Looking again and again, at a pace."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import click


class Seconds(click.FloatRange):
    """Seconds in a range, which nan is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail(f"{value!r} is no number of seconds.", param, ctx)
        return found


INTERVAL = Seconds(0.2, 86_400)
"""No quicker than answers come, and no slower than a day."""


def every(interval: float) -> Iterator[None]:
    """At once, and then each time so many seconds after the last look began."""
    due = time.monotonic()
    while True:
        yield
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
