"""The load generator: when requests are due, what needs a confirmation, what a percentile is."""

from __future__ import annotations

import itertools
import statistics

import pytest

from infra.errors import OperatorError
from scripts.load.generator import Measured, Outcome
from scripts.load.plan import CONCURRENCY_LIMIT, MOST_CONCURRENCY, MOST_JOBS, MOST_JOBS_ON_AWS, MOST_RATE, Plan
from scripts.load.report import percentile, summary


def test_a_constant_rate_is_evenly_spaced() -> None:
    assert Plan(4, 2).arrivals() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]


def test_poisson_arrivals_come_at_the_rate_and_vary() -> None:
    plan = Plan(100, 50, poisson=True)
    times = plan.arrivals()
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times == sorted(times)
    assert times == plan.arrivals(), "the same seed gives the same times"
    assert times[0] > 0
    assert times[-1] < 50
    assert 4700 < len(times) < 5300
    # The mean and the deviation of an exponential distribution are equal.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)


@pytest.mark.parametrize(
    ("percent", "found"), [(1, 10), (50, 20), (51, 30), (95, 40), (99, 40), (100, 40), (25, 10), (26, 20)]
)
def test_a_percentile_is_one_of_the_values(percent: float, found: float) -> None:
    assert percentile([40, 10, 30, 20], percent) == found


def test_a_summary_is_in_milliseconds() -> None:
    assert summary([0.001 * n for n in range(1, 101)]) == {"p50": 50, "p95": 95, "p99": 99, "n": 100}
    assert summary([]) == {"n": 0}


@pytest.mark.parametrize("percent", [0, 101])
def test_other_percentiles_are_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentiles"):
        percentile([1], percent)


@pytest.mark.parametrize(
    "plan",
    [
        Plan(0, 5),
        Plan(-1, 5),
        Plan(float("nan"), 5),
        Plan(5, float("inf")),
        Plan(5, 0),
        Plan(0.1, 5),
        Plan(5, 5, concurrency=0),
        Plan(5, 5, concurrency=CONCURRENCY_LIMIT + 1),
        Plan(5, 5, sample=-1),
    ],
)
def test_an_impossible_plan_is_refused_even_if_confirmed(plan: Plan) -> None:
    with pytest.raises(OperatorError):
        plan.check(on_aws=False, confirmed=True)


@pytest.mark.parametrize(
    ("plan", "larger", "on_aws"),
    [
        (Plan(100, MOST_JOBS / 100), Plan(100, MOST_JOBS / 100 + 1), False),
        (Plan(10, MOST_JOBS_ON_AWS / 10), Plan(10, MOST_JOBS_ON_AWS / 10 + 1), True),
        (Plan(MOST_RATE, 1), Plan(MOST_RATE + 1, 1), False),
        (Plan(5, 5, concurrency=MOST_CONCURRENCY), Plan(5, 5, concurrency=MOST_CONCURRENCY + 1), False),
    ],
)
def test_a_large_plan_needs_a_confirmation(plan: Plan, larger: Plan, on_aws: bool) -> None:
    plan.check(on_aws=on_aws, confirmed=False)
    with pytest.raises(OperatorError, match="CONFIRM=yes"):
        larger.check(on_aws=on_aws, confirmed=False)
    larger.check(on_aws=on_aws, confirmed=True)


def test_the_cost_grows_with_the_work() -> None:
    assert Plan(10, 100).dollars() == pytest.approx(10 * Plan(10, 10).dollars())
    assert Plan(10, 10, keep=True).dollars() < Plan(10, 10).dollars()
    assert Plan(10, 10, sample=0).dollars() < Plan(10, 10).dollars()
    assert 0.01 < Plan(10, 100).dollars() < 0.1, "a thousand jobs are some cents"


def outcome(status: int, job_status: str | None = None) -> Outcome:
    return Outcome(0.0, 0.01, status, "item", 0.1 if job_status else None, job_status)


@pytest.mark.parametrize(
    ("outcomes", "followed", "failed"),
    [
        ([outcome(202)], [], False),
        ([outcome(202), outcome(429), outcome(400)], [outcome(202, "succeeded")], False),
        ([outcome(202), outcome(503)], [], True),
        ([outcome(202), outcome(0)], [], True),
        ([outcome(403)], [], True),
        ([outcome(202)], [outcome(202, "failed")], True),
        ([outcome(202)], [outcome(202)], True),
    ],
    ids=["accepted", "refused", "5xx", "no answer", "none accepted", "job failed", "job never ended"],
)
def test_a_run_has_failed_after_errors_of_the_service(
    outcomes: list[Outcome], followed: list[Outcome], failed: bool
) -> None:
    assert Measured(len(outcomes), outcomes, followed).failed is failed
