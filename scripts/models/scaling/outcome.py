"""What became of the jobs: counts, latencies, the backlog over time, and what held them up."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

_STEP = math.log(1.02)  # a histogram's bar is 2 % wide


@dataclass(slots=True)
class Latencies:
    """A histogram of seconds."""

    bars: Counter[int] = field(default_factory=Counter)
    total: float = 0.0
    n: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        self.bars[round(math.log(max(seconds, 1e-6)) / _STEP)] += count
        self.total += seconds * count
        self.n += count

    @property
    def mean(self) -> float:
        return self.total / self.n if self.n else math.nan

    def percentile(self, percent: float) -> float:
        """The seconds that so many per cent stay within, to 1 %."""
        wanted, seen = self.n * percent / 100, 0
        for bar in sorted(self.bars):
            seen += self.bars[bar]
            if seen >= wanted:
                return math.exp(bar * _STEP)
        return math.nan


@dataclass(slots=True)
class Sample:
    """One look at the stage."""

    at: float
    backlog: int
    running: float  # batches at once
    hot: int  # commands of the hot item in the backlog


@dataclass(slots=True)
class Outcome:
    """Filled in while a simulation runs. At its end: offered = refused + accepted, accepted = done + backlog."""

    offered: int = 0
    accepted: int = 0
    done: int = 0
    hot_done: int = 0
    backlog: int = 0
    highest: int = 0  # backlog
    ended_at: float = 0.0
    drained_at: float | None = None  # when a disturbance was made up for
    first_end: float | None = None  # of a job that is not the hot item's
    last_end: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)  # by what
    returned: Counter[str] = field(default_factory=Counter)  # messages that had to come again, by what
    held: Counter[str] = field(default_factory=Counter)  # looks at which messages waited, by what held them up
    first: dict[str, float] = field(default_factory=dict)  # when each of them did so first
    invocations: float = 0.0  # of the worker
    busy_seconds: float = 0.0  # of the worker
    most_running: float = 0.0
    latencies: Latencies = field(default_factory=Latencies)  # of all but the hot item's
    samples: list[Sample] = field(default_factory=list)

    def drained(self, now: float) -> None:
        """A disturbance was made up for by now."""
        self.drained_at = now if self.drained_at is None else self.drained_at

    def refuse(self, cause: str, count: int, now: float) -> None:
        self.refused[cause] += count
        self.first.setdefault(cause, now)

    def give_back(self, cause: str, count: int, now: float) -> None:
        self.returned[cause] += count
        self.first.setdefault(cause, now)

    def hold(self, cause: str, now: float) -> None:
        self.held[cause] += 1
        self.first.setdefault(cause, now)

    def end(self, now: float, latency: float) -> None:
        """A job that is not the hot item's ended after so long."""
        self.first_end = now if self.first_end is None else min(self.first_end, now)
        self.last_end = max(self.last_end, now)
        self.latencies.add(latency)

    def look(self, now: float, backlog: int, running: float, hot: int = 0) -> None:
        """Keep what there is to see at this time."""
        self.samples.append(Sample(now, backlog, running, hot))
        self.highest = max(self.highest, backlog)
        self.most_running = max(self.most_running, running)

    @property
    def refused_share(self) -> float:
        return sum(self.refused.values()) / self.offered if self.offered else 0.0

    @property
    def batch(self) -> float:
        """Messages in a batch, on the average."""
        return self.done / self.invocations if self.invocations else math.nan
