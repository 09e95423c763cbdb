"""A clock for tests of waiting requests: it moves only by sleeps, so that no test waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest


class FakeTime:
    """Replaces the module `time`: the clock moves only by sleeps, during which planned events happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps = 0
        self.events: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now += seconds
        due = [event for event in self.events if event[0] <= self.now]
        self.events = [event for event in self.events if event[0] > self.now]
        for _, event in due:
            event()

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        self.events.append((self.now + seconds, event))


def installed(patch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    for module in ("wait", "circuit_breaker"):
        patch.setattr(f"api_lambda.chalicelib.submitting.{module}.time", fake)
    return fake
