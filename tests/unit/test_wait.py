"""Waiting for a job: how soon its end is noticed, with how many reads, and when the request does not wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.submitting.circuit_breaker import CircuitBreaker
from api_lambda.chalicelib.submitting.wait import FIRST_PAUSE, LONGEST_PAUSE, READ_SECONDS, pause_after
from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from tests.helpers.job_states import accept, item, slug, unavailable
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.unreliable import Clock

LONGEST = 20


class FakeTime:
    """Replaces the module `time`: the clock moves only by sleeps, during which planned events happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps = 0
        self.events: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now += seconds
        due = [event for event in self.events if event[0] <= self.now]
        self.events = [event for event in self.events if event[0] > self.now]
        for _, event in due:
            event()

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        self.events.append((self.now + seconds, event))


@pytest.fixture
def clock() -> Iterator[FakeTime]:
    with pytest.MonkeyPatch.context() as patch:
        yield installed(patch)


def installed(patch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    for module in ("wait", "circuit_breaker"):
        patch.setattr(f"api_lambda.chalicelib.submitting.{module}.time", fake)
    return fake


def read_job(pipeline: Pipeline, job_id: str, wait: int | str) -> Answer:
    return pipeline.request("GET", f"/jobs/{job_id}?wait={wait}")


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


# --- how long ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wait", "lambda_seconds", "waited"), [(20, 29, 20), (20, 5, 3), (3, 29, 3), (20, 1, 0)])
def test_a_wait_ends_in_time_and_before_lambda_does(
    pipeline: Pipeline, clock: FakeTime, wait: int, lambda_seconds: int, waited: float
) -> None:
    pipeline.context.milliseconds = lambda_seconds * 1000
    assert pipeline.request("POST", "/items", item(), headers={"prefer": f"wait={wait}"}).status == 202
    assert clock.now == pytest.approx(waited)


@pytest.mark.parametrize(("longest", "waited"), [(0, 0), (0.5, 0.5), (20, 5)])
def test_a_stage_may_have_a_shorter_longest_wait(clock: FakeTime, longest: float, waited: float) -> None:
    pipeline = Pipeline(longest_wait=longest)
    assert pipeline.request("POST", "/items", item(), headers={"prefer": "wait=5"}).status == 202
    assert clock.now == pytest.approx(waited)


def test_the_job_is_read_once_more_when_the_time_is_up(pipeline: Pipeline, clock: FakeTime) -> None:
    job_id = accept(pipeline)
    clock.after(2.999, pipeline.drain)
    assert read_job(pipeline, job_id, 3).json["status"] == "succeeded"
    assert clock.now == pytest.approx(3)


@pytest.mark.parametrize(("wait", "longest"), [("", 0.25), (1, 1)])
def test_without_a_number_the_default_wait_applies(
    pipeline: Pipeline, clock: FakeTime, wait: int | str, longest: float
) -> None:
    read_job(pipeline, accept(pipeline), wait)
    assert clock.now == pytest.approx(longest)


def test_a_job_between_two_attempts_is_not_waited_for(
    pipeline: Pipeline, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outage() -> None:
        with monkeypatch.context() as broken:
            broken.setattr(pipeline.items, "commit", unavailable)
            pipeline.work()

    job_id = accept(pipeline)
    clock.after(0.5, outage)
    assert read_job(pipeline, job_id, LONGEST).json["status"] == "retrying"
    assert clock.now == pytest.approx(0.5, abs=0.1)
    ended = clock.now
    assert read_job(pipeline, job_id, LONGEST).json["status"] == "retrying"
    assert clock.now == ended


def test_a_read_that_fails_ends_the_wait_and_not_the_request(
    pipeline: Pipeline, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = accept(pipeline)
    clock.after(0.5, lambda: monkeypatch.setattr(pipeline.jobs, "get", unavailable))
    answer = read_job(pipeline, job_id, LONGEST)
    assert (answer.status, answer.json["status"], answer.headers["retry-after"]) == (200, "queued", "1")
    assert clock.now < 1
    answer = read_job(pipeline, job_id, LONGEST)
    assert (answer.status, slug(answer)) == (503, "unavailable"), "nothing was read before"


# --- how soon, and at how many reads -----------------------------------------------------------------------------


@given(seconds=st.floats(0, 19.9))
def test_the_end_is_noticed_soon_with_few_reads(seconds: float) -> None:
    pipeline, reads = Pipeline(), 0
    get = pipeline.jobs.get

    def counted(job_id: str) -> Any:
        nonlocal reads
        reads += 1
        return get(job_id)

    with pytest.MonkeyPatch.context() as patch:
        clock = installed(patch)
        job_id = accept(pipeline)
        patch.setattr(pipeline.jobs, "get", counted)
        clock.after(seconds, pipeline.drain)
        assert read_job(pipeline, job_id, LONGEST).json["done"]
    late = clock.now - seconds
    assert 0 <= late <= LONGEST_PAUSE, "by half of it on average"
    assert late <= pause_after(seconds)
    assert reads <= 3 + (2 * seconds / READ_SECONDS) ** 0.5 + seconds / LONGEST_PAUSE


@given(seconds=st.floats(0.05, 20), other=st.floats(0.1, 10))
def test_no_other_interval_between_reads_costs_much_less(seconds: float, other: float) -> None:
    """The price, in seconds of waiting, is the time until the end, half a pause after it, and the reads."""

    def cost(factor: float) -> float:
        elapsed = reads = 0.0
        while elapsed < seconds:
            pause = factor * pause_after(elapsed)
            share = min(1.0, (seconds - elapsed) / pause)  # the last read counts in part
            elapsed, reads = elapsed + pause, reads + share
        return seconds + reads * READ_SECONDS + factor * pause_after(seconds) / 2

    assert cost(1) <= 1.125 * cost(other) + FIRST_PAUSE / 4


# --- when waiting is in vain -------------------------------------------------------------------------------------


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


def test_a_slow_job_may_be_waited_for_once_more(pipeline: Pipeline, clock: FakeTime) -> None:
    job_id = pipeline.request("POST", "/items", item(), headers={"prefer": "wait=5"}).json["id"]
    clock.after(10, pipeline.drain)
    assert read_job(pipeline, job_id, LONGEST).json["done"]
    assert clock.now == pytest.approx(15, abs=0.1)


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
    """Request these waits of one environment; return the start, seconds and item of each wait in vain."""
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


# --- when to ask again -------------------------------------------------------------------------------------------


def test_retry_after_grows_with_the_age_of_a_job(pipeline: Pipeline) -> None:
    clock = Clock()
    with clock.installed():
        job_id, requests, born = accept(pipeline), 0, now()
        while now() - born < timedelta(minutes=10):
            pause = int(pipeline.request("GET", f"/jobs/{job_id}").headers["retry-after"])
            age = (now() - born).total_seconds()
            assert 1 <= pause <= 30
            assert pause <= max(1, age / 4), "the pause is short compared with the age"
            requests += 1
            clock.advance(timedelta(seconds=pause))
    assert requests < 50, "one request per second would be 600"


def test_retry_after_is_short_for_a_job_that_was_queued_again(pipeline: Pipeline) -> None:
    clock = Clock()
    with clock.installed():
        pipeline.do("POST", "/items", item())
        job_id = accept(pipeline)
        pipeline.drain()
        clock.advance(timedelta(hours=1))
        assert pipeline.request("POST", f"/jobs/{job_id}/retry").headers["retry-after"] == "1"


def test_retry_after_is_valid_if_the_clock_is_behind_the_workers(pipeline: Pipeline) -> None:
    clock = Clock()
    with clock.installed():
        job_id = accept(pipeline)
        clock.advance(timedelta(seconds=-5))
        assert pipeline.request("GET", f"/jobs/{job_id}").headers["retry-after"] == "1"
