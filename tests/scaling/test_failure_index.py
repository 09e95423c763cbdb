"""The simulated index takes the writes of one partition for each shard; no job is lost or ends too early."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.stores.dynamodb_rows import SHARDS
from scripts.models.scaling.assumptions import quota
from scripts.models.scaling.failure_index import RATES, SECONDS, run_index, simulate

TAKES = int(quota("partition_write_units"))


@given(rate=st.integers(1, 6000), shards=st.integers(1, 4), seed=st.integers(0, 9))
def test_every_job_ends_and_not_before_the_index_could_take_it(rate: int, shards: int, seed: int) -> None:
    run = simulate(rate, shards, seed)
    assert run.ended == run.latencies.n == rate * SECONDS
    assert run.all_ended >= max(SECONDS, math.ceil(rate * SECONDS / (TAKES * shards)))
    assert run.highest_backlog >= rate * SECONDS - TAKES * shards * SECONDS
    assert (run.postponed == 0) == (rate <= TAKES * shards)


def test_eight_shards_take_eight_times_the_writes_of_one_partition() -> None:
    figures = run_index(1)
    assert set(figures) == {str(rate) for rate in RATES}
    for rate, of in figures.items():
        assert (of["1"]["put_off"] == 0) == (int(rate) <= TAKES)
        assert (of[str(SHARDS)]["put_off"] == 0) == (int(rate) <= SHARDS * TAKES)


@pytest.mark.parametrize("shards", [1, SHARDS])
def test_the_same_seed_makes_the_same_figures(shards: int) -> None:
    assert simulate(5000, shards, 3).latencies.bars == simulate(5000, shards, 3).latencies.bars
