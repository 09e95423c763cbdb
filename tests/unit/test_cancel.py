"""Cancel: exactly one of the cancel and the commit wins, and the caller learns which."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.job import Job, Status
from jobpipe.domain.job_ref import JobRef
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


def test_a_job_that_took_effect_is_not_cancelled(pipeline: Pipeline) -> None:
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


def test_a_cancel_whose_answer_was_lost_is_a_cancel(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore repeats the write, and the repetition finds the job ended."""
    job_id = accept(pipeline)
    cancel = pipeline.jobs.cancel

    def twice(ref: JobRef, at: datetime) -> Job:
        cancel(ref, at)
        return cancel(ref, at)

    monkeypatch.setattr(pipeline.jobs, "cancel", twice)
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200


def test_a_cancel_takes_the_job_between_two_attempts(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_waiting_caller_learns_that_the_command_was_cancelled(
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
def test_unsupported_preconditions_are_refused(pipeline: Pipeline, method: str, path: str, header: str) -> None:
    job_id = fail(pipeline) if method == "POST" else accept(pipeline)
    before = pipeline.state()
    answer = pipeline.request(method, path.format(id=job_id), headers={header: '"v"'})
    assert (answer.status, slug(answer)) == (400, "invalid-request")
    assert pipeline.state() == before
