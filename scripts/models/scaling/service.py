"""How long the steps take: drawn from the assumptions, or what was measured on an emulator."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from jobpipe.domain.limits import BACKOFF_JITTER, FIRST_BACKOFF, LONGEST_BACKOFF
from scripts.models.scaling.assumptions import assumptions

_Z99 = 2.3263  # of the standard normal distribution, at its 99th percentile


class Service(Protocol):
    """Seconds, each drawn anew. Services with the same times are equal."""

    def __hash__(self) -> int: ...

    def accept(self, rng: random.Random) -> float: ...
    def poll(self, rng: random.Random) -> float: ...
    def invoke(self, rng: random.Random) -> float: ...
    def command(self, rng: random.Random) -> float: ...
    def again(self, rng: random.Random) -> float: ...
    def interrupted(self, rng: random.Random) -> float: ...
    def throttled(self, rng: random.Random) -> float: ...


@dataclass(frozen=True)
class Aws:
    """The service times that we assume of AWS."""

    @cached_property
    def _drawn(self) -> dict[str, tuple[float, float]]:
        return {
            name: (
                math.log(time["median_ms"] / 1000),
                math.log(time["p99_ms"] / time["median_ms"]) / _Z99,
            )
            for name, time in assumptions()["times"].items()
        }

    @cached_property
    def _operations(self) -> tuple[list[list[str]], list[float]]:
        operations = assumptions()["operations"].values()
        return [each["calls"] for each in operations], [each["share"] for each in operations]

    def calls(self, calls: list[str], rng: random.Random) -> float:
        """One after the other."""
        return sum(rng.lognormvariate(*self._drawn[call]) for call in calls)

    def accept(self, rng: random.Random) -> float:
        """From the request until the message is on the queue."""
        return self.calls(assumptions()["accept"]["calls"], rng)

    def poll(self, rng: random.Random) -> float:
        return self.calls(["poll"], rng)

    def invoke(self, rng: random.Random) -> float:
        """What a batch takes beside its commands."""
        return self.calls(["invoke"], rng)

    def command(self, rng: random.Random) -> float:
        """One command of the mix."""
        calls, shares = self._operations
        return self.calls(rng.choices(calls, shares)[0], rng)

    def again(self, rng: random.Random) -> float:
        """What it takes more when its message comes for the second time or later."""
        return self.calls(assumptions()["again"]["calls"], rng)

    def interrupted(self, rng: random.Random) -> float:
        """An attempt that an outage ends."""
        return self.calls(["outage"], rng)

    def throttled(self, rng: random.Random) -> float:
        """An attempt that a throttled table or bucket ends."""
        return self.calls(["throttled"], rng)


def backoff_seconds(times: int, rng: random.Random) -> int:
    """How long a message stays away after its nth interruption, as the worker has it (consume_batch.py)."""
    doubled: float = FIRST_BACKOFF.total_seconds() * 2 ** min(times - 1, 30)
    seconds = min(doubled, LONGEST_BACKOFF.total_seconds())
    return max(1, round(seconds * rng.uniform(1 - BACKOFF_JITTER, 1.0)))


@dataclass(frozen=True, slots=True)
class Units:
    """What one job writes on the average of the mix."""

    accept: float  # write units of the jobs table before the 202
    jobs: float  # write units of the worker, by table
    items: float
    names: float
    documents: float  # PUT and DELETE


def units() -> Units:
    """By the calls that are in the data file."""
    operations = assumptions()["operations"].values()

    def mean(table: str) -> float:
        return float(sum(each["share"] * each["write_units"][table] for each in operations))

    return Units(
        accept=float(assumptions()["accept"]["write_units"]["jobs"]),
        jobs=mean("jobs"),
        items=mean("items"),
        names=mean("names"),
        documents=float(sum(each["share"] * (each["s3_puts"] + each["s3_deletes"]) for each in operations)),
    )
