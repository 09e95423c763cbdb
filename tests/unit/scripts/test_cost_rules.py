"""Rules of the cost model that hold for all inputs."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.models.cost.alternatives import SIZES, Original
from scripts.models.cost.comparisons import dearest_scan, longest_wait
from scripts.models.cost.data import Load
from scripts.models.cost.pipeline import (
    FORGET,
    HABITS,
    ONE_POLL,
    PREFER_WAIT,
    WAITING_POLL,
    Habit,
    Pipeline,
)
from tests.unit.scripts.cost_data import COMMITTED, million


@given(st.integers(0, 10**9), st.sampled_from(["create", "update", "delete", "read"]), st.sampled_from(HABITS))
def test_cost_is_linear_in_jobs(jobs: int, operation: str, habit: Habit) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    usage = pipeline.job(operation, habit)
    assert round((usage * jobs).dollars(COMMITTED.prices) - usage.dollars(COMMITTED.prices) * jobs, 9) == 0


@given(st.integers(1, 10), st.sampled_from(["quiet", "busy"]))
def test_each_poll_costs_the_same_more(polls: int, load: str) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load(load))
    one_more = million(pipeline, pipeline.job("create", Habit("", polls=polls + 1)))
    more = one_more - million(pipeline, pipeline.job("create", Habit("", polls=polls)))
    assert round(more - million(pipeline, pipeline.request("poll_unfinished")), 9) == 0
    assert more > Decimal("3.5")


@given(st.decimals("0.01", 20, places=2), st.decimals("0.01", 20, places=2))
def test_waiting_longer_never_costs_less(some: Decimal, others: Decimal) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    shorter, longer = sorted((some, others))
    for habit in (PREFER_WAIT, WAITING_POLL):
        costs = [million(pipeline, pipeline.job("create", habit, seconds=each)) for each in (shorter, longer)]
        assert costs[0] <= costs[1]


@given(st.integers(1, 9))
def test_a_fuller_batch_never_costs_more(batch: int) -> None:
    one, more = (Pipeline(COMMITTED, Load("", Decimal(100), each)).worked("create") for each in (batch, batch + 1))
    assert more.scaled("xray", 0).dollars(COMMITTED.prices) < one.scaled("xray", 0).dollars(COMMITTED.prices)


@pytest.mark.parametrize("load", ["quiet", "busy"])
def test_only_the_originals_create_grows_with_the_table(load: str) -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load(load))
    costs = [million(pipeline, Original(pipeline).create(items)) for items in SIZES]
    assert costs == sorted(costs)
    assert costs[0] < million(pipeline, pipeline.job("create", PREFER_WAIT)) < costs[-1]


def test_at_a_break_even_both_ways_cost_the_same() -> None:
    pipeline = Pipeline(COMMITTED, COMMITTED.load("busy"))
    seconds = longest_wait(pipeline, pipeline.data.memory_gb("api"))
    poll = million(pipeline, pipeline.job("create", ONE_POLL)) - million(pipeline, pipeline.job("create", FORGET))
    below, above = (million(pipeline, pipeline.waiting(seconds + Decimal(step))) for step in ("-0.001", "0.001"))
    assert below <= poll < above
    original = Original(pipeline)
    queued = pipeline.job("create", PREFER_WAIT)
    scanned = original.create(0) + original.stores(dearest_scan(pipeline)) - original.stores(0)
    assert abs(million(pipeline, scanned) - million(pipeline, queued)) < 1
