"""Count events by kind, in many threads."""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """A counter that threads share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, number: int = 1) -> None:
        with self._lock:
            self._counts[kind] += number

    def __getitem__(self, kind: str) -> int:
        with self._lock:
            return self._counts[kind]

    def counts(self) -> Counter[str]:
        """Return a copy."""
        with self._lock:
            return Counter(self._counts)
