"""Each shard of the simulated index accepts the writes of one partition; no job is lost or ends too early."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.stores.dynamodb_rows import SHARDS
from scripts.models.scaling.assumptions import quota
from scripts.models.scaling.failure_index import RATES, SECONDS, run_index, simulate

CAPACITY = int(quota("partition_write_units"))


@given(rate=st.integers(1, 6000), shards=st.integers(1, 4), seed=st.integers(0, 9))
def test_every_job_ends_no_earlier_than_the_index_can_accept_it(rate: int, shards: int, seed: int) -> None:
    run = simulate(rate, shards, seed)
    assert run.ended == run.latencies.n == rate * SECONDS
    assert run.all_ended >= max(SECONDS, math.ceil(rate * SECONDS / (CAPACITY * shards)))
    assert run.highest_backlog >= rate * SECONDS - CAPACITY * shards * SECONDS
    assert (run.postponed == 0) == (rate <= CAPACITY * shards)


def test_eight_shards_accept_eight_times_the_writes_of_one_partition() -> None:
    figures = run_index(1)
    assert set(figures) == {str(rate) for rate in RATES}
    for rate, by_shards in figures.items():
        assert (by_shards["1"]["put_off"] == 0) == (int(rate) <= CAPACITY)
        assert (by_shards[str(SHARDS)]["put_off"] == 0) == (int(rate) <= SHARDS * CAPACITY)


@pytest.mark.parametrize("shards", [1, SHARDS])
def test_the_same_seed_gives_the_same_figures(shards: int) -> None:
    assert simulate(5000, shards, 3).latencies.bars == simulate(5000, shards, 3).latencies.bars
