"""Retry-After of a job says when to request it again."""

from datetime import timedelta

from jobpipe.domain.clock import now
from tests.helpers.job_states import accept, item
from tests.helpers.pipeline import Pipeline
from tests.helpers.unreliable import Clock


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
