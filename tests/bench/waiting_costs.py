"""What it costs to learn of a job's end: by polling, by waiting, by the memory of the function. Pure arithmetic.

The pauses and the Retry-After are those of the API itself. Left out: traces, and what goes over the network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from api_lambda.chalicelib.http_requests import DEFAULT_WAIT_SECONDS
from api_lambda.chalicelib.job_responses import poll_again_after
from api_lambda.chalicelib.wait import pause_after
from infra.settings import ROOT

PRICES = ROOT / "scripts" / "cost" / "prices.json"
POLL_SECONDS = 0.010  # of Lambda: one read of DynamoDB and our own code
POLL_LOG_BYTES = 1000  # the request's line, its metrics', and Lambda's own three
JOB_SECONDS = (0.05, 0.15, 0.5, 5, 60, 900)


def prices() -> dict[str, float]:
    """Dollars for one of each."""
    kept: dict[str, Any] = json.loads(PRICES.read_text())
    return {name: float(price) for name, price in kept.items() if isinstance(price, int | float)}


@dataclass(frozen=True)
class Tariff:
    """Dollars of a status request, of a second of waiting, and of a read meanwhile."""

    request: float
    second: float
    read: float

    @classmethod
    def of(cls, memory_mb: int) -> Tariff:
        """With so much memory for the API's function."""
        price = prices()
        second, read = price["lambda_gb_second_arm64"] * memory_mb / 1024, price["dynamodb_read_unit"]
        calls = price["api_gateway_rest_request"] + price["lambda_request"] + read
        return cls(calls + POLL_SECONDS * second + POLL_LOG_BYTES / 1e9 * price["logs_gb"], second, read)

    def waiting(self, seconds: float) -> float:
        """Dollars of a wait in vain."""
        _, reads = _held(0, seconds, float("inf"))
        return seconds * self.second + reads * self.read

    def break_even(self) -> float:
        """After so many seconds waiting has cost as much as the status request that it may save."""
        low, high = 0.0, 60.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.waiting(middle) < self.request else (low, middle)
        return low


@dataclass(frozen=True)
class Habit:
    """How a client learns of the end: what it prefers in its write, and how long its looks may be held back."""

    name: str
    prefer: float = 0.0
    first: float = 0.0
    later: float = 0.0
    every: float = 0.0  # seconds between two looks, whatever the service asks for


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
class Learnt:
    """What it took until a client knew."""

    requests: int  # beside the write
    waited: float  # seconds in the Lambda
    reads: int  # while waiting
    late: float  # seconds after the end

    def dollars(self, tariff: Tariff) -> float:
        return self.requests * tariff.request + self.waited * tariff.second + self.reads * tariff.read


def learn(habit: Habit, job_seconds: float) -> Learnt:
    """A job that ends so many seconds after its acceptance, on a network that takes no time."""
    waited, reads = _held(0, habit.prefer, job_seconds) if habit.prefer else (0.0, 0)
    at, requests = waited, 0
    if habit.prefer and at >= job_seconds:
        return Learnt(0, waited, reads, at - job_seconds)
    if not habit.first:
        at += habit.every or poll_again_after(at)  # as the 202 asks for
    for hold in _holds(habit):
        requests += 1
        held, more = _held(at, hold, job_seconds) if at < job_seconds else (0.0, 0)
        at, waited, reads = at + held, waited + held, reads + more
        if at >= job_seconds:
            break
        at += habit.every or poll_again_after(at)
    return Learnt(requests, waited, reads, at - job_seconds)


def _holds(habit: Habit) -> Iterator[float]:
    yield habit.first
    while True:
        yield habit.later


def _held(start: float, most: float, end: float) -> tuple[float, int]:
    """Seconds and reads of a wait that starts then, by the pauses of the API."""
    elapsed, reads = 0.0, 0
    while elapsed < most and start + elapsed < end:
        elapsed = min(elapsed + pause_after(elapsed), most)
        reads += 1
    return elapsed, reads
