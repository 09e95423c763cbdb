"""Limits that depend on earlier use, and the steps that they limit: the stores, and the steps before a 202."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scripts.models.scaling.assumptions import Limits, units
from scripts.models.scaling.scenario import Outcome

KEY, ROUTE, ACCOUNT, CONCURRENCY, SCALE_UP = "key", "route", "account", "lambda", "scale-up"
SEND, JOBS, ITEMS, NAMES, DOCUMENTS = "send", "jobs table", "items table", "names table", "prefix"
POLLERS, WORKERS, WINDOW = "pollers", "worker concurrency", "window"
_MINUTE = 60.0  # seconds
_ROUNDING = 1e-9


@dataclass(slots=True)
class TokenBucket:
    """API Gateway's throttle: `rate` tokens a second are added, up to `burst`, which it has at first."""

    rate: float
    burst: float
    _tokens: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def available(self, now: float) -> float:
        """Return the tokens at this time, which must not be before the time of the last call."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def take(self, now: float, tokens: float = 1.0) -> bool:
        """Take all of the tokens or none, and return whether they were taken."""
        if self.available(now) + _ROUNDING < tokens:
            return False
        self._tokens -= tokens
        return True

    def take_up_to(self, now: float, tokens: float) -> float:
        """Take `tokens`, or all if there are fewer, and return how many were taken."""
        taken = min(tokens, self.available(now))
        self._tokens -= taken
        return taken


@dataclass(slots=True)
class Pollers:
    """The batches that an event source mapping runs in parallel: more while messages wait, fewer while none do."""

    first: float
    per_minute: float
    maximum: float
    _allowed: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self._allowed = min(self.first, self.maximum)

    def allowed(self, now: float, *, waiting: bool) -> float:
        """Return the number at this time; `waiting` tells whether messages have waited since the last call."""
        change = (now - self._at) / 60 * self.per_minute
        self._at = now
        if waiting:
            self._allowed = min(self.maximum, self._allowed + change)
        else:
            self._allowed = max(min(self.first, self.maximum), self._allowed - change)
        return self._allowed

    @property
    def at_maximum(self) -> bool:
        return self._allowed >= self.maximum


@dataclass(slots=True)
class TableCapacity:
    """Write units per second of an on-demand table: twice the highest minute of past half hours, up to the quota.

    DynamoDB often grants more, but does not promise more.
    """

    first: float
    quota: float
    growth_seconds: float
    _capacity: float = field(init=False)
    _minute: float = 0.0  # when the current minute began
    _used: float = 0.0  # in the current minute
    _peak: float = 0.0  # units a second of the highest minute in the current half hour
    _since: float = 0.0  # when the current half hour began

    def __post_init__(self) -> None:
        self._capacity = min(self.first, self.quota)

    def use(self, now: float, units: float) -> None:
        """Count units that were written."""
        if now - self._minute >= _MINUTE:
            self._peak = max(self._peak, self._used / max(_MINUTE, now - self._minute))
            self._minute, self._used = now, 0.0
        self._used += units

    def capacity(self, now: float) -> float:
        """Return the units a second at this time."""
        if now - self._since >= self.growth_seconds:
            self._capacity = min(self.quota, max(self._capacity, 2 * self._peak))
            self._since, self._peak = now, 0.0
        return self._capacity


@dataclass(slots=True)
class PrefixCapacity:
    """Writes per second of a bucket. S3 splits its prefixes after each overload that lasts long enough."""

    writes: float  # of one prefix
    split_seconds: float
    prefixes: float = 1.0
    _since: float = 0.0  # when the current overload began
    _last: float = -math.inf  # when the bucket was last overloaded

    def capacity(self, _now: float) -> float:
        """Return the writes a second at this time."""
        return self.writes * self.prefixes

    def use(self, _now: float, _writes: float) -> None:
        """Do nothing: only an overload counts."""

    def overloaded(self, now: float) -> None:
        """Count a refused write; a minute without one ends the overload."""
        if now - self._last > _MINUTE:
            self._since = now
        self._last = now
        if now - self._since >= self.split_seconds:
            self.prefixes *= 2
            self._since = now


@dataclass
class _Store:
    """A table or the bucket in the current second."""

    limit: TableCapacity | PrefixCapacity
    each: float  # what a command writes
    _second: int = -1
    _used: float = 0.0

    def left(self, now: float) -> float:
        if math.floor(now) != self._second:
            self._second, self._used = math.floor(now), 0.0
        return max(0.0, self.limit.capacity(now) - self._used)

    def room(self, now: float, each: float) -> int:
        """Return how many writes of this size still fit."""
        return int(self.left(now) / each + _ROUNDING)

    def use(self, now: float, amount: float) -> None:
        self._used += amount
        self.limit.use(now, amount)


class Storage:
    """The tables and the bucket: how many accepted jobs and commands they take in the current second."""

    def __init__(self, limits: Limits) -> None:
        per_command = {JOBS: units().jobs, ITEMS: units().items, NAMES: units().names}
        table = (limits.table_first, limits.table_quota, limits.table_growth_seconds)
        self._bucket = PrefixCapacity(limits.prefix_writes, limits.prefix_split_seconds, limits.prefixes)
        self._stores = {name: _Store(TableCapacity(*table), each) for name, each in per_command.items()}
        self._stores[DOCUMENTS] = _Store(self._bucket, units().documents)

    def accept(self, now: float, jobs: int) -> int:
        """Put the rows of this many jobs, and return how many could be put."""
        store = self._stores[JOBS]
        put = min(jobs, store.room(now, units().accept))
        store.use(now, put * units().accept)
        return put

    def work(self, now: float, commands: int) -> tuple[int, str | None]:
        """Write this many commands, and return how many could be written and what limited the others."""
        fits = {name: store.room(now, store.each) for name, store in self._stores.items()}
        tightest = min(fits, key=lambda name: fits[name])
        written = min(commands, fits[tightest])
        for store in self._stores.values():
            store.use(now, written * store.each)
        if written == commands:
            return written, None
        if tightest == DOCUMENTS:
            self._bucket.overloaded(now)
        return written, tightest

    def room(self, now: float) -> int:
        """Return how many commands could be written."""
        return min(store.room(now, store.each) for store in self._stores.values())


class Admission:
    """The steps before a 202. Each returns how many jobs pass; the others are refused."""

    def __init__(
        self,
        limits: Limits,
        storage: Storage,
        outcome: Outcome,
        *,
        polls: float,
        accept_seconds: float,
        tick: float = 0.0,
    ) -> None:
        def bucket(rate: float, burst: float) -> TokenBucket:
            return TokenBucket(rate, max(burst, rate * tick))  # the jobs of a tick do not come in one moment

        self._limits = limits
        self._storage = storage
        self._outcome = outcome
        self._requests = 1 + polls  # of a job; its polls count when the job comes, though they come later
        self._throttles = {
            KEY: (bucket(limits.key_rate * limits.keys, limits.key_burst * limits.keys), self._requests),
            ROUTE: (bucket(limits.route_rate, limits.route_burst), 1.0),
            ACCOUNT: (bucket(limits.account_rate, limits.account_burst), self._requests),
        }
        self._send = bucket(limits.send_rate * limits.queues, limits.send_rate * limits.queues)
        self._request_seconds = max(accept_seconds, limits.shortest_invocation)
        self._environments = 0.0
        self._growth = TokenBucket(limits.lambda_scale_per_second, 10 * limits.lambda_scale_per_second)

    def throttle(self, now: float, jobs: int) -> int:
        """Pass the throttles of the gateway."""
        bounds = {name: bucket.available(now) / each for name, (bucket, each) in self._throttles.items()}
        tightest = min(bounds, key=lambda name: bounds[name])
        passed = min(jobs, int(bounds[tightest] + _ROUNDING))
        for bucket, each in self._throttles.values():
            bucket.take(now, passed * each)
        return self._pass(tightest, passed, jobs, now)

    def environments(self, rate: float) -> float:
        """Return the environments of the API function that this many jobs a second need."""
        return rate * self._requests * self._request_seconds

    def invoke(self, now: float, jobs: int, rate: float, workers: float) -> int:
        """Pass the API function, to which `rate` jobs a second come while this many workers run."""
        needed = self.environments(rate)
        left = max(0.0, self._limits.lambda_concurrency - workers)
        if needed > self._environments:
            self._environments += self._growth.take_up_to(now, needed - self._environments)
        cause = CONCURRENCY if left <= self._environments else SCALE_UP
        usable = min(left, self._environments)
        return self._pass(cause, jobs if usable >= needed else int(jobs * usable / needed), jobs, now)

    def store(self, now: float, jobs: int) -> int:
        """Put the rows of the jobs, and send their messages."""
        put = self._pass(JOBS, self._storage.accept(now, jobs), jobs, now)
        return self._pass(SEND, int(self._send.take_up_to(now, put)), put, now)

    def _pass(self, cause: str, passed: int, jobs: int, now: float) -> int:
        if passed < jobs:
            self._outcome.refuse(cause, jobs - passed, now)
        return passed
