"""Every run of the report, on all cores; the same figures for the same seed."""

from __future__ import annotations

import os
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import Any

from scripts.models.scaling.assumptions import Limits, deployed
from scripts.models.scaling.cohorts import Cohorts
from scripts.models.scaling.costs import per_million
from scripts.models.scaling.index import run_index
from scripts.models.scaling.ladder import batches_at_once, climb, fastest
from scripts.models.scaling.outcome import Outcome, Sample
from scripts.models.scaling.plain import Plain
from scripts.models.scaling.scenario import DYNAMODB, S3, WORKER, Burst, Outage, Scenario
from scripts.models.scaling.service import Aws, units

RATES = (10, 100, 1_000, 10_000)
OUTAGES = (WORKER, DYNAMODB, S3)
_HOUR = 3_600
_STEADY = 600
_BEHIND = 20_000  # commands of the hot item that lie beyond what the queue looks at
_CAUGHT_UP = 100  # jobs of others in the backlog
_POINTS = 160  # of a plotted line

Figures = dict[str, Any]


def run_all(seed: int) -> Figures:
    """All figures but those of the emulator."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        rates = {rate: pool.submit(_of_rate, rate, seed) for rate in sorted(RATES, reverse=True)}
        validations = {name: pool.submit(_validation, name, seed) for name in _VALIDATED}
        hot = {name: pool.submit(_hot, commands, seed) for name, commands in _hot_items().items()}
        return {
            "seed": seed,
            "rates": {str(rate): rates[rate].result() for rate in RATES},
            "hot": _results(hot),
            "validation": _results(validations),
            "index": run_index(seed),
        }


def _results(futures: dict[str, Future[Figures]]) -> Figures:
    return {name: future.result() for name, future in futures.items()}


def _of_rate(rate: int, seed: int) -> Figures:
    """One rate: steady, with a burst, and through an hour's outages."""
    steady = Scenario(rate, _STEADY, 3 * _STEADY, seed=seed)
    steps, limits, outcome = climb(steady, deployed())
    burst = Scenario(rate, 900, 4 * _HOUR, burst=Burst(120, 60, 10), seed=seed)
    of_deployed = Cohorts(burst, limits, Aws()).run()
    burst_steps, raised, in_burst = climb(burst, limits, patient=True)
    return {
        "steady": {**summary(outcome), "cost": per_million(outcome), "steps": [asdict(step) for step in steps]},
        "limits": asdict(limits),
        "burst": {
            "before": summary(of_deployed),
            "after": {
                **summary(in_burst),
                "series": series(in_burst),
                "drain_seconds": _drained_after(in_burst, burst),
            },
            "steps": [asdict(step) for step in burst_steps],
            "limits": asdict(raised),
        },
        "outages": {of: _outage(rate, of, limits, seed) for of in OUTAGES},
    }


def _outage(rate: int, of: str, limits: Limits, seed: int) -> Figures:
    """An hour, and what came of it: with the limits that the rate needs, and with worker and stores matched."""
    scenario = Scenario(rate, 4 * _HOUR, 8 * _HOUR, outage=Outage(600, _HOUR, of), seed=seed)
    sizes = {"sized for the rate": limits}
    if of != DYNAMODB:  # which leaves no backlog
        sizes |= {"fewer workers": _fewer_workers(limits, rate), "larger stores": _larger_stores(limits)}
    figures = {}
    for name, those in sizes.items():
        outcome = Cohorts(scenario, those, Aws()).run()
        figures[name] = {
            **summary(outcome),
            "workers": min(those.worker_concurrency, those.pollers_maximum) * those.queues,
            "jobs_table": those.table_first,
            "drain_seconds": _drain(outcome, scenario),
            "series": series(outcome),
        }
    return figures


