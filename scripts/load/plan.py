"""How much load is sent, at which times, and what needs a confirmation."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from infra.errors import OperatorError

MOST_JOBS = 10_000
MOST_JOBS_ON_AWS = 1_000
MOST_RATE = 500.0
MOST_CONCURRENCY = 256
CONCURRENCY_LIMIT = 1_000
"""The maximum threads of the process, which a confirmation does not raise."""

# Dollars, rounded up, at us-east-1 list prices of November 2026: request, both Lambdas, queue, rows, document.
_JOB = 20e-6
_DELETION = 18e-6
_POLL = 5e-6
_POLLS = 10  # of each followed job


@dataclass(frozen=True)
class Plan:
    """The load of a run."""

    rate: float  # jobs per second
    seconds: float
    poisson: bool = False  # whether arrivals are random, as from independent callers, or evenly spaced
    concurrency: int = 64  # unanswered requests at a time
    sample: int = 10  # one job in this number is followed to its end; 0 follows none
    patience: float = 60.0  # seconds that a followed job may take
    keep: bool = False  # whether the items are kept
    seed: int = 1

    @property
    def jobs(self) -> int:
        """The number of jobs, which is only an average for random arrivals."""
        return math.floor(self.rate * self.seconds)

    def check(self, *, on_aws: bool, confirmed: bool) -> None:
        """Raise OperatorError for an impossible plan, and for a large plan that is not confirmed."""
        for name, value in (("RATE", self.rate), ("SECONDS", self.seconds)):
            if not 0 < value < math.inf:
                raise OperatorError(f"{name} must be a number above 0, not {value:g}")
        if not 1 <= self.concurrency <= CONCURRENCY_LIMIT:
            raise OperatorError(f"CONCURRENCY must be 1 to {CONCURRENCY_LIMIT}, not {self.concurrency}")
        if self.sample < 0:
            raise OperatorError(f"SAMPLE must be 0 or more, not {self.sample}")
        if self.jobs < 1:
            raise OperatorError(f"RATE={self.rate:g} for SECONDS={self.seconds:g} is less than one job")
        most = MOST_JOBS_ON_AWS if on_aws else MOST_JOBS
        bounds = (
            (f"{self.jobs:,} jobs (more than {most:,})", self.jobs > most),
            (f"{self.rate:g} a second (more than {MOST_RATE:g})", self.rate > MOST_RATE),
            (f"{self.concurrency} at a time (more than {MOST_CONCURRENCY})", self.concurrency > MOST_CONCURRENCY),
        )
        large = [text for text, exceeded in bounds if exceeded]
        if large and not confirmed:
            raise OperatorError(f"{', '.join(large)}: CONFIRM=yes allows it")

    def arrivals(self) -> list[float]:
        """Return when each request starts, in seconds since the start of the run."""
        if not self.poisson:
            return [n / self.rate for n in range(self.jobs)]
        rng, times = random.Random(self.seed), list[float]()
        at = rng.expovariate(self.rate)
        while at < self.seconds:
            times.append(at)
            at += rng.expovariate(self.rate)
        return times

    def dollars(self) -> float:
        """Return approximately what AWS charges; docs/cost.md has the exact prices."""
        followed = self.jobs / self.sample if self.sample else 0
        return self.jobs * (_JOB + (0 if self.keep else _DELETION)) + followed * _POLLS * _POLL
