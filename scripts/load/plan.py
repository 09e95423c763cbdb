"""How much load, in which rhythm, and what is refused without a confirmation."""

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
"""Threads of one Python process; a confirmation does not raise it."""

# Dollars, rounded up, at us-east-1 list prices of November 2026: request, both Lambdas, queue, rows, document.
_JOB = 20e-6
_DELETION = 18e-6
_POLL = 5e-6
_POLLS = 10  # of one job that is followed


@dataclass(frozen=True)
class Plan:
    """What is to be sent."""

    rate: float  # jobs a second
    seconds: float
    poisson: bool = False  # random arrivals, as of callers who know nothing of each other; else evenly spaced
    concurrency: int = 64  # requests without an answer at a time
    sample: int = 10  # every so many jobs, one is followed to its end; 0 follows none
    patience: float = 60.0  # seconds that a followed job may take
    keep: bool = False  # the items that were made
    seed: int = 1

    @property
    def jobs(self) -> int:
        """How many are offered, about: random arrivals vary."""
        return math.floor(self.rate * self.seconds)

    def check(self, *, on_aws: bool, confirmed: bool) -> None:
        """OperatorError for what cannot be, and for what is large and was not confirmed."""
        for name, value in (("RATE", self.rate), ("SECONDS", self.seconds)):
            if not 0 < value < math.inf:
                raise OperatorError(f"{name} must be a number above 0, not {value:g}")
        if not 1 <= self.concurrency <= CONCURRENCY_LIMIT:
            raise OperatorError(f"CONCURRENCY must be 1 to {CONCURRENCY_LIMIT}, not {self.concurrency}")
        if self.sample < 0:
            raise OperatorError(f"SAMPLE must not be negative, and is {self.sample}")
        if self.jobs < 1:
            raise OperatorError(f"RATE={self.rate:g} for SECONDS={self.seconds:g} is not one job")
        most = MOST_JOBS_ON_AWS if on_aws else MOST_JOBS
        bounds = (
            (f"{self.jobs:,} jobs (more than {most:,})", self.jobs > most),
            (f"{self.rate:g} a second (more than {MOST_RATE:g})", self.rate > MOST_RATE),
            (f"{self.concurrency} at a time (more than {MOST_CONCURRENCY})", self.concurrency > MOST_CONCURRENCY),
        )
        large = [text for text, exceeded in bounds if exceeded]
        if large and not confirmed:
            raise OperatorError(f"{', '.join(large)}: CONFIRM=yes if that is meant")

    def arrivals(self) -> list[float]:
        """When each request is to start, in seconds from the first moment on, whatever becomes of the others."""
        if not self.poisson:
            return [n / self.rate for n in range(self.jobs)]
        chance, times = random.Random(self.seed), list[float]()
        at = chance.expovariate(self.rate)
        while at < self.seconds:
            times.append(at)
            at += chance.expovariate(self.rate)
        return times

    def dollars(self) -> float:
        """What AWS may charge for it, about; docs/cost.md has the exact counting."""
        followed = self.jobs / self.sample if self.sample else 0
        return self.jobs * (_JOB + (0 if self.keep else _DELETION)) + followed * _POLLS * _POLL
