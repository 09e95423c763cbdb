"""Limit waits in vain, which end before their job does: they occupy executions that the worker needs."""

from __future__ import annotations

import time

_CAPACITY, _REFILL_SECONDS = 60.0, 9
"""The budget is enough for three of the longest waits. It regains one spent second in nine seconds."""
_ITEM_CAPACITY, _ITEM_REFILL_SECONDS = 40.0, 29
"""A command that kills its worker can block an item. This budget leaves something for other items."""


class _Budget:
    """The seconds that waits in vain may spend: in T seconds at most (capacity * refill + T) / (refill + 1)."""

    def __init__(self, capacity: float, refill_seconds: float, at: float) -> None:
        self._capacity, self._refill_seconds = capacity, refill_seconds
        self._available, self._counted_at = capacity, at

    def available(self, at: float) -> float:
        return min(self._capacity, self._available + max(0.0, at - self._counted_at) / self._refill_seconds)

    def is_full(self, at: float) -> bool:
        return self.available(at) >= self._capacity

    def spend(self, seconds: float, at: float) -> None:
        """Spend the seconds up to `at`, during which nothing was refilled."""
        self._available = self.available(at - seconds) - seconds
        self._counted_at = at


class CircuitBreaker:
    """Decides from the earlier waits of this execution environment whether a request may wait. It makes no calls.

    In any T seconds, waits in vain take at most T / 10 + 54 seconds, and for one item at most T / 30 + 39. (A slow
    read at the end of a wait is not counted.) An environment serves one request at a time, so there is no lock.
    """

    # It uses the wall clock, because the monotonic clock may stop while Lambda freezes the environment.

    def __init__(self) -> None:
        self._budget = _Budget(_CAPACITY, _REFILL_SECONDS, time.time())
        self._item_budgets: dict[str, _Budget] = {}  # only budgets that are not full

    def allows(self, item_id: str, seconds: float) -> bool:
        """Return whether a request may wait for a job of this item for so many seconds."""
        at = time.time()
        item = self._item_budgets.get(item_id)
        return self._budget.available(at) >= seconds and (item is None or item.available(at) >= seconds)

    def record_wait_in_vain(self, item_id: str, seconds: float) -> None:
        """Record that a wait of so many seconds has just ended before its job."""
        at = time.time()
        self._budget.spend(seconds, at)
        self._item_budgets = {each: budget for each, budget in self._item_budgets.items() if not budget.is_full(at)}
        item = self._item_budgets.setdefault(item_id, _Budget(_ITEM_CAPACITY, _ITEM_REFILL_SECONDS, at))
        item.spend(seconds, at)
