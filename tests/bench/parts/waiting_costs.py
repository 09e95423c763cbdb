"""The computed costs of learning of a job's end, by polling and by waiting, for several sizes of memory.

The pauses and the Retry-After are those of the API. A status request costs as much as a poll in `make cost` under
its busy load, with log lines, traces and the transfer of the answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from api_lambda.chalicelib.http.job_responses import poll_delay
from api_lambda.chalicelib.http.request_fields import DEFAULT_WAIT_SECONDS
from api_lambda.chalicelib.submitting.wait import pause_after
from scripts.models.cost.data import read_data
from scripts.models.cost.pipeline import Pipeline

JOB_SECONDS = (0.05, 0.15, 0.5, 5, 60, 900)


@dataclass(frozen=True)
class Tariff:
    """The dollars of a status request, of a second of waiting, and of a read while waiting."""

    request: float
    second: float
    read: float

    @classmethod
    def of(cls, memory_mb: int) -> Tariff:
        """Return the tariff for this much memory of the API's function."""
        data = read_data()
        pipeline, gb = Pipeline(data, data.load("busy")), Decimal(memory_mb) / 1024
        poll = pipeline.request("poll").scaled("lambda_gb_second", gb / data.memory_gb("api"))
        second = data.price(f"lambda_gb_second_{data.default('api', 'Architecture')}") * gb
        read = data.price("dynamodb_read_unit") * data.operation("api", "poll").read_units
        return cls(float(poll.dollars(data.prices)), float(second), float(read))

    def waiting(self, seconds: float) -> float:
        """Return the dollars of a wait that times out."""
        _, reads = _wait(0, seconds, float("inf"))
        return seconds * self.second + reads * self.read

    def break_even(self) -> float:
        """Return the seconds after which waiting has cost as much as the status request that it may save."""
        low, high = 0.0, 60.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.waiting(middle) < self.request else (low, middle)
        return low


@dataclass(frozen=True)
class Habit:
    """How a client learns of the end: its `Prefer: wait`, and the `?wait` of its status requests, in seconds."""

    name: str
    prefer: float = 0.0
    first: float = 0.0  # of the first status request
    later: float = 0.0  # of the later ones
    every: float = 0.0  # seconds between two status requests, instead of Retry-After


HABITS = (
    Habit("polls each second", every=1),
    Habit("polls by Retry-After"),
    Habit("`?wait`, then polls", first=DEFAULT_WAIT_SECONDS),
    Habit("`Client.wait`: `?wait=1`, then polls", first=1),
    Habit("`?wait=20` each time", first=20, later=20),
    Habit("`Client.sync`: `Prefer: wait=5`, then polls", prefer=5),
    Habit("`Prefer: wait=20`, then polls", prefer=20),
)


@dataclass(frozen=True)
class Effort:
    """The effort until a client learns of the end."""

    requests: int  # without the write
    waited: float  # seconds in the Lambda
    reads: int  # by the API while it waits
    late: float  # seconds after the end

    def dollars(self, tariff: Tariff) -> float:
        return self.requests * tariff.request + self.waited * tariff.second + self.reads * tariff.read


def learn(habit: Habit, job_seconds: float) -> Effort:
    """Compute the effort for a job that ends this many seconds after its acceptance, without network latency."""
    waited, reads = _wait(0, habit.prefer, job_seconds) if habit.prefer else (0.0, 0)
    at, requests = waited, 0
    if habit.prefer and at >= job_seconds:
        return Effort(0, waited, reads, at - job_seconds)
    if not habit.first:
        at += habit.every or poll_delay(at)  # the Retry-After of the 202
    for longest in _waits(habit):
        requests += 1
        seconds, more = _wait(at, longest, job_seconds) if at < job_seconds else (0.0, 0)
        at, waited, reads = at + seconds, waited + seconds, reads + more
        if at >= job_seconds:
            break
        at += habit.every or poll_delay(at)
    return Effort(requests, waited, reads, at - job_seconds)


def _waits(habit: Habit) -> Iterator[float]:
    yield habit.first
    while True:
        yield habit.later


def _wait(start: float, most: float, end: float) -> tuple[float, int]:
    """Return the seconds and the reads of a wait that begins at `start`, with the pauses of the API."""
    elapsed, reads = 0.0, 0
    while elapsed < most and start + elapsed < end:
        elapsed = min(elapsed + pause_after(elapsed), most)
        reads += 1
    return elapsed, reads
