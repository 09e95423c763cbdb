"""Keeps waiting from doing harm: under a backlog it is in vain, and holds executions that the worker needs."""

from __future__ import annotations

import time

_MOST, _REST = 60.0, 9
"""Seconds of waiting in vain in hand at most: three of the longest waits. Nine others make up for one in vain."""
_MOST_OF_ITEM, _REST_OF_ITEM = 40.0, 29
"""One item may be held up by itself, by a command that kills its worker: it leaves something to the others."""


class _Allowance:
    """Seconds of waiting in vain that are in hand: in any T seconds (most * rest + T) / (rest + 1) are taken."""

    def __init__(self, most: float, rest: float, at: float) -> None:
        self._most, self._rest = most, rest
        self._in_hand, self._counted = most, at

    def left(self, at: float) -> float:
        return min(self._most, self._in_hand + max(0.0, at - self._counted) / self._rest)

    def is_whole(self, at: float) -> bool:
        return self.left(at) >= self._most

    def take(self, seconds: float, at: float) -> None:
        """They are over now, and made up for nothing."""
        self._in_hand = self.left(at - seconds) - seconds
        self._counted = at


class CircuitBreaker:
    """Says whether to wait, by how the last waits of this execution environment ended; it costs no call.

    In any T seconds waits in vain take T / 10 + 54 at most, however long each is and whatever else ends in time;
    those for one item T / 30 + 39. (A slow read at the end of a wait comes on top.) An environment serves one
    request at a time, so there is no lock.
    """

    # By the wall clock: the monotonic one may stand still while Lambda freezes the environment.

    def __init__(self) -> None:
        self._all = _Allowance(_MOST, _REST, time.time())
        self._items: dict[str, _Allowance] = {}  # that were waited for in vain, until that is made up for

    def allows(self, item_id: str, seconds: float) -> bool:
        """Whether to wait so long for a job of this item."""
        at = time.time()
        item = self._items.get(item_id)
        return self._all.left(at) >= seconds and (item is None or item.left(at) >= seconds)

    def in_vain(self, item_id: str, seconds: float) -> None:
        """This item's job did not end in so many seconds, which are over now."""
        at = time.time()
        self._all.take(seconds, at)
        self._items = {each: left for each, left in self._items.items() if not left.is_whole(at)}
        self._items.setdefault(item_id, _Allowance(_MOST_OF_ITEM, _REST_OF_ITEM, at)).take(seconds, at)