def _larger_stores(limits: Limits) -> Limits:
    """Tables and bucket that take what the worker can write under a backlog, and the accepts beside it."""
    each, jobs = units(), fastest(limits)
    writes = 1.25 * jobs * (each.accept + max(each.jobs, each.items))
    prefixes = -(-1.25 * jobs * each.documents // limits.prefix_writes)
    return replace(
        limits,
        table_first=max(limits.table_first, writes),
        table_quota=max(limits.table_quota, writes),
        prefixes=max(limits.prefixes, prefixes),
    )


def _fewer_workers(limits: Limits, rate: float) -> Limits:
    """As many as the tables and the bucket can take under a backlog, the accepts beside it."""
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


def _drained_after(outcome: Outcome, scenario: Scenario) -> float | None:
    """Seconds from the end of the disturbance until it was made up for, whether or not jobs still came."""
    return None if outcome.drained_at is None else round(outcome.drained_at - scenario.disturbed_until, 1)


def _drain(outcome: Outcome, scenario: Scenario) -> float | None:
    """Seconds from the end of the disturbance until it was made up for, if that was while jobs still came."""
    if outcome.drained_at is None or outcome.drained_at >= scenario.seconds:
        return None
    return round(outcome.drained_at - scenario.disturbed_until, 1)


def _hot_items() -> dict[str, int]:
    window = int(deployed().window)
    return {"120,000": window, f"{window + _BEHIND:,}": window + _BEHIND}


def _hot(commands: int, seed: int) -> Figures:
    """One item with so many commands, and 50 jobs a second on others, for 40 minutes, job by job."""
    limits = replace(deployed(), key_rate=1_000, key_burst=2_000)
    outcome = Plain(Scenario(50, 2_400, 2_400, hot=commands, seed=seed), limits, Aws()).run()
    rate = outcome.hot_done / outcome.ended_at
    return {
        "commands": commands,
        "hot_per_second": rate,
        "hot_hours": commands / rate / _HOUR,
        "others": summary(outcome),
        "others_blocked_seconds": outcome.first_end,
        "others_caught_up_seconds": _caught_up(outcome),
        "series": [[round(s.at), s.backlog - s.hot] for s in _thinned(outcome)],
    }


def _caught_up(outcome: Outcome) -> float | None:
    """When next to nothing of the others was left, after the first of them had ended."""
    after = [sample for sample in outcome.samples if sample.at > (outcome.first_end or 0)]
    return next((sample.at for sample in after if sample.backlog - sample.hot < _CAUGHT_UP), None)


_BRIEF = Scenario(100, 900, 3_000, outage=Outage(120, 300, WORKER))
_LONGER = replace(_BRIEF, seconds=2_400, horizon=2_400)
_VALIDATED: dict[str, tuple[Scenario, dict[str, float]]] = {
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
    """The same scenario at 100 jobs a second, job by job and by cohorts."""
    scenario = replace(_VALIDATED[name][0], seed=seed)
    limits = replace(deployed(), key_rate=1_000, key_burst=2_000, **_VALIDATED[name][1])
    return {
        "job by job": _compared(Plain(scenario, limits, Aws()).run(), scenario),
        "by cohorts": _compared(Cohorts(scenario, limits, Aws()).run(), scenario),
    }


def _compared(outcome: Outcome, scenario: Scenario) -> Figures:
    return {**summary(outcome), "drain_seconds": _drain(outcome, scenario)}


def summary(outcome: Outcome) -> Figures:
    """The figures that every run has."""
    return {
        "offered": outcome.offered,
        "refused_share": outcome.refused_share,
        "refused": dict(outcome.refused),
        "returned": dict(outcome.returned),
        "done": outcome.done,
        "left": outcome.backlog,
        "p50": outcome.latencies.percentile(50),
        "p99": outcome.latencies.percentile(99),
        "highest_backlog": outcome.highest,
        "batch": outcome.batch,
        "most_running": outcome.most_running,
        "held": dict(outcome.held),
    }


def series(outcome: Outcome) -> list[list[float]]:
    """Time and backlog, thinned out for a plot."""
    return [[round(sample.at), sample.backlog] for sample in _thinned(outcome)]


def _thinned(outcome: Outcome) -> list[Sample]:
    step = max(1, len(outcome.samples) // _POINTS)
    return outcome.samples[::step]
