"""Finds the limit that breaks first at a rate, raises it, and continues until no limit breaks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scripts.models.scaling import quotas
from scripts.models.scaling.assumptions import Limits, assumptions, aws, units
from scripts.models.scaling.cohorts import Cohorts, mean_times
from scripts.models.scaling.scenario import Outcome, Scenario

_MARGIN = 1.25  # a limit is raised to this multiple of what is needed
_TOLERATED = 0.001  # share of the jobs that may be refused or redelivered
_SECONDS = 10.0  # that the 99th percentile may take, and the seconds of jobs that may wait
_STEPS = 16
_FULL_BATCH = 10
_PARAMETER_MAXIMUM = 1000  # of WorkerConcurrency

Remedy = tuple[dict[str, float], str]
"""The new values of limits, and what an operator does to get them."""


@dataclass(frozen=True, slots=True)
class Step:
    """A limit that broke, and how it was raised."""

    cause: str
    seconds: float  # until it first had an effect
    refused: float  # share of the jobs, by any cause
    p99: float
    raised: str


def size(scenario: Scenario, limits: Limits, *, may_wait: bool = False) -> tuple[list[Step], Limits, Outcome]:
    """Raise limits until the scenario runs smoothly, and return the steps, the limits and the last run.

    `may_wait`: it is enough that no job is refused; jobs may wait on the queue.
    """
    steps: list[Step] = []
    while True:
        outcome = Cohorts(scenario, limits, aws(), tick=1.0 if may_wait else 0.2).run()
        cause = first_broken(outcome, scenario, may_wait=may_wait)
        if cause is None or len(steps) == _STEPS:
            return steps, limits, outcome
        changes, remedy = _remedies(limits, scenario)[cause]
        limits = replace(limits, **changes)
        p99 = outcome.latencies.percentile(99)
        steps.append(Step(cause, outcome.first[cause], outcome.refused_share, p99, remedy))


def first_broken(outcome: Outcome, scenario: Scenario, *, may_wait: bool = False) -> str | None:
    """Return the first limit that held back more than a tolerable share of the jobs, or None."""
    tolerated = _TOLERATED * outcome.offered
    counts = outcome.refused if may_wait else outcome.refused + outcome.redelivered
    causes = {cause for cause, count in counts.items() if count > tolerated}
    late = outcome.highest_backlog > _SECONDS * scenario.peak or outcome.latencies.percentile(99) > _SECONDS
    if late and not causes and not may_wait and outcome.delayed:
        causes = {outcome.delayed.most_common(1)[0][0]}
    return min(sorted(causes), key=lambda cause: outcome.first[cause], default=None)


def batches_at_once(rate: float) -> float:
    """Return the full batches that must run in parallel for this many jobs a second."""
    return rate * _batch_seconds() / _FULL_BATCH


def highest_rate(limits: Limits) -> float:
    """Return the jobs a second that the worker does if only its concurrency limits it."""
    return limits.most_batches * _FULL_BATCH / _batch_seconds()


def _batch_seconds() -> float:
    served = float(assumptions()["quotas"]["requests_per_environment"]["value"])
    return max(mean_times(aws()).batch[_FULL_BATCH], 1 / served)


# --- raising a limit --------------------------------------------------------------------------------------------


def _remedies(limits: Limits, scenario: Scenario) -> dict[str, Remedy]:
    """Return, for each limit that may break, how to raise it."""
    requests = _two_digits(scenario.peak * (1 + scenario.polls) * _MARGIN)  # a second
    jobs = _two_digits(scenario.peak * _MARGIN)  # a second
    api = requests / limits.requests_per_environment  # environments
    executions = api + _MARGIN * max(limits.worker_concurrency, batches_at_once(scenario.rate))
    executions = _raised(executions, limits.lambda_concurrency)
    documents = _work_rate(limits, scenario) * units().documents
    prefixes = max(math.ceil(documents * _MARGIN / limits.prefix_writes), 2 * limits.prefixes)
    splitting = "item ids are random, so S3 splits by itself; AWS does it beforehand"
    workers = _raised(batches_at_once(scenario.rate) * _MARGIN, limits.worker_concurrency)
    tables, pollers = _larger_tables(limits, scenario), _more_pollers(limits, scenario)
    return {
        quotas.KEY: (
            {"key_rate": requests, "key_burst": 2 * requests},
            f"RateLimit={requests:,.0f} and BurstLimit={2 * requests:,.0f}, or as many more keys",
        ),
        quotas.ROUTE: (
            {"route_rate": jobs, "route_burst": 2 * jobs},
            f"StageRateLimit={jobs:,.0f} and StageBurstLimit={2 * jobs:,.0f}",
        ),
        quotas.ACCOUNT: (
            {"account_rate": requests, "account_burst": requests / 2},
            f"quota of API Gateway to {requests:,.0f} requests/s, or POST /batches and fewer polls",
        ),
        quotas.CONCURRENCY: (
            {"lambda_concurrency": executions},
            f"quota of Lambda to {executions:,.0f} concurrent executions",
        ),
        quotas.SCALE_UP: (
            {"lambda_scale_per_second": max(api / 10, limits.lambda_scale_per_second)},
            f"provisioned concurrency of the API for the peak: {api:,.0f} environments",
        ),
        quotas.SEND: _queues(math.ceil(scenario.peak * _MARGIN / limits.send_rate)),
        quotas.JOBS: tables,
        quotas.ITEMS: tables,
        quotas.NAMES: tables,
        quotas.DOCUMENTS: (
            {"prefixes": prefixes},
            f"{prefixes:.0f} partitions of items/: {splitting}",
        ),
        quotas.POLLERS: pollers,
        quotas.WORKERS: ({"worker_concurrency": workers}, f"WorkerConcurrency={workers:.0f}")
        if workers <= _PARAMETER_MAXIMUM
        else pollers,
        quotas.WINDOW: _queues(limits.queues * 2),
    }


def _larger_tables(limits: Limits, scenario: Scenario) -> Remedy:
    each, works = units(), _work_rate(limits, scenario)
    jobs_table = scenario.peak * each.accept + works * each.jobs
    needed = _raised(max(jobs_table, works * each.items) * _MARGIN, limits.table_first)
    if needed <= limits.table_quota:
        return {"table_first": needed}, f"warm throughput of {needed:,.0f} write units/s, set beforehand"
    text = f"quota of the table to {needed:,.0f} write units/s, and as much warm throughput"
    return {"table_first": needed, "table_quota": needed}, text


def _more_pollers(limits: Limits, scenario: Scenario) -> Remedy:
    """Return the provisioned mode of the mapping, or another queue if the mode is already in use."""
    mode = assumptions()["provisioned_pollers"]
    if limits.pollers_per_minute >= mode["per_minute"]:
        return _queues(limits.queues + 1)
    pollers = math.ceil(batches_at_once(scenario.rate) * _MARGIN / mode["batches_each"]) + 1
    first, most = pollers * mode["batches_each"], 2 * pollers * mode["batches_each"]
    return (
        {
            "pollers_first": first,
            "pollers_per_minute": mode["per_minute"],
            "pollers_maximum": most,
            "worker_concurrency": most,
        },
        f"provisioned mode with {pollers} to {2 * pollers} pollers, in place of MaximumConcurrency",
    )


def _queues(queues: float) -> Remedy:
    return {"queues": queues}, f"{queues:.0f} queues, by the hash of the item"


def _work_rate(limits: Limits, scenario: Scenario) -> float:
    """Return the jobs a second that the stores must take, which with a backlog are all that the worker can do."""
    return min(max(scenario.peak, scenario.rate * _MARGIN), highest_rate(limits))


def _raised(needed: float, limit: float) -> float:
    """Return what is needed, but in any case more than the old limit."""
    return max(_two_digits(needed), _two_digits(limit * _MARGIN))


def _two_digits(value: float) -> float:
    """Round up to two digits, as quotas are requested."""
    unit = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return float(math.ceil(value / unit) * unit)
