"""Measure the rate of something that grows, and estimate how long the rest will take."""

from __future__ import annotations

from collections import deque

_MINUTE, _HOUR = 60, 3600
_MEASURED = 60.0  # seconds, at most
_LEAST = 5.0  # seconds that must have been measured
_STEPS = 3  # that must have been seen
_STALLED = 15.0  # seconds without a step, or three times as long as a step takes


class Pace:
    """The latest steps of something that grows."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque()  # when, and how much there was then

    def note(self, at: float, amount: float) -> None:
        """Note how much there is at a time."""
        if self._steps and self._steps[-1][1] == amount:
            return
        self._steps.append((at, amount))
        while len(self._steps) > _STEPS and self._steps[0][0] < at - _MEASURED:
            self._steps.popleft()

    def per_second(self, at: float) -> float | None:
        """Return how much there is more in a second; None if that is not known, or if nothing happens."""
        if len(self._steps) < _STEPS:
            return None
        (began, before), (last, amount) = self._steps[0], self._steps[-1]
        measured = last - began
        if (
            measured < _LEAST
            or amount <= before
            or at - last > max(_STALLED, 3 * measured / (len(self._steps) - 1))
        ):
            return None
        return (amount - before) / measured

    def seconds_for(self, rest: float, at: float) -> float | None:
        """Return how long the rest will take; None if that cannot be known."""
        rate = self.per_second(at)
        return None if rate is None else max(0.0, rest / rate - (at - self._steps[-1][0]))


def about(seconds: float) -> str:
    """Return a time in words."""
    if seconds < _MINUTE:
        return "less than a minute"
    if seconds < 1.5 * _MINUTE:
        return "about a minute"
    if seconds < 1.5 * _HOUR:
        return f"about {round(seconds / _MINUTE)} minutes"
    return f"about {round(seconds / _HOUR):,} hours"
