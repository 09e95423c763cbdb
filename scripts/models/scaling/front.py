"""What stands before the 202: the gateway's throttles, the API function's concurrency, the job's row, the send."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scripts.models.scaling.assumptions import Limits
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.quotas import PrefixCapacity, TableCapacity, TokenBucket
from scripts.models.scaling.service import Units, units

KEY, ROUTE, ACCOUNT, CONCURRENCY, SCALE_UP = "key", "route", "account", "lambda", "scale-up"
SEND, JOBS, ITEMS, NAMES, DOCUMENTS = "send", "jobs table", "items table", "names table", "prefix"


@dataclass
class Second:
    """What is left of this second."""

    _number: int = -1
    _used: float = 0.0

    def left(self, now: float, capacity: float) -> float:
        if math.floor(now) != self._number:
            self._number, self._used = math.floor(now), 0.0
        return max(0.0, capacity - self._used)

    def use(self, amount: float) -> None:
        self._used += amount


@dataclass
class Storage:
    """The tables and the bucket: how many accepts and commands they take in this second."""

    limits: Limits
    units: Units = field(default_factory=units)

    def __post_init__(self) -> None:
        at = (self.limits.table_first, self.limits.table_quota, self.limits.table_growth_seconds)
        self._tables = {name: TableCapacity(*at) for name in (JOBS, ITEMS, NAMES)}
        self._seconds = {name: Second() for name in (JOBS, ITEMS, NAMES, DOCUMENTS)}
        self._bucket = PrefixCapacity(
            self.limits.prefix_writes, self.limits.prefix_split_seconds, self.limits.prefixes
        )
        self._per_command = {
            JOBS: self.units.jobs,
            ITEMS: self.units.items,
            NAMES: self.units.names,
            DOCUMENTS: self.units.documents,
        }

    def accept(self, now: float, jobs: int) -> int:
        """How many of the jobs' rows can be put."""
        put = min(jobs, int(self._left(JOBS, now) / self.units.accept + 1e-9))
        self._use(JOBS, now, put * self.units.accept)
        return put

    def work(self, now: float, commands: int) -> tuple[int, str | None]:
        """How many of the commands can be written, and what holds the others up."""
        fits = {name: self._room(name, now) for name in self._per_command}
        tightest = min(fits, key=lambda name: fits[name])
        written = min(commands, fits[tightest])
        for name, each in self._per_command.items():
            self._use(name, now, written * each)
        if written == commands:
            return written, None
        if tightest == DOCUMENTS:
            self._bucket.overloaded(now)
        return written, tightest

    def room(self, now: float) -> int:
        """How many commands could be written now."""
        return min(self._room(name, now) for name in self._per_command)

    def _room(self, name: str, now: float) -> int:
        return int(self._left(name, now) / self._per_command[name] + 1e-9)

    def _left(self, name: str, now: float) -> float:
        table = self._tables.get(name)
        capacity = self._bucket.capacity if table is None else table.capacity(now)
        return self._seconds[name].left(now, capacity)

    def _use(self, name: str, now: float, amount: float) -> None:
        self._seconds[name].use(amount)
        if name in self._tables:
            self._tables[name].use(now, amount)


class Front:
    """How many jobs get their 202."""

    def __init__(
        self, limits: Limits, storage: Storage, polls: float, accept_seconds: float, tick: float = 0.0
    ) -> None:
        def bucket(rate: float, burst: float) -> TokenBucket:
            return TokenBucket(rate, max(burst, rate * tick))  # what comes in one tick did not come in one moment

        self._limits = limits
        self._storage = storage
        self._requests = 1 + polls  # of a job; its polls are counted when it comes, though they come later
        self._key = bucket(limits.key_rate * limits.keys, limits.key_burst * limits.keys)
        self._route = bucket(limits.route_rate, limits.route_burst)
        self._account = bucket(limits.account_rate, limits.account_burst)
        self._send = bucket(limits.send_rate * limits.queues, limits.send_rate * limits.queues)
        # One environment serves so many requests a second, however short they are.
        self._hold = max(accept_seconds, 1 / limits.requests_per_environment)
        self._environments = 0.0
        self._growth = TokenBucket(limits.lambda_scale_per_second, 10 * limits.lambda_scale_per_second)

    def admit(self, now: float, jobs: int, outcome: Outcome) -> int:
        """Past the gateway."""
        bounds = {
            KEY: self._key.available(now) / self._requests,
            ROUTE: self._route.available(now),
            ACCOUNT: self._account.available(now) / self._requests,
        }
        tightest = min(bounds, key=lambda name: bounds[name])
        granted = min(jobs, int(bounds[tightest] + 1e-9))
        for bucket, each in ((self._key, self._requests), (self._route, 1.0), (self._account, self._requests)):
            bucket.take(now, granted * each)
        if granted < jobs:
            outcome.refuse(tightest, jobs - granted, now)
        return granted

    def environments(self, rate: float) -> float:
        """Of the API function, for so many jobs a second."""
        return rate * self._requests * self._hold

    def run(self, now: float, jobs: int, rate: float, workers: float, outcome: Outcome) -> int:
        """Past the API function, of which `rate` jobs a second are asked while so many workers run."""
        needed = self.environments(rate)
        there = max(0.0, self._limits.lambda_concurrency - workers)
        if needed > self._environments:
            self._environments += self._growth.take_up_to(now, needed - self._environments)
        cause = CONCURRENCY if there <= self._environments else SCALE_UP
        usable = min(there, self._environments)
        granted = jobs if usable >= needed else int(jobs * usable / needed)
        if granted < jobs:
            outcome.refuse(cause, jobs - granted, now)
        return granted

    def store(self, now: float, jobs: int, outcome: Outcome) -> int:
        """Past the job's row and the send."""
        put = self._storage.accept(now, jobs)
        if put < jobs:
            outcome.refuse(JOBS, jobs - put, now)
        sent = int(self._send.take_up_to(now, put))
        if sent < put:
            outcome.refuse(SEND, put - sent, now)
        return sent
