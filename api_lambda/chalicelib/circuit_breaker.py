"""Keeps waiting from doing harm: under a backlog it is in vain, and holds executions that the worker needs."""

from __future__ import annotations

import time

_MOST = 60.0
"""Seconds of waiting in vain that an environment has in hand at most: it takes three of the longest to know."""
_REST = 9
"""So many seconds that are not waited in vain make up for one that was: a tenth of the time, in the long run."""
_REST_OF_ITEM = 29
"""One item may be held up by itself, by a command that kills its worker, by a hundred before it: a thirtieth."""


class CircuitBreaker:
    """Says whether to wait, by how the last waits of this execution environment ended; it costs no call.

    In any T seconds waits in vain take T / 10 + 54 at most, however long each is and whatever else ends in time;
    those for one item T / 30 and one wait. (A slow read at the end of a wait comes on top.)
    An environment serves one request at a time, so there is no lock.
    """

    def __init__(self) -> None:
        self._in_hand = _MOST
        self._counted = time.time()
        self._items: dict[str, float] = {}  # waited for in vain, and until when not to wait for them again

    def allows(self, item_id: str, seconds: float) -> bool:
        """Whether to wait so long for a job of this item."""
        at = time.time()
        return self._in_hand + self._made_up(at) >= seconds and self._items.get(item_id, at) <= at

    def in_vain(self, item_id: str, seconds: float) -> None:
        """This item's job did not end in so many seconds, which are over now."""
        # By the wall clock: the monotonic one may stand still while Lambda freezes the environment.
        at = time.time()
        self._in_hand = min(_MOST, self._in_hand + self._made_up(at - seconds)) - seconds
        self._counted = at
        self._items = {each: until for each, until in self._items.items() if until > at}
        self._items[item_id] = at + _REST_OF_ITEM * seconds

    def _made_up(self, until: float) -> float:
        return max(0.0, until - self._counted) / _REST
