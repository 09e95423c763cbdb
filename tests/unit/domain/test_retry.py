"""A retry sends the message, then marks the job; a new generation separates it from earlier messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api_lambda.chalicelib.http.callers import Role
from infra.keys.api_keys import new_api_key
from jobpipe.domain.clock import now
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import KeptCommand, Status
from jobpipe.domain.limits import BUCKET_SETTLES
from tests.helpers.job_states import LARGE, LONG, accept, fail, interpose, item, slug, unavailable
from tests.helpers.pipeline import Pipeline


@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_a_failed_job_is_queued_again_and_may_succeed(pipeline: Pipeline, text: str) -> None:
    job_id = fail(pipeline, item(text=text))
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, answer.json["status"], answer.json["retries"]) == (202, "queued", 1)
    assert answer.headers["location"] == f"../../jobs/{job_id}"
    assert answer.headers["retry-after"]
    pipeline.drain()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["attempts"]) == ("succeeded", 1)
    assert job["result"]["text"] == text
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_a_retry_that_fails_again_can_be_retried_again(pipeline: Pipeline, text: str) -> None:
    job_id = fail(pipeline, item(text=text))
    other = pipeline.do("POST", "/items", item())
    for retries in (1, 2, 3):
        assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202
        pipeline.drain()
        job = pipeline.request("GET", f"/jobs/{job_id}").json
        assert (job["status"], job["retries"]) == ("failed", retries)
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_only_a_failed_job_can_be_retried(pipeline: Pipeline) -> None:
    waiting = accept(pipeline, item("a"))
    answer = pipeline.request("POST", f"/jobs/{waiting}/retry")
    assert (answer.status, answer.json["retries"]) == (202, 0), "it waits already"
    assert len(pipeline.queue.waiting) == 1
    pipeline.drain()
    assert slug(pipeline.request("POST", f"/jobs/{waiting}/retry")) == "job-ended"
    cancelled = accept(pipeline, item("b"))
    pipeline.request("DELETE", f"/jobs/{cancelled}")
    assert slug(pipeline.request("POST", f"/jobs/{cancelled}/retry")) == "job-ended"


def test_a_job_that_was_never_accepted_has_nothing_to_retry(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.queue, "send", unavailable)
        assert pipeline.request("POST", "/items", item(text=LARGE)).status == 503
    (job_id,) = pipeline.jobs.rows
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 409
    assert not pipeline.queue.waiting
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LONG, LARGE])
@pytest.mark.parametrize("worker_first", [False, True])
def test_a_retry_that_crashes_after_sending_is_completed_by_the_worker(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, worker_first: bool, text: str
) -> None:
    job_id = fail(pipeline, item(text=text))
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.jobs, "requeue", unavailable)
        assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 503
        if worker_first:
            assert pipeline.work()["batchItemFailures"], "the worker has an outage, too: the message is redelivered"
    if not worker_first:  # the caller repeats the request before the worker runs
        assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202
        assert len(pipeline.queue.waiting) == 2
    pipeline.drain()
    job = pipeline.jobs.rows[job_id]
    assert (job.status, job.retries) == (Status.SUCCEEDED, 1)
    assert len(pipeline.items.rows) == 1
    pipeline.check_consistent()


def test_the_worker_may_be_faster_than_the_retry(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = fail(pipeline)
    interpose(monkeypatch, pipeline.jobs, "requeue", pipeline.drain)
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, answer.json["status"]) == (202, "succeeded")
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_of_two_retries_at_once_one_takes_effect(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    job_id = fail(pipeline, item(text=text))
    interpose(monkeypatch, pipeline.queue, "send", lambda: pipeline.request("POST", f"/jobs/{job_id}/retry"))
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202
    assert len(pipeline.queue.waiting) == 2
    pipeline.drain()
    job = pipeline.jobs.rows[job_id]
    assert (job.status, job.retries) == (Status.SUCCEEDED, 1)
    pipeline.check_consistent()


def test_a_late_message_of_the_failed_generation_does_not_change_the_new_one(pipeline: Pipeline) -> None:
    other = pipeline.do("POST", "/items", item())
    job_id = accept(pipeline, item(text=LARGE))
    stale = list(pipeline.queue.waiting)
    pipeline.drain()
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    fresh = list(pipeline.queue.waiting)
    pipeline.queue.waiting = stale
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.QUEUED
    assert not pipeline.items.rows
    pipeline.queue.waiting = fresh
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED, "its claim check is still there"
    pipeline.check_consistent()


def test_a_replay_of_a_retried_job_adds_nothing(pipeline: Pipeline) -> None:
    other = pipeline.do("POST", "/items", item())
    key = {"idempotency-key": "k"}
    job_id = accept(pipeline, item(text=LARGE), headers=key)
    pipeline.drain()
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert accept(pipeline, item(text=LARGE), headers=key) == job_id
    assert len(pipeline.queue.waiting) == 1
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_retry_puts_its_claim_check_again_so_that_it_expires_later(pipeline: Pipeline) -> None:
    job_id = fail(pipeline, item(text=LARGE))
    (key,) = pipeline.documents.keys("claims/")
    before = pipeline.documents.latest[key]
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert pipeline.documents.latest[key] != before


def test_a_retried_job_can_be_cancelled(pipeline: Pipeline) -> None:
    job_id = fail(pipeline, item(text=LARGE))
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_a_retry_without_its_claim_check_is_refused(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = fail(pipeline, item(text=LARGE))
    pipeline.documents.current.clear()
    monkeypatch.setattr("jobpipe.domain.missing_objects.now", lambda: now() + BUCKET_SETTLES)
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, slug(answer)) == (409, "job-ended")


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs/{id}"), ("POST", "/jobs/{id}/retry")])
def test_jobs_of_other_callers_and_unknown_jobs_are_not_found(pipeline: Pipeline, method: str, path: str) -> None:
    job_id = fail(pipeline)
    before = pipeline.state()
    assert pipeline.request(method, path.format(id=job_id), owner="mallory").status == 404
    assert pipeline.request(method, path.format(id="f" * 32)).status == 404
    assert pipeline.request(method, path.format(id="x")).status == 404
    assert pipeline.state() == before


def test_marking_a_retried_job_twice_is_no_error(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    failed = pipeline.jobs.rows[job_id]
    ref = JobRef(job_id, "f" * 16)
    marked = pipeline.jobs.requeue(ref, failed.generation, now())
    assert pipeline.jobs.requeue(ref, failed.generation, now()) == marked
    with pytest.raises(JobEnded):
        pipeline.jobs.requeue(JobRef(job_id, "e" * 16), failed.generation, now())


def test_a_retry_can_be_waited_for(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = fail(pipeline)
    assert pipeline.request("POST", f"/jobs/{job_id}/retry", headers={"prefer": "wait=99"}).status == 400
    interpose(monkeypatch, pipeline.jobs, "requeue", pipeline.drain)
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry", headers={"prefer": "wait=5"})
    assert (answer.status, answer.json["name"]) == (201, "Tent")
    assert answer.headers["location"].startswith("../../items/")


def test_a_retry_of_a_command_that_is_no_longer_valid_is_refused(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules may get stricter between a failure and its retry."""
    job_id = fail(pipeline)
    job = pipeline.jobs.rows[job_id]
    pipeline.jobs.rows[job_id] = replace(job, kept=KeptCommand(command='{"operation":"create","item":{}}'))
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, slug(answer)) == (409, "job-ended")
    assert "errors" not in answer.json


def test_the_caller_of_a_failed_job_sees_its_command(pipeline: Pipeline) -> None:
    job_id = fail(pipeline, item(price=12.950, note="{é"))
    operator = new_api_key("ops", Role.OPERATOR)
    shown = pipeline.request("GET", f"/jobs/{job_id}")
    assert '"price":12.95' in shown.text
    assert shown.json["command"]["operation"] == "create"
    assert shown.json["command"]["item"] == item(price=12.95, note="{é")
    of_another = pipeline.request("GET", f"/jobs/{job_id}", headers={"x-api-key": operator}).json
    assert (of_another["owner"], "command" in of_another) == ("alice", False)
    large = fail(pipeline, item(text=LARGE))
    assert "command" not in pipeline.request("GET", f"/jobs/{large}").json, "it is a claim check"
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert "command" not in pipeline.request("GET", f"/jobs/{job_id}").json
