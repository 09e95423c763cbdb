"""A clock for the code of the Lambdas. A test can advance it, and each sleep of the release advances it too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain import clock
from jobpipe.domain.clock import rfc3339

_PRODUCT = ("api_lambda.", "worker_lambda.", "jobpipe.")


class MovedClock:
    """A clock that is `ahead` of the real one."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.slept: list[float] = []
        self.on_sleep: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        return _real_now() + self.ahead

    def put_forward(self, by: timedelta) -> None:
        self.ahead += by

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead += timedelta(seconds=seconds)
        self.on_sleep()

    def within(self, duration: timedelta) -> str:
        """Return the time after this duration, as RFC 3339 text."""
        return rfc3339(self.now() + duration)


_real_now = clock.now


def installed(patch: pytest.MonkeyPatch) -> MovedClock:
    """Let all modules of the product use a clock that the test can advance."""
    moved = MovedClock()
    for name, module in list(sys.modules.items()):
        if name.startswith(_PRODUCT) and vars(module).get("now") is _real_now:
            patch.setattr(module, "now", moved.now)
    sleeper: Any = type("Time", (), {"sleep": staticmethod(moved.sleep)})
    patch.setattr("worker_lambda.chalicelib.releasing.sweep.time", sleeper)
    return moved
