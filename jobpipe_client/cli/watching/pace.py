"""How fast something goes on, and how long the rest will take."""

from __future__ import annotations

from collections import deque

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

    def seconds_for(self, rest: float, at: float) -> float | None:
        """Return how long the rest will take; None if that cannot be known."""
        if len(self._steps) < _STEPS:
            return None
        (began, before), (last, amount) = self._steps[0], self._steps[-1]
        measured, idle = last - began, at - last
        if measured < _LEAST or amount <= before or idle > max(_STALLED, 3 * measured / (len(self._steps) - 1)):
            return None
        return max(0.0, rest * measured / (amount - before) - idle)
