"""What the simulation takes for granted (assumptions.json): quotas, times and calls, each with its source."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from infra.settings import ROOT
from infra.templates.sources import read_template

_FILE = Path(__file__).with_name("assumptions.json")
_COST_PRICES = ROOT / "scripts" / "models" / "cost" / "prices.json"


@cache
def assumptions() -> dict[str, Any]:
    """The data file as it is."""
    loaded: dict[str, Any] = json.loads(_FILE.read_text())
    return loaded


@cache
def prices() -> dict[str, Any]:
    """Dollars per one of each: the price list of `make cost` if it is there, else the one in the data file."""
    listed: dict[str, Any] = (
        json.loads(_COST_PRICES.read_text()) if _COST_PRICES.exists() else assumptions()["prices"]
    )
    return listed


@dataclass(frozen=True, slots=True)
class Limits:
    """All that holds a stage back: AWS's quotas, and the parameters of our templates."""

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
    key_rate: float  # RateLimit, of one API key
    key_burst: float
    route_rate: float  # StageRateLimit, of one route: POST /items
    route_burst: float
    worker_concurrency: float  # WorkerConcurrency, the MaximumConcurrency of the event source mapping
    keys: float = 1  # callers that share the load
    queues: float = 1  # commands queues, each with a mapping of its own, sharded by the hash of the item
    prefixes: float = 1  # into which S3 has split our keys by now


def quota(name: str) -> float:
    """As AWS has it."""
    return float(assumptions()["quotas"][name]["value"])


def deployed() -> Limits:
    """A stage as `make deploy` makes it, in an account without any raised quota."""
    parameters: dict[str, Any] = {}
    for name in ("api", "worker"):
        parameters |= read_template(ROOT / "infra" / "templates" / f"{name}.merge.yaml")["Parameters"]
    ours = {
        "key_rate": "RateLimit",
        "key_burst": "BurstLimit",
        "route_rate": "StageRateLimit",
        "route_burst": "StageBurstLimit",
        "worker_concurrency": "WorkerConcurrency",
    }
    simulated = {field.name for field in fields(Limits)}  # the others are too far off to matter (docs/scaling.md)
    quotas = {name: quota(name) for name in assumptions()["quotas"] if name in simulated}
    return Limits(**quotas, **{name: float(parameters[theirs]["Default"]) for name, theirs in ours.items()})


def unlimited() -> Limits:
    """Nothing holds it back: for what a queue does by itself."""
    endless = dict.fromkeys((field.name for field in fields(Limits)), 1e12)
    return Limits(**{**endless, "keys": 1, "queues": 1, "prefixes": 1, "prefix_split_seconds": 1e12})
