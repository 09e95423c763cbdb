"""Which limit breaks first at a rate, what raises it, which breaks next, until none does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from scripts.models.scaling import front
from scripts.models.scaling.assumptions import Limits, assumptions
from scripts.models.scaling.cohorts import Cohorts, draw
from scripts.models.scaling.outcome import Outcome
from scripts.models.scaling.scenario import Scenario
from scripts.models.scaling.service import Aws, units

_ROOM = 1.25  # what is raised is raised so far over what is needed
_TOLERATED = 0.001  # share of the jobs that may be refused or come again
_SECONDS = 10.0  # that the slowest in a hundred may take, and the backlog in seconds of jobs
_STEPS = 16
_FULL_BATCH = 10
_PARAMETER_MAXIMUM = 1000  # of WorkerConcurrency, and of the MaximumConcurrency of a mapping


@dataclass(frozen=True, slots=True)
class Step:
    """A limit that broke, and what was done about it."""

    cause: str
    seconds: float  # after which it first held something up
    refused: float  # share of the jobs, by whatever it was
    p99: float
    raised: str


def climb(scenario: Scenario, limits: Limits, *, patient: bool = False) -> tuple[list[Step], Limits, Outcome]:
    """The steps until the scenario runs smoothly, the limits by then, and how it runs with them.

    `patient`: it is enough that nobody is refused; the queue is there to wait on.
    """
    steps: list[Step] = []
    while True:
        outcome = Cohorts(scenario, limits, Aws(), tick=1.0 if patient else 0.2).run()
        cause = broken(outcome, scenario, patient=patient)
        if cause is None or len(steps) == _STEPS:
            return steps, limits, outcome
        limits, raised = RAISES[cause](limits, scenario)
        p99 = outcome.latencies.percentile(99)
        steps.append(Step(cause, outcome.first[cause], outcome.refused_share, p99, raised))


def broken(outcome: Outcome, scenario: Scenario, *, patient: bool = False) -> str | None:
    """What held the scenario up first, if something did to more than a tolerable degree."""
    many = _TOLERATED * outcome.offered
    counts = outcome.refused if patient else outcome.refused + outcome.returned
    causes = {cause for cause, count in counts.items() if count > many}
    late = outcome.highest > _SECONDS * scenario.peak or outcome.latencies.percentile(99) > _SECONDS
    if late and not causes and not patient and outcome.held:
        causes = {outcome.held.most_common(1)[0][0]}
    return min(sorted(causes), key=lambda cause: outcome.first[cause], default=None)


def batch_seconds() -> float:
    """How long a full batch keeps an environment."""
    served = float(assumptions()["quotas"]["requests_per_environment"]["value"])
    return max(draw(Aws()).batch[_FULL_BATCH], 1 / served)


def batches_at_once(rate: float) -> float:
    """Full batches that must run at once to keep up with so many jobs a second."""
    return rate * batch_seconds() / _FULL_BATCH


def fastest(limits: Limits) -> float:
    """Jobs a second that the worker does at most, where nothing but its own number holds it back."""
    at_once = min(limits.worker_concurrency, limits.pollers_maximum) * limits.queues
    return at_once * _FULL_BATCH / batch_seconds()


def _round(value: float) -> float:
    """Up to two digits, as one asks for quotas."""
    size = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return float(math.ceil(value / size) * size)


def _requests(scenario: Scenario) -> float:
    return _round(scenario.peak * (1 + scenario.polls) * _ROOM)


def _key(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    rate = _requests(scenario)
    return (
        replace(limits, key_rate=rate, key_burst=2 * rate),
        f"RateLimit={rate:,.0f} and BurstLimit={2 * rate:,.0f}, or as many more keys",
    )


def _route(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    rate = _round(scenario.peak * _ROOM)
    return (
        replace(limits, route_rate=rate, route_burst=2 * rate),
        f"StageRateLimit={rate:,.0f} and StageBurstLimit={2 * rate:,.0f}",
    )


def _account(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    rate = _requests(scenario)
    return (
        replace(limits, account_rate=rate, account_burst=rate / 2),
        f"quota of API Gateway to {rate:,.0f} requests/s, or POST /batches and fewer polls",
    )


def _lambda(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    api = _requests(scenario) / limits.requests_per_environment
    wanted = _round(api + _ROOM * max(limits.worker_concurrency, batches_at_once(scenario.rate)))
    wanted = max(wanted, _round(limits.lambda_concurrency * _ROOM))
    return replace(limits, lambda_concurrency=wanted), f"quota of Lambda to {wanted:,.0f} concurrent executions"


def _scale_up(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    wanted = _requests(scenario) / limits.requests_per_environment / 10
    return (
        replace(limits, lambda_scale_per_second=max(wanted, limits.lambda_scale_per_second)),
        f"provisioned concurrency of the API for the peak: {wanted * 10:,.0f} environments",
    )


def _send(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    queues = math.ceil(scenario.peak * _ROOM / limits.send_rate)
    return replace(limits, queues=queues), f"{queues} queues, by the hash of the item"


def _table(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    each = units()
    # The accepts come at the peak, and under a backlog the worker goes as fast as it can.
    works = min(max(scenario.peak, scenario.rate * _ROOM), fastest(limits))
    jobs = scenario.peak * each.accept + works * each.jobs
    wanted = _round(max(jobs, works * each.items) * _ROOM)
    wanted = max(wanted, _round(limits.table_first * _ROOM))
    if wanted <= limits.table_quota:
        return replace(
            limits, table_first=wanted
        ), f"warm throughput of {wanted:,.0f} write units/s, set beforehand"
    return (
        replace(limits, table_first=wanted, table_quota=wanted),
        f"quota of the table to {wanted:,.0f} write units/s, and as much warm throughput",
    )


def _prefix(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    works = min(max(scenario.peak, scenario.rate * _ROOM), fastest(limits))
    prefixes = max(math.ceil(works * units().documents * _ROOM / limits.prefix_writes), 2 * limits.prefixes)
    return (
        replace(limits, prefixes=prefixes),
        f"{prefixes:.0f} partitions of items/: item ids are random, so S3 splits by itself; AWS does it beforehand",
    )


def _pollers(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    provisioned = assumptions()["provisioned_pollers"]
    pollers = math.ceil(batches_at_once(scenario.rate) * _ROOM / provisioned["batches_each"]) + 1
    if limits.pollers_per_minute < provisioned["per_minute"]:
        return _provisioned(limits, pollers)
    queues = limits.queues + 1
    return replace(limits, queues=queues), f"{queues:.0f} queues, by the hash of the item"


def _provisioned(limits: Limits, pollers: int) -> tuple[Limits, str]:
    mode = assumptions()["provisioned_pollers"]
    return (
        replace(
            limits,
            pollers_first=pollers * mode["batches_each"],
            pollers_per_minute=mode["per_minute"],
            pollers_maximum=2 * pollers * mode["batches_each"],
            worker_concurrency=2 * pollers * mode["batches_each"],
        ),
        f"provisioned mode with {pollers} to {2 * pollers} pollers, in place of MaximumConcurrency",
    )


def _workers(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    wanted = max(_round(batches_at_once(scenario.rate) * _ROOM), _round(limits.worker_concurrency * _ROOM))
    if wanted <= _PARAMETER_MAXIMUM:
        return replace(limits, worker_concurrency=wanted), f"WorkerConcurrency={wanted:.0f}"
    return _pollers(limits, scenario)


def _window(limits: Limits, scenario: Scenario) -> tuple[Limits, str]:
    del scenario
    queues = limits.queues * 2
    return replace(limits, queues=queues), f"{queues:.0f} queues, by the hash of the item"


RAISES: dict[str, Callable[[Limits, Scenario], tuple[Limits, str]]] = {
    front.KEY: _key,
    front.ROUTE: _route,
    front.ACCOUNT: _account,
    front.CONCURRENCY: _lambda,
    front.SCALE_UP: _scale_up,
    front.SEND: _send,
    front.JOBS: _table,
    front.ITEMS: _table,
    front.NAMES: _table,
    front.DOCUMENTS: _prefix,
    "pollers": _pollers,
    "worker concurrency": _workers,
    "window": _window,
}
