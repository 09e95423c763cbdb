"""A dead letter ends its job, if the job is still in the message's generation."""

from __future__ import annotations

import pytest

from jobpipe.domain.jobs.job import Status
from tests.helpers.job_states import LARGE, LONG, accept, fail, item, unavailable
from tests.helpers.pipeline import Pipeline


@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_a_dead_letter_ends_its_job_which_can_be_retried(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    job_id = accept(pipeline, item(text=text))
    with monkeypatch.context() as outage:  # an attempt that left a document behind
        outage.setattr(pipeline.items, "commit", unavailable)
        pipeline.work()
    pipeline.end_dead_letters()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert job["error"]["type"].endswith(":attempts-spent")
    pipeline.check_consistent()
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_dead_letter_of_an_earlier_generation_does_not_end_the_job(pipeline: Pipeline) -> None:
    other = pipeline.do("POST", "/items", item())
    job_id = accept(pipeline)
    stale = list(pipeline.queue.waiting)
    pipeline.drain()
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    fresh = list(pipeline.queue.waiting)
    pipeline.queue.waiting = stale
    assert pipeline.end_dead_letters() == {"batchItemFailures": []}
    assert pipeline.jobs.rows[job_id].status is Status.QUEUED
    pipeline.queue.waiting = fresh
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


def test_a_dead_letter_ends_a_retry_that_did_not_mark_its_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = fail(pipeline)
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.jobs, "requeue", unavailable)
        pipeline.request("POST", f"/jobs/{job_id}/retry")
    pipeline.end_dead_letters()
    job = pipeline.jobs.rows[job_id]
    assert (job.status, job.retries) == (Status.FAILED, 1)
    assert job.kept is not None


def test_a_dead_letter_of_an_ended_job_is_cleaned_up(pipeline: Pipeline) -> None:
    job_id = accept(pipeline)
    copy = list(pipeline.queue.waiting)
    pipeline.drain()
    before = pipeline.state()
    pipeline.queue.waiting = copy
    pipeline.end_dead_letters()
    assert pipeline.state() == before
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


def test_a_dead_letter_that_is_no_command_is_parked(pipeline: Pipeline) -> None:
    accept(pipeline)
    _, good, _ = pipeline.queue.waiting[0]
    pipeline.queue.waiting = [("junk", type(good)("junk", "g", "x"), 0)]
    assert pipeline.end_dead_letters() == {"batchItemFailures": []}
    assert pipeline.parked.messages[0][1]["source"] == "dead-letters"


@pytest.mark.parametrize("dead", [False, True])
@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_the_job_of_a_command_that_this_release_cannot_read_ends_and_is_retried_by_one_that_can(
    pipeline: Pipeline, dead: bool, text: str
) -> None:
    job_id = accept(pipeline, item(text=text))
    message_id, envelope, count = pipeline.queue.waiting[0]
    newer = type(envelope)(envelope.body.replace('"v":1', '"v":2'), envelope.group_id, envelope.deduplication_id)
    pipeline.queue.waiting = [(message_id, newer, count)]
    (pipeline.end_dead_letters if dead else pipeline.work)()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["attempts"]) == ("failed", 0)
    assert job["error"]["type"].endswith(":command-unreadable")
    assert [body for body, _ in pipeline.parked.messages] == [newer.body]
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_parked_message_does_not_end_another_generation_of_its_job(pipeline: Pipeline) -> None:
    job_id = accept(pipeline)
    message_id, envelope, count = pipeline.queue.waiting[0]
    job = pipeline.jobs.rows[job_id]
    stale = envelope.body.replace('"v":1', '"v":2').replace(job.generation, "f" * 16)
    pipeline.queue.waiting = [(message_id, type(envelope)(stale, "g", "x"), count)]
    pipeline.work()
    assert pipeline.jobs.rows[job_id] == job


def test_a_dead_letter_is_redelivered_after_an_outage(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(pipeline)
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.jobs, "fail", unavailable)
        assert len(pipeline.end_dead_letters()["batchItemFailures"]) == 1
    assert pipeline.end_dead_letters() == {"batchItemFailures": []}
