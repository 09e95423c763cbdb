"""What happens to a stage: how many jobs come when, and what is out of order in the meantime."""

from __future__ import annotations

from dataclasses import dataclass

WORKER, DYNAMODB, S3 = "worker", "dynamodb", "s3"


@dataclass(frozen=True, slots=True)
class Burst:
    """So many times the rate for a while."""

    start: float
    seconds: float
    factor: float

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(frozen=True, slots=True)
class Outage:
    """The worker receives nothing, or a service answers nothing."""

    start: float
    seconds: float
    of: str  # WORKER, DYNAMODB or S3

    @property
    def end(self) -> float:
        return self.start + self.seconds

    def at(self, now: float) -> str | None:
        """What is out of order at this time."""
        return self.of if self.start <= now < self.end else None


@dataclass(frozen=True, slots=True)
class Scenario:
    """Jobs on random items arrive at random for `seconds`; it goes on until all is done, or to the `horizon`."""

    rate: float
    seconds: float
    horizon: float
    burst: Burst | None = None
    outage: Outage | None = None
    hot: int = 0  # commands of one item that are on the queue before anything else comes
    filled: int = 0  # commands that are on the queue as well, of one item after the other
    items: int = 1_000_000
    polls: float = 2.0
    seed: int = 1

    def rate_at(self, now: float) -> float:
        """Jobs a second that callers send."""
        if now >= self.seconds:
            return 0.0
        if self.burst is not None and self.burst.start <= now < self.burst.end:
            return self.rate * self.burst.factor
        return self.rate

    def broken_at(self, now: float) -> str | None:
        """What is out of order."""
        return None if self.outage is None else self.outage.at(now)

    @property
    def disturbed_until(self) -> float:
        """From when on it may recover."""
        ends = [each.end for each in (self.burst, self.outage) if each is not None]
        return max(ends, default=0.0)

    @property
    def peak(self) -> float:
        """The highest rate that is asked for."""
        return self.rate * (self.burst.factor if self.burst is not None else 1.0)

    def is_made_up_for(self, now: float, backlog: int, highest: int) -> bool:
        """Whether a disturbance is: two seconds of jobs are left, or a fiftieth of what there was."""
        return now >= self.disturbed_until and backlog <= max(10.0, 2 * self.rate, highest / 50)
