"""The circuit breaker: requests do not wait while waits are in vain, and wait again when they are not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.submitting.circuit_breaker import CircuitBreaker
from jobpipe.domain.errors import Unavailable
from tests.helpers.fake_time import FakeTime, installed
from tests.helpers.job_states import accept, item, read_job, unavailable
from tests.helpers.pipeline import Pipeline

LONGEST = 20


def wait_in_vain(pipeline: Pipeline, clock: FakeTime, wait: int, *, times: int) -> None:
    """Wait in vain so many times, each time for a job of another item."""
    for _ in range(times):
        job_id, started = accept(pipeline), clock.now
        assert read_job(pipeline, job_id, wait).json["status"] == "queued"
        assert clock.now - started == pytest.approx(wait), "the request waited"


def waits(pipeline: Pipeline, clock: FakeTime, wait: int) -> bool:
    """Return whether a request for a new job waits."""
    job_id, started = accept(pipeline), clock.now
    answer = read_job(pipeline, job_id, wait)
    assert (answer.status, answer.json["status"], answer.headers["retry-after"]) == (200, "queued", "1")
    return clock.now > started


def test_under_a_backlog_no_request_waits(pipeline: Pipeline, clock: FakeTime) -> None:
    wait_in_vain(pipeline, clock, LONGEST, times=3)
    sleeps = clock.sleeps
    for _ in range(100):
        assert not waits(pipeline, clock, LONGEST)
        answer = pipeline.request("POST", "/items", item(), headers={"prefer": f"wait={LONGEST}"})
        assert (answer.status, answer.headers["retry-after"]) == (202, "1")
        assert "preference-applied" not in answer.headers
    assert clock.sleeps == sleeps


def test_a_wait_is_tried_now_and_then_under_a_backlog(pipeline: Pipeline, clock: FakeTime) -> None:
    wait_in_vain(pipeline, clock, LONGEST, times=3)
    clock.now += 9 * LONGEST - 1
    assert not waits(pipeline, clock, LONGEST)
    clock.now += 2
    assert waits(pipeline, clock, LONGEST), "one wait is tried"
    assert not waits(pipeline, clock, LONGEST), "it was in vain"
    clock.now += 9 * LONGEST + 1
    pipeline.drain()
    job_id = accept(pipeline, item("Stove"))
    clock.after(1, pipeline.drain)
    assert read_job(pipeline, job_id, LONGEST).json["done"]
    assert waits(pipeline, clock, LONGEST), "the wait before was not in vain"


def test_waits_that_end_in_time_are_not_counted(pipeline: Pipeline, clock: FakeTime) -> None:
    wait_in_vain(pipeline, clock, LONGEST, times=2)
    for number in range(50):
        job_id = accept(pipeline, item(f"Stove {number}"))
        clock.after(15, pipeline.drain)
        assert read_job(pipeline, job_id, LONGEST).json["done"]


def test_one_blocked_item_does_not_stop_other_requests_from_waiting(pipeline: Pipeline, clock: FakeTime) -> None:
    """A command that kills its worker each time must not stop other requests from waiting."""
    stuck, waited, began = accept(pipeline), 0.0, clock.now
    for _ in range(300):
        clock.now += 10
        started = clock.now
        read_job(pipeline, stuck, LONGEST)
        waited += clock.now - started
    assert 2 * LONGEST < waited <= (clock.now - began) / 30 + 39
    assert waits(pipeline, clock, LONGEST)


def test_shorter_waits_are_tried_again_sooner(pipeline: Pipeline, clock: FakeTime) -> None:
    wait_in_vain(pipeline, clock, LONGEST, times=3)
    clock.now += 10
    assert not waits(pipeline, clock, 2)
    assert waits(pipeline, clock, 1)


@pytest.mark.parametrize("kind", ["outage", "hanging", "bug", "retrying"])
def test_waits_that_an_outage_ended_are_not_counted(
    pipeline: Pipeline, clock: FakeTime, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fails(_: str) -> None:
        if kind == "hanging":
            clock.sleep(2 * LONGEST)
        raise ZeroDivisionError if kind == "bug" else Unavailable("no")

    for _ in range(5):
        job_id = accept(pipeline)
        with monkeypatch.context() as broken:
            if kind == "retrying":
                broken.setattr(pipeline.items, "commit", unavailable)
                clock.after(1, pipeline.work)
            else:
                clock.after(1, partial(broken.setattr, pipeline.jobs, "get", fails))
            read_job(pipeline, job_id, LONGEST)
    assert waits(pipeline, clock, LONGEST)


WAITS = st.tuples(
    st.integers(0, 6),  # the item
    st.one_of(st.just(0.25), st.floats(0.05, LONGEST)),  # seconds
    st.one_of(st.just(0.0), st.floats(0, 100)),  # pause before it
    st.booleans(),  # whether its job ends in time
)


def waited_in_vain(requests: Iterable[tuple[int, float, float, bool]]) -> Iterator[tuple[float, float, int]]:
    """Request these waits in one environment; yield the start, seconds and item of each wait in vain."""
    with pytest.MonkeyPatch.context() as patch:
        clock, breaker = installed(patch), CircuitBreaker()
        for number, seconds, pause, ends in requests:
            clock.now += pause
            if breaker.allows(f"item {number}", seconds):
                began = clock.now
                clock.now += seconds
                if not ends:
                    breaker.record_wait_in_vain(f"item {number}", seconds)
                    yield began, seconds, number


@given(st.lists(WAITS, max_size=200))
def test_waits_in_vain_take_a_tenth_of_any_time(requests: list[tuple[int, float, float, bool]]) -> None:
    found = list(waited_in_vain(requests))
    for first in range(len(found)):
        total = 0.0
        for began, seconds, _ in found[first:]:
            total += seconds
            assert total <= (began + seconds - found[first][0]) / 10 + 54 + 1e-6


@given(st.lists(WAITS, max_size=200))
def test_waits_in_vain_for_one_item_take_a_thirtieth(requests: list[tuple[int, float, float, bool]]) -> None:
    totals: defaultdict[int, float] = defaultdict(float)
    for began, seconds, number in waited_in_vain(requests):
        totals[number] += seconds
        assert totals[number] <= (began + seconds) / 30 + 39


@pytest.mark.parametrize("items", [1, 2, 3, 1000])
@pytest.mark.parametrize("grows", [False, True])
def test_over_a_day_waits_in_vain_take_a_tenth(items: int, grows: bool) -> None:
    """This holds for any number of items, and if each wait is longer than the one before."""
    lengths = [1, 2.5, 6, 14, 20] if grows else [20]
    requests = ((n % items, lengths[n % len(lengths)], 1.0, False) for n in range(50_000))
    found = list(waited_in_vain(requests))
    whole = found[-1][0] + found[-1][1]
    share = sum(seconds for _, seconds, _ in found) / whole
    assert share <= min(0.1, items / 30) * 1.1
    assert share >= min(0.1, items / 30) * 0.5, "the share is not much below the limit"
