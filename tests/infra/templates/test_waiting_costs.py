"""The limits of waiting follow from the prices, at the memory of the function."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.http.request_fields import DEFAULT_WAIT_SECONDS
from api_lambda.chalicelib.submitting.wait import READ_SECONDS
from infra.settings import ROOT
from scripts.models.cost.comparisons import longest_wait
from scripts.models.cost.data import read_data
from scripts.models.cost.pipeline import Pipeline
from scripts.models.cost.sheets import PAGE
from tests.bench.parts.waiting_costs import HABITS, Tariff, learn
from tests.infra.rendered import template

MEMORY_MB = int(template("api")["Parameters"]["MemorySize"]["Default"])
DECISION = ROOT / "docs" / "decisions" / "0020-waiting-is-for-a-quarter-of-a-second.md"
TARIFF = Tariff.of(MEMORY_MB)
BY_NAME = {habit.name.split(",")[0].split(":")[0]: habit for habit in HABITS}


def test_a_read_costs_as_much_as_a_wait_of_read_seconds() -> None:
    assert pytest.approx(TARIFF.read / TARIFF.second, rel=0.1) == READ_SECONDS


def test_the_default_wait_costs_no_more_than_the_request_that_it_saves() -> None:
    assert 0.8 * TARIFF.break_even() <= DEFAULT_WAIT_SECONDS <= TARIFF.break_even()


@pytest.mark.parametrize("memory_mb", [1024, 512, 256])
def test_there_is_one_tariff(memory_mb: int) -> None:
    """docs/cost.md, decision 20 and these tests have the same numbers."""
    data = read_data()
    seconds = longest_wait(Pipeline(data, data.load("busy")), Decimal(memory_mb) / 1024)
    assert Tariff.of(memory_mb).break_even() == pytest.approx(float(seconds), abs=0.001)
    assert (
        f"of {memory_mb:,} MB costs less than one poll, while a job ends within | {seconds:.2f} s |"
        in PAGE.read_text()
    )
    (line,) = (line for line in DECISION.read_text().splitlines() if line.startswith(f"| {memory_mb} |"))
    assert line.endswith(f" {seconds:.2f} |"), "`python -m tests.bench.parts.waiting --costs` makes the table"


@given(st.floats(0.001, 20))
def test_the_default_wait_costs_little_more_than_twice_the_optimum(job_seconds: float) -> None:
    """With the job's time known, the cheaper of waiting and of polling once is the optimum."""
    optimum = min(TARIFF.waiting(job_seconds), TARIFF.request)
    cost = TARIFF.waiting(min(job_seconds, DEFAULT_WAIT_SECONDS))
    if job_seconds > DEFAULT_WAIT_SECONDS:
        cost += TARIFF.request
    assert cost <= 2.25 * optimum


@pytest.mark.parametrize("job_seconds", [0.05, 0.15])
def test_an_ordinary_job_costs_one_status_request_or_none(job_seconds: float) -> None:
    for habit in HABITS:
        assert learn(habit, job_seconds).requests == (0 if habit.prefer else 1)
    assert learn(BY_NAME["`Client.sync`"], job_seconds).dollars(TARIFF) < TARIFF.request


def test_a_slow_job_is_cheaper_to_poll_than_to_wait_for() -> None:
    for job_seconds in (5, 60, 900):
        polled = learn(BY_NAME["polls by Retry-After"], job_seconds)
        waited = learn(BY_NAME["`?wait=20` each time"], job_seconds)
        client = learn(BY_NAME["`Client.wait`"], job_seconds)
        assert polled.dollars(TARIFF) < client.dollars(TARIFF) < waited.dollars(TARIFF)
        assert polled.late <= max(1, job_seconds / 4)
        assert polled.requests <= learn(BY_NAME["polls each second"], job_seconds).requests
