"""The limits that have a memory: token buckets, pollers that multiply, tables and prefixes that grow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_CALM = 60.0  # seconds


@dataclass(slots=True)
class TokenBucket:
    """As API Gateway throttles: `rate` tokens a second, `burst` at most; full at first."""

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def available(self, now: float) -> float:
        """The tokens that are there; time never runs backwards."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """All of them, or none."""
        if self.available(now) + 1e-9 < tokens:
            return False
        self._tokens -= tokens
        return True

    def take_up_to(self, now: float, tokens: float) -> float:
        """As many as are there."""
        taken = min(tokens, self.available(now))
        self._tokens -= taken
        return taken


@dataclass(slots=True)
class Pollers:
    """Batches at once of an event source mapping: few at first, more while messages wait, fewer when none do."""

    first: float
    per_minute: float
    maximum: float
    _allowed: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._allowed = min(self.first, self.maximum)

    def allowed(self, now: float, *, waiting: bool) -> float:
        """How many may run; call it at every change, `waiting` says whether messages wait for a free one."""
        grown = (now - self._at) / 60 * self.per_minute
        self._at = now
        if waiting:
            self._allowed = min(self.maximum, self._allowed + grown)
        else:
            self._allowed = max(min(self.first, self.maximum), self._allowed - grown)
        return self._allowed

    @property
    def is_whole(self) -> bool:
        return self._allowed >= self.maximum


@dataclass(slots=True)
class TableCapacity:
    """Write units a second of a table on demand: twice the highest minute until half an hour ago, within the quota.

    DynamoDB does better often. This is what it promises.
    """

    first: float
    quota: float
    growth_seconds: float
    _capacity: float = field(init=False)
    _minute: float = 0.0
    _used: float = 0.0  # in this minute
    _peak: float = 0.0  # of the minutes of this half hour
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._capacity = min(self.first, self.quota)

    def use(self, now: float, units: float) -> None:
        """Count what was written."""
        if now - self._minute >= 60:  # noqa: PLR2004
            self._peak = max(self._peak, self._used / max(60.0, now - self._minute))
            self._minute, self._used = now, 0.0
        self._used += units

    def capacity(self, now: float) -> float:
        """What it takes in a second now."""
        if now - self._since >= self.growth_seconds:
            self._capacity = min(self.quota, max(self._capacity, 2 * self._peak))
            self._since, self._peak = now, 0.0
        return self._capacity


@dataclass(slots=True)
class PrefixCapacity:
    """Writes a second of a bucket: so many a prefix, and twice as many prefixes after each spell of overload."""

    writes: float
    split_seconds: float
    prefixes: float = 1.0
    _since: float = 0.0
    _last: float = -math.inf

    @property
    def capacity(self) -> float:
        """What it takes in a second now."""
        return self.writes * self.prefixes

    def overloaded(self, now: float) -> None:
        """More was asked of it; a minute in which that does not happen ends the spell."""
        if now - self._last > _CALM:
            self._since = now
        self._last = now
        if now - self._since >= self.split_seconds:
            self.prefixes *= 2
            self._since = now
