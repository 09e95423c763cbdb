"""Either the cancel or the commit wins, and the response says which."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, Status
from tests.helpers.job_states import LARGE, accept, fail, interpose, item, slug, unavailable
from tests.helpers.pipeline import Answer, Pipeline


def test_a_cancelled_job_has_no_effect_and_its_message_cleans_up(pipeline: Pipeline) -> None:
    job_id = accept(pipeline, item(text=LARGE))
    answer = pipeline.request("DELETE", f"/jobs/{job_id}")
    assert (answer.status, answer.json["status"], answer.json["done"]) == (200, "cancelled", True)
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_a_succeeded_job_is_not_cancelled(pipeline: Pipeline) -> None:
    job_id = pipeline.do("POST", "/items", item())["id"]
    answer = pipeline.request("DELETE", f"/jobs/{job_id}")
    assert (answer.status, slug(answer)) == (409, "job-ended")


def test_a_failed_job_is_not_cancelled(pipeline: Pipeline) -> None:
    answer = pipeline.request("DELETE", f"/jobs/{fail(pipeline)}")
    assert (answer.status, slug(answer)) == (409, "job-ended")


def test_the_commit_may_win_against_a_cancel(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = accept(pipeline)
    interpose(monkeypatch, pipeline.jobs, "cancel", pipeline.drain)
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 409
    assert len(pipeline.items.rows) == 1
    pipeline.check_consistent()


def test_a_cancel_may_win_against_the_commit(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = accept(pipeline)
    answers: list[Answer] = []
    interpose(
        monkeypatch,
        pipeline.items,
        "commit",
        lambda: answers.append(pipeline.request("DELETE", f"/jobs/{job_id}")),
    )
    pipeline.drain()
    assert answers[0].status == 200
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_a_cancel_whose_response_was_lost_succeeds(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats the write, and the repetition finds the job ended."""
    job_id = accept(pipeline)
    cancel = pipeline.jobs.cancel

    def twice(ref: JobRef, at: datetime, **options: bool) -> Job:
        cancel(ref, at, **options)
        return cancel(ref, at, **options)

    monkeypatch.setattr(pipeline.jobs, "cancel", twice)
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200


def test_a_job_can_be_cancelled_between_two_attempts(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = accept(pipeline)
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", unavailable)
        pipeline.work()
    assert pipeline.jobs.rows[job_id].status is Status.RETRYING
    answer = pipeline.request("DELETE", f"/jobs/{job_id}")
    assert "error" not in answer.json
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_a_job_cancelled_while_its_attempt_fails_stays_cancelled(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = accept(pipeline)

    def cancelled_meanwhile(*_: object) -> Any:
        assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
        raise Unavailable("no")

    monkeypatch.setattr(pipeline.documents, "put", cancelled_meanwhile)
    assert pipeline.work() == {"batchItemFailures": []}
    assert pipeline.jobs.rows[job_id].status is Status.CANCELLED


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [("POST", "/items", item("New")), ("PUT", "/items/{id}", {"x": 1}), ("DELETE", "/items/{id}", None)],
)
def test_a_request_that_waits_for_a_cancelled_command_gets_a_409(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, method: str, target: str, body: Any
) -> None:
    item_id = pipeline.do("POST", "/items", item())["item_id"]
    get = pipeline.jobs.get

    def cancelled_meanwhile(job_id: str) -> Job | None:
        job = get(job_id)
        if job is not None and not job.status.done:
            pipeline.jobs.cancel(job.ref, now())
        return get(job_id)

    monkeypatch.setattr(pipeline.jobs, "get", cancelled_meanwhile)
    headers = {"prefer": "wait=5", "idempotency-key": "k"}
    for _ in range(2):  # the second is a replay
        answer = pipeline.request(method, target.format(id=item_id), body, headers=headers)
        assert (answer.status, slug(answer)) == (409, "job-cancelled")
        assert answer.headers["preference-applied"] == "wait=5"


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/jobs/{id}"), ("POST", "/jobs/{id}/retry")])
@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_preconditions_of_a_cancel_are_refused(pipeline: Pipeline, method: str, path: str, header: str) -> None:
    job_id = fail(pipeline) if method == "POST" else accept(pipeline)
    before = pipeline.state()
    answer = pipeline.request(method, path.format(id=job_id), headers={header: '"v"'})
    assert (answer.status, slug(answer)) == (400, "invalid-request")
    assert pipeline.state() == before
