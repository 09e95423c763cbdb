"""Waiting for a job: for how long, how soon its end is noticed, and with how many reads."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_lambda.chalicelib.submitting.wait import FIRST_PAUSE, LONGEST_PAUSE, READ_SECONDS, pause_after
from tests.helpers.fake_time import FakeTime, installed
from tests.helpers.job_states import accept, item, read_job, slug, unavailable
from tests.helpers.pipeline import Pipeline

LONGEST = 20


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
    assert 0 <= late <= LONGEST_PAUSE, "half of it on average"
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


def test_a_slow_job_may_be_waited_for_once_more(pipeline: Pipeline, clock: FakeTime) -> None:
    job_id = pipeline.request("POST", "/items", item(), headers={"prefer": "wait=5"}).json["id"]
    clock.after(10, pipeline.drain)
    assert read_job(pipeline, job_id, LONGEST).json["done"]
    assert clock.now == pytest.approx(15, abs=0.1)
