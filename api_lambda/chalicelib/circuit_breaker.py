"""Keeps waiting from doing harm: under a backlog it is in vain, and holds executions that the worker needs."""

from __future__ import annotations

import time

_ITEMS = 3
"""So many, since one item may be held up by itself: by a command that kills its worker, by a hundred before it."""
_REST = 9
"""Waits in vain take a tenth of the time at most."""


class CircuitBreaker:
    """Says whether to wait, by how the last waits of this execution environment ended; it costs no call.

    An environment serves one request at a time, so there is no lock.
    """

    def __init__(self) -> None:
        self._items: set[str] = set()  # that were waited for in vain since a job ended in time
        self._tried = 0.0  # for how many seconds, the last time
        self._open_until = 0.0

    def allows(self, seconds: float) -> bool:
        """Whether to wait for so long: for a while not, after one half as long was in vain."""
        return seconds > 2 * self._tried or time.time() >= self._open_until

    def in_time(self) -> None:
        """A job ended while it was waited for."""
        self._items.clear()
        self._tried = self._open_until = 0.0

    def in_vain(self, item_id: str, seconds: float) -> None:
        """This item's job did not end in so many seconds."""
        if len(self._items) < _ITEMS:
            self._items.add(item_id)
        self._tried = seconds
        if len(self._items) >= _ITEMS:
            # By the wall clock: the monotonic one may stand still while Lambda freezes the environment.
            self._open_until = time.time() + _REST * seconds
