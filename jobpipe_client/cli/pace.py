"""Measure the rate of something that grows, and estimate how long the rest will take."""

from __future__ import annotations

from collections import deque

_MINUTE, _HOUR = 60, 3600
_MAX_PERIOD = 60.0  # seconds over which a rate is measured
_MIN_PERIOD = 5.0  # seconds
_MIN_STEPS = 3  # needed for a rate
_STALLED = 15.0  # seconds without a step, or three times as long as a step takes


class Pace:
    """The latest steps of something that grows."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque()  # pairs of a time and the amount at that time

    def note(self, at: float, amount: float) -> None:
        """Record the amount at a time."""
        if self._steps and self._steps[-1][1] == amount:
            return
        self._steps.append((at, amount))
        while len(self._steps) > _MIN_STEPS and self._steps[0][0] < at - _MAX_PERIOD:
            self._steps.popleft()

    def per_second(self, at: float) -> float | None:
        """Return the growth per second, or None if it is unknown or nothing happens."""
        if len(self._steps) < _MIN_STEPS:
            return None
        (began, before), (last, amount) = self._steps[0], self._steps[-1]
        measured = last - began
        if (
            measured < _MIN_PERIOD
            or amount <= before
            or at - last > max(_STALLED, 3 * measured / (len(self._steps) - 1))
        ):
            return None
        return (amount - before) / measured

    def seconds_for(self, rest: float, at: float) -> float | None:
        """Return how long the rest will take, or None if that is unknown."""
        rate = self.per_second(at)
        return None if rate is None else max(0.0, rest / rate - (at - self._steps[-1][0]))


def approximate_time(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < _MINUTE:
        return "less than a minute"
    if seconds < 1.5 * _MINUTE:
        return "about a minute"
    if seconds < 1.5 * _HOUR:
        return f"about {round(seconds / _MINUTE)} minutes"
    return f"about {round(seconds / _HOUR):,} hours"
