"""When a batch of an import is asked for: the service works on batches about in their order.

While the first of them is unfinished, the others would mostly be found to wait still, and each poll of a batch
costs the service a read of all of its jobs.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

_PATIENCE = 5.0  # seconds; after that a batch is asked for, since the one before may have a job that is tried again
_LONGEST_PAUSE = 2.0  # seconds
_SHARE = (
    0.7  # of the time that the batch before took; less than 1, so that the pauses follow a service that is faster
)


@dataclass
class PollOrder:
    """The batches under way, by their numbers."""

    stopped: threading.Event  # ends every wait
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _under_way: set[int] = field(default_factory=set)
    _last_end: float | None = None
    _interval: float = 0.0  # seconds between the ends of the last two batches

    def begin(self, number: int) -> None:
        """Note that a batch is about to be sent."""
        with self._changed:
            self._under_way.add(number)

    def wait(self, number: int) -> None:
        """Return when a first poll of the batch is likely to find that most of it has ended."""
        with self._changed:
            is_first = self._changed.wait_for(lambda: self._is_first(number), timeout=_PATIENCE)
            pause = min(_LONGEST_PAUSE, _SHARE * self._interval) if is_first else 0.0
        self.stopped.wait(pause)

    def end(self, number: int) -> None:
        """Note that every row of the batch has ended."""
        with self._changed:
            now = time.monotonic()
            self._interval = now - self._last_end if self._last_end is not None else 0.0
            self._last_end = now
            self._under_way.discard(number)
            self._changed.notify_all()

    def _is_first(self, number: int) -> bool:
        return self.stopped.is_set() or number <= min(self._under_way, default=number)
