"""The limits that depend on earlier use behave exactly as AWS documents them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import ROOT
from infra.templates.sources import read_template
from scripts.models.scaling.assumptions import assumptions, deployed
from scripts.models.scaling.quotas import Pollers, PrefixCapacity, TableCapacity, TokenBucket

STEPS = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 50)), max_size=40)


@given(rate=st.integers(1, 100), burst=st.integers(1, 100), steps=STEPS)
def test_a_bucket_grants_no_more_than_its_burst_and_its_rate(
    rate: int, burst: int, steps: list[tuple[float, int]]
) -> None:
    bucket, now, granted = TokenBucket(rate, burst), 0.0, 0.0
    for pause, wanted in steps:
        now += pause
        granted += bucket.take_up_to(now, wanted)
        assert granted <= burst + rate * now + 1e-6


def test_a_bucket_is_exact() -> None:
    bucket = TokenBucket(10, 20)
    assert [bucket.take(0) for _ in range(21)] == [True] * 20 + [False]
    assert not bucket.take(0.09)
    assert bucket.take(0.1)
    assert not bucket.take(0.1)
    assert bucket.available(100) == 20, "a bucket has no more tokens than its burst"


def test_a_bucket_grants_all_tokens_or_none() -> None:
    bucket = TokenBucket(1, 5)
    assert not bucket.take(0, 6)
    assert bucket.available(0) == 5


@given(steps=st.lists(st.tuples(st.floats(0, 60), st.booleans()), max_size=40))
def test_pollers_never_grow_faster_than_documented(steps: list[tuple[float, bool]]) -> None:
    pollers, now = Pollers(5, 300, 1_250), 0.0
    for pause, waiting in steps:
        now += pause
        assert 5 <= pollers.allowed(now, waiting=waiting) <= min(1_250, 5 + 5 * now) + 1e-6


def test_pollers_grow_at_the_documented_rate_while_messages_wait() -> None:
    pollers = Pollers(5, 300, 1_250)
    assert [round(pollers.allowed(at, waiting=True)) for at in (0, 1, 60, 120, 240, 249, 300)] == [
        5, 10, 305, 605, 1_205, 1_250, 1_250,
    ]  # fmt: skip
    assert pollers.allowed(360, waiting=False) == 950


def test_a_maximum_limits_the_first_pollers() -> None:
    assert Pollers(5, 300, 2).allowed(60, waiting=False) == 2


def test_a_table_doubles_its_highest_minute_after_half_an_hour() -> None:
    table = TableCapacity(4_000, 40_000, 1_800)
    for second in range(1_800):
        assert table.capacity(second) == 4_000
        table.use(second, 3_000)
    assert table.capacity(1_800) == pytest.approx(6_000)


def test_a_table_stays_within_its_quota_and_never_shrinks() -> None:
    table = TableCapacity(4_000, 5_000, 60)
    for second in range(300):
        table.use(second, 4_000)
        table.capacity(second)
    assert table.capacity(300) == 5_000
    assert table.capacity(100_000) == 5_000


def test_a_long_overload_splits_a_prefix() -> None:
    bucket = PrefixCapacity(3_500, 1_800)
    for second in range(0, 1_700, 50):
        bucket.overloaded(second)
    for second in range(1_800, 3_600, 50):  # a second overload, after more than a minute
        bucket.overloaded(second)
    assert bucket.capacity(3_600) == 3_500
    bucket.overloaded(3_600)
    assert bucket.capacity(3_600) == 7_000


def test_the_limits_of_a_stage_are_the_defaults_of_the_templates() -> None:
    limits = deployed()
    api = read_template(ROOT / "infra" / "templates" / "api.merge.yaml")["Parameters"]
    worker = read_template(ROOT / "infra" / "templates" / "worker.merge.yaml")["Parameters"]
    assert (limits.key_rate, limits.key_burst) == (api["RateLimit"]["Default"], api["BurstLimit"]["Default"])
    assert (limits.route_rate, limits.worker_concurrency) == (
        api["StageRateLimit"]["Default"],
        worker["WorkerConcurrency"]["Default"],
    )
    assert (
        assumptions()["memory_gb"]["value"] * 1024
        == api["MemorySize"]["Default"]
        == worker["MemorySize"]["Default"]
    )


def test_every_assumption_has_a_source() -> None:
    assumed = assumptions()
    assert [name for name, quota in assumed["quotas"].items() if not quota["source"].startswith("https://")] == []
    assert [name for name, time in assumed["times"].items() if not time["source"]] == []
    used = {call for each in assumed["operations"].values() for call in each["calls"]}
    assert used | set(assumed["accept"]["calls"]) | set(assumed["redelivery"]["calls"]) <= set(assumed["times"])
    assert sum(each["share"] for each in assumed["operations"].values()) == pytest.approx(1)
