"""What the simulation assumes about AWS (assumptions.json): quotas, service times and write units."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from infra.settings import ROOT
from infra.templates.sources import read_template
from jobpipe.domain.limits import BACKOFF_JITTER, FIRST_BACKOFF, LONGEST_BACKOFF

_Z99 = 2.3263  # the 99th percentile of the standard normal distribution
_PARAMETERS = {
    "key_rate": "RateLimit",
    "key_burst": "BurstLimit",
    "route_rate": "StageRateLimit",
    "route_burst": "StageBurstLimit",
    "worker_concurrency": "WorkerConcurrency",
}


@cache
def assumptions() -> dict[str, Any]:
    """Return the content of the data file."""
    loaded: dict[str, Any] = json.loads(Path(__file__).with_name("assumptions.json").read_text())
    return loaded


def quota(name: str) -> float:
    """Return an AWS quota, in the unit of the data file."""
    return float(assumptions()["quotas"][name]["value"])


# --- limits -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a stage: quotas of AWS and parameters of the templates."""

    account_rate: float
    account_burst: float
    lambda_concurrency: float
    lambda_scale_per_second: float
    requests_per_environment: float
    pollers_first: float
    pollers_per_minute: float
    pollers_maximum: float
    send_rate: float
    window: float
    in_flight: float
    table_first: float
    table_quota: float
    table_growth_seconds: float
    prefix_writes: float
    prefix_split_seconds: float
    key_rate: float  # of one API key
    key_burst: float
    route_rate: float  # of POST /items
    route_burst: float
    worker_concurrency: float  # the MaximumConcurrency of the event source mapping
    keys: float = 1  # callers that share the load
    queues: float = 1  # command queues, each with its own mapping, by the hash of the item
    prefixes: float = 1  # number of prefixes into which S3 has split our keys so far

    @property
    def most_batches(self) -> float:
        """The batches that all mappings may run at once."""
        return min(self.pollers_maximum, self.worker_concurrency) * self.queues

    @property
    def shortest_invocation(self) -> float:
        """The seconds for which an invocation occupies its environment, however short it is."""
        return 1 / self.requests_per_environment


def deployed() -> Limits:
    """Return the limits of a new stage with default parameters, in an account with default quotas."""
    parameters: dict[str, Any] = {}
    for name in ("api", "worker"):
        parameters |= read_template(ROOT / "infra" / "templates" / f"{name}.merge.yaml")["Parameters"]
    simulated = {field.name for field in fields(Limits)}  # docs/scaling.md says why the others are not
    quotas = {name: quota(name) for name in assumptions()["quotas"] if name in simulated}
    return Limits(**quotas, **{name: float(parameters[own]["Default"]) for name, own in _PARAMETERS.items()})


def unlimited() -> Limits:
    """Return limits that never take effect."""
    endless = dict.fromkeys((field.name for field in fields(Limits)), 1e12)
    return Limits(**{**endless, "keys": 1, "queues": 1, "prefixes": 1})


# --- service times ----------------------------------------------------------------------------------------------

Draw = Callable[[random.Random], float]
"""Draws a time in seconds."""


def constant(seconds: float) -> Draw:
    """Return a draw that always gives the same time."""
    return lambda _: seconds


_NONE = constant(0.0)


@dataclass(frozen=True, slots=True)
class Service:
    """How long each step takes."""

    command: Draw
    accept: Draw = _NONE  # from the request until the message is in the queue
    poll: Draw = _NONE  # until a waiting poller has the message
    invoke: Draw = _NONE  # a batch, without its commands
    redelivery: Draw = _NONE  # the additional time of a command whose message is delivered again
    interrupted: Draw = _NONE  # an attempt that an outage ends
    throttled: Draw = _NONE  # an attempt that a throttled table or bucket ends


@cache
def aws() -> Service:
    """Return the assumed service times of AWS, for a mix of operations."""
    operations = assumptions()["operations"].values()
    mix = [calls_of(each["calls"]) for each in operations]
    shares = [each["share"] for each in operations]
    return Service(
        command=lambda rng: rng.choices(mix, shares)[0](rng),
        accept=calls_of(assumptions()["accept"]["calls"]),
        poll=calls_of(["poll"]),
        invoke=calls_of(["invoke"]),
        redelivery=calls_of(assumptions()["redelivery"]["calls"]),
        interrupted=calls_of(["outage"]),
        throttled=calls_of(["throttled"]),
    )


def calls_of(names: list[str]) -> Draw:
    """Return a draw of the time of these calls in sequence, each of which is log-normal."""
    times = [assumptions()["times"][name] for name in names]
    laws = [
        (math.log(time["median_ms"] / 1000), math.log(time["p99_ms"] / time["median_ms"]) / _Z99) for time in times
    ]
    return lambda rng: sum(rng.lognormvariate(*law) for law in laws)


def backoff_seconds(times: int, rng: random.Random) -> int:
    """Return the delay after the nth interruption of a message, as in `consume_batch.backoff_seconds`."""
    doubled: float = FIRST_BACKOFF.total_seconds() * 2 ** min(times - 1, 30)
    seconds = min(doubled, LONGEST_BACKOFF.total_seconds())
    return max(1, round(seconds * rng.uniform(1 - BACKOFF_JITTER, 1.0)))


# --- write units ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Units:
    """What an average job of the mix writes."""

    accept: float  # write units of the jobs table, before the 202
    jobs: float  # write units of the worker, by table
    items: float
    names: float
    documents: float  # PUT and DELETE in the bucket


@cache
def units() -> Units:
    """Return the mean of the operations in the data file."""
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
