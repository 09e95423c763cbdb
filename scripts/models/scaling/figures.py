"""Every run of the report, on all cores; the same seed gives the same figures."""

from __future__ import annotations

import os
import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from decimal import Decimal
from functools import cache
from multiprocessing import get_context
from typing import Any

from scripts.models.cost.data import read_data
from scripts.models.cost.usage import MILLION
from scripts.models.scaling.assumptions import Limits, assumptions, aws, calls_of, deployed, units
from scripts.models.scaling.cohorts import Cohorts
from scripts.models.scaling.failure_index import run_index
from scripts.models.scaling.job_by_job import JobByJob
from scripts.models.scaling.scenario import DYNAMODB, S3, WORKER, Burst, Outage, Outcome, Sample, Scenario
from scripts.models.scaling.sizing import batches_at_once, highest_rate, size

RATES = (10, 100, 1_000, 10_000)
_MINUTE, _HOUR = 60, 3_600
_BEYOND_WINDOW = 20_000  # commands of the hot item
_CAUGHT_UP = 100  # jobs of other items in the backlog
_POINTS = 160  # of a plotted line
_DRAWS = 2_000  # of a call, for its mean

Figures = dict[str, Any]


def simulate(seed: int) -> Figures:
    """Return all figures, except the emulator's."""
    window = int(deployed().window)
    hot = {f"{commands:,}": commands for commands in (window, window + _BEYOND_WINDOW)}
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        rates = {str(rate): pool.submit(_rate, rate, seed) for rate in sorted(RATES, reverse=True)}
        validations = {name: pool.submit(_validation, name, seed) for name in _VALIDATIONS}
        hot_items = {name: pool.submit(_hot_item, commands, seed) for name, commands in hot.items()}
        return {
            "seed": seed,
            "rates": {str(rate): rates[str(rate)].result() for rate in RATES},
            "hot": {name: future.result() for name, future in hot_items.items()},
            "validation": {name: future.result() for name, future in validations.items()},
            "index": run_index(seed),
        }


# --- one rate ---------------------------------------------------------------------------------------------------


def _rate(rate: int, seed: int) -> Figures:
    """Run a rate steadily, with a burst, and with an outage of an hour."""
    steps, limits, steady = size(Scenario(rate, 10 * _MINUTE, 30 * _MINUTE, seed=seed), deployed())
    burst = Scenario(rate, 15 * _MINUTE, 4 * _HOUR, burst=Burst(120, 60, 10), seed=seed)
    refused = Cohorts(burst, limits, aws()).run()
    burst_steps, burst_limits, accepted = size(burst, limits, may_wait=True)
    return {
        "steady": {**_summary(steady), "cost": cost(steady), "steps": [asdict(step) for step in steps]},
        "limits": asdict(limits),
        "burst": {
            "before": _summary(refused),
            "after": {
                **_summary(accepted),
                "series": _series(accepted),
                "drain_seconds": _recovery_seconds(accepted, burst),
            },
            "steps": [asdict(step) for step in burst_steps],
            "limits": asdict(burst_limits),
        },
        "outages": {of: _outage(rate, of, limits, seed) for of in (WORKER, DYNAMODB, S3)},
    }


def _outage(rate: int, of: str, limits: Limits, seed: int) -> Figures:
    """Run an outage of an hour with the limits that the rate needs, and with worker and stores that match."""
    scenario = Scenario(rate, 4 * _HOUR, 8 * _HOUR, outage=Outage(10 * _MINUTE, _HOUR, of), seed=seed)
    sizes = {"sized for the rate": limits}
    if of != DYNAMODB:  # without DynamoDB no job is accepted, and there is no backlog
        sizes |= {"fewer workers": _fewer_workers(limits, rate), "larger stores": _larger_stores(limits)}
    figures = {}
    for name, sized in sizes.items():
        outcome = Cohorts(scenario, sized, aws()).run()
        figures[name] = {
            **_summary(outcome),
            "workers": sized.most_batches,
            "jobs_table": sized.table_first,
            "drain_seconds": _recovery_seconds(outcome, scenario, within=scenario.seconds),
            "series": _series(outcome),
        }
    return figures


