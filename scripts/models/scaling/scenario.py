"""The scenarios of runs, and the counts of a run."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

WORKER, DYNAMODB, S3 = "worker", "dynamodb", "s3"
_BAR = math.log(1.02)  # a bar of the histogram is 2 % wide


@dataclass(frozen=True, slots=True)
class Burst:
    """A multiple of the rate for some time."""

    start: float
    seconds: float
    factor: float

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the worker receives nothing, or a service does not respond."""

    start: float
    seconds: float
    of: str  # WORKER, DYNAMODB or S3

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Scenario:
    """Jobs on random items arrive at random for `seconds`; the run ends when all are done, or at the `horizon`."""

    rate: float  # jobs a second
    seconds: float
    horizon: float
    burst: Burst | None = None
    outage: Outage | None = None
    hot: int = 0  # commands of one item that are on the queue at the start
    filled: int = 0  # commands of the other items in turn that are on the queue at the start
    items: int = 1_000_000
    polls: float = 2.0  # status requests of a job
    seed: int = 1

    def rate_at(self, now: float) -> float:
        """Return the jobs a second that callers send."""
        if now >= self.seconds:
            return 0.0
        if self.burst is not None and self.burst.start <= now < self.burst.end:
            return self.rate * self.burst.factor
        return self.rate

    def outage_at(self, now: float) -> str | None:
        """Return what an outage affects at this time, or None."""
        outage = self.outage
        return outage.of if outage is not None and outage.start <= now < outage.end else None

    @property
    def disturbed_until(self) -> float:
        """When the burst and the outage are over."""
        return max((each.end for each in (self.burst, self.outage) if each is not None), default=0.0)

    @property
    def peak(self) -> float:
        """The highest rate."""
        return self.rate * (self.burst.factor if self.burst is not None else 1.0)

    def has_recovered(self, now: float, backlog: int, highest: int) -> bool:
        """Whether at most two seconds of jobs, or a fiftieth of the highest backlog, remain of the disturbance."""
        return now >= self.disturbed_until and backlog <= max(10.0, 2 * self.rate, highest / 50)


@dataclass(slots=True)
class Latencies:
    """A histogram of seconds."""

    bars: Counter[int] = field(default_factory=Counter)
    total: float = 0.0
    n: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        self.bars[round(math.log(max(seconds, 1e-6)) / _BAR)] += count
        self.total += seconds * count
        self.n += count

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else math.nan

    def percentile(self, percent: float) -> float:
        """Return the seconds that this percentage of the values does not exceed, to 1 %."""
        wanted, seen = self.n * percent / 100, 0
        for bar in sorted(self.bars):
            seen += self.bars[bar]
            if seen >= wanted:
                return math.exp(bar * _BAR)
        return math.nan


@dataclass(slots=True)
class Sample:
    """The state of the stage at one time."""

    at: float
    backlog: int
    running: float  # batches at once
    hot: int  # commands of the hot item in the backlog


@dataclass(slots=True)
class Outcome:
    """The counts of a run. At its end offered = refused + accepted, and accepted = done + backlog."""

    offered: int = 0
    accepted: int = 0
    done: int = 0
    hot_done: int = 0
    backlog: int = 0
    highest_backlog: int = 0
    ended_at: float = 0.0
    recovered_at: float | None = None
    first_end: float | None = None  # of a job of any item except the hot one
    last_end: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)  # jobs, by cause
    redelivered: Counter[str] = field(default_factory=Counter)  # messages, by cause
    delayed: Counter[str] = field(default_factory=Counter)  # observations of waiting messages, by cause
    first: dict[str, float] = field(default_factory=dict)  # when each cause first had an effect
    invocations: float = 0.0  # of the worker
    busy_seconds: float = 0.0  # of the worker
    most_running: float = 0.0
    latencies: Latencies = field(default_factory=Latencies)  # of all items but the hot one
    samples: list[Sample] = field(default_factory=list)

    def count(self, counts: Counter[str], cause: str, now: float, by: int = 1) -> None:
        """Add to `refused`, `redelivered` or `delayed`."""
        counts[cause] += by
        self.first.setdefault(cause, now)

    def refuse(self, cause: str, jobs: int, now: float) -> None:
        self.count(self.refused, cause, now, jobs)

    def end(self, now: float, latency: float) -> None:
        """Count the end of a job of any item except the hot one."""
        self.first_end = now if self.first_end is None else min(self.first_end, now)
        self.last_end = max(self.last_end, now)
        self.latencies.add(latency)

    @property
    def refused_share(self) -> float:
        return sum(self.refused.values()) / self.offered if self.offered else 0.0

    @property
    def batch(self) -> float:
        """The mean number of messages in a batch."""
        return self.done / self.invocations if self.invocations else math.nan


class Observer:
    """Takes a sample each second, and notices when the stage has recovered and when the run is over."""

    def __init__(self, scenario: Scenario, outcome: Outcome) -> None:
        self._scenario = scenario
        self._outcome = outcome
        self._next_sample = 0.0

    def is_over(self, now: float, backlog: int, running: float, hot: int = 0) -> bool:
        outcome = self._outcome
        if now >= self._next_sample:
            self._next_sample = now + 1
            outcome.samples.append(Sample(now, backlog, running, hot))
            outcome.highest_backlog = max(outcome.highest_backlog, backlog)
            outcome.most_running = max(outcome.most_running, running)
        recovered = self._scenario.has_recovered(now, backlog, outcome.highest_backlog)
        if recovered and outcome.recovered_at is None:
            outcome.recovered_at = now
        return now >= self._scenario.seconds and not backlog
