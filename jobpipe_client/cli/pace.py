"""Looking again and again, at a pace."""

from __future__ import annotations

import time
from collections.abc import Iterator


def every(interval: float) -> Iterator[None]:
    """At once, and then each time so many seconds after the last look began."""
    due = time.monotonic()
    while True:
        yield
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