def _larger_stores(limits: Limits) -> Limits:
    """Return tables and a bucket that take everything that the worker can write, and the accepted jobs."""
    each, jobs = units(), highest_rate(limits)
    writes = 1.25 * jobs * (each.accept + max(each.jobs, each.items))
    prefixes = -(-1.25 * jobs * each.documents // limits.prefix_writes)
    return replace(
        limits,
        table_first=max(limits.table_first, writes),
        table_quota=max(limits.table_quota, writes),
        prefixes=max(limits.prefixes, prefixes),
    )


def _fewer_workers(limits: Limits, rate: float) -> Limits:
    """Return as many workers as the tables and the bucket can serve, besides the accepted jobs."""
    each = units()
    jobs = min(
        (limits.table_first - rate * each.accept) / each.jobs,
        limits.table_first / each.items,
        limits.prefix_writes * limits.prefixes / each.documents,
    )
    workers = int(batches_at_once(jobs) / limits.queues)
    if workers >= min(limits.worker_concurrency, limits.pollers_maximum):
        return limits
    first = min(limits.pollers_first, workers)
    return replace(limits, worker_concurrency=workers, pollers_maximum=workers, pollers_first=first)


# --- cost -------------------------------------------------------------------------------------------------------


def cost(outcome: Outcome) -> dict[str, float]:
    """Return the dollars of a million jobs by service, without idle polling, logs, traces and storage."""
    price = _prices()
    assumed, each = assumptions(), units()
    polls = assumed["polls_per_job"]["value"]
    mix = assumed["operations"].values()
    accept = [call for call in assumed["accept"]["calls"] if call != "gateway"]  # Lambda does not bill the gateway
    seconds = _mean_seconds(*accept) + polls * _mean_seconds("own_code", "get_item")
    invocations = outcome.invocations / outcome.done
    gb_seconds = (seconds + outcome.busy_seconds / outcome.done) * assumed["memory_gb"]["value"]
    written = each.accept + each.jobs + each.items + each.names
    read = polls + sum(one["share"] * one["read_units"] for one in mix)
    dollars = {
        "api_gateway": (1 + polls) * price["api_gateway_rest_request"],
        "lambda": (1 + polls + invocations) * price["lambda_request"]
        + gb_seconds * price["lambda_gb_second_arm64"],
        "sqs": (1 + 2 * invocations) * price["sqs_fifo_request"],
        "dynamodb": written * price["dynamodb_write_unit"] + read * price["dynamodb_read_unit"],
        "s3": sum(one["share"] * one["s3_puts"] for one in mix) * price["s3_put"],
    }
    million = {name: round(value * MILLION, 2) for name, value in dollars.items()}
    return {**million, "total": round(sum(million.values()), 2)}


def _prices() -> dict[str, float]:
    return {name: float(value) for name, value in read_data().prices.items() if isinstance(value, Decimal)}


@cache
def _mean_seconds(*calls: str) -> float:
    rng, draw = random.Random(0), calls_of(list(calls))
    return sum(draw(rng) for _ in range(_DRAWS)) / _DRAWS


# --- one hot item -----------------------------------------------------------------------------------------------


def _hot_item(commands: int, seed: int) -> Figures:
    """Run an item with this many commands, and 50 jobs a second on other items, for 40 minutes."""
    outcome = JobByJob(Scenario(50, 2_400, 2_400, hot=commands, seed=seed), _one_key(), aws()).run()
    rate, first_end = outcome.hot_done / outcome.ended_at, outcome.first_end or 0
    caught_up = (
        each.at for each in outcome.samples if each.at > first_end and each.backlog - each.hot < _CAUGHT_UP
    )
    return {
        "commands": commands,
        "hot_per_second": rate,
        "hot_hours": commands / rate / _HOUR,
        "others": _summary(outcome),
        "others_blocked_seconds": outcome.first_end,
        "others_caught_up_seconds": next(caught_up, None),
        "series": [[round(each.at), each.backlog - each.hot] for each in _thinned(outcome)],
    }


def _one_key() -> Limits:
    """Return the limits of a new stage whose key is not throttled."""
    return replace(deployed(), key_rate=1_000, key_burst=2_000)


# --- both simulations -------------------------------------------------------------------------------------------

_BRIEF = Scenario(100, 900, 3_000, outage=Outage(120, 300, WORKER))
_LONGER = replace(_BRIEF, seconds=2_400, horizon=2_400)
_VALIDATIONS: dict[str, tuple[Scenario, dict[str, float]]] = {
    "steady": (Scenario(100, 600, 3_000), {}),
    "burst of 3 times": (Scenario(100, 600, 3_000, burst=Burst(120, 60, 3)), {}),
    "worker out for 5 minutes": (_BRIEF, {}),
    "S3 out for 5 minutes": (replace(_BRIEF, outage=Outage(120, 300, S3)), {}),
    # A tenth of what 1,000 jobs/s have in the table of the outages.
    "worker out, 5 workers, 720 write units/s": (_LONGER, {"worker_concurrency": 5, "table_first": 720}),
    "worker out, 2 workers, 720 write units/s": (_LONGER, {"worker_concurrency": 2, "table_first": 720}),
    "worker out, 5 workers, 2,311 write units/s": (_LONGER, {"worker_concurrency": 5, "table_first": 2_311}),
}


def _validation(name: str, seed: int) -> Figures:
    """Run a scenario at 100 jobs a second, job by job and by cohorts."""
    scenario, changes = _VALIDATIONS[name]
    scenario, limits = replace(scenario, seed=seed), replace(_one_key(), **changes)
    runs: dict[str, JobByJob | Cohorts] = {
        "job by job": JobByJob(scenario, limits, aws()),
        "by cohorts": Cohorts(scenario, limits, aws()),
    }
    figures = {}
    for how, run in runs.items():
        outcome = run.run()
        drain_seconds = _recovery_seconds(outcome, scenario, within=scenario.seconds)
        figures[how] = {**_summary(outcome), "drain_seconds": drain_seconds}
    return figures


# --- one run ----------------------------------------------------------------------------------------------------


def _summary(outcome: Outcome) -> Figures:
    return {
        "offered": outcome.offered,
        "refused_share": outcome.refused_share,
        "refused": dict(outcome.refused),
        "returned": dict(outcome.redelivered),
        "done": outcome.done,
        "left": outcome.backlog,
        "p50": outcome.latencies.percentile(50),
        "p99": outcome.latencies.percentile(99),
        "highest_backlog": outcome.highest_backlog,
        "batch": outcome.batch,
        "most_running": outcome.most_running,
        "held": dict(outcome.delayed),
    }


def _recovery_seconds(outcome: Outcome, scenario: Scenario, within: float | None = None) -> float | None:
    """Return the seconds from the end of the disturbance to the recovery, if that was before `within`."""
    at = outcome.recovered_at
    if at is None or (within is not None and at >= within):
        return None
    return round(at - scenario.disturbed_until, 1)


def _series(outcome: Outcome) -> list[list[float]]:
    """Return time and backlog, with few enough points for a plot."""
    return [[round(sample.at), sample.backlog] for sample in _thinned(outcome)]


def _thinned(outcome: Outcome) -> list[Sample]:
    return outcome.samples[:: max(1, len(outcome.samples) // _POINTS)]
