"""A dismissed job is not listed as failed; it stays as it is, and can be retried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.jobs.job import Status
from tests.helpers.job_states import accept, fail, interpose, item, slug
from tests.helpers.pipeline import Pipeline


def listed(pipeline: Pipeline, query: str = "", owner: str = "alice") -> list[str]:
    answer = pipeline.request("GET", f"/jobs?status=failed{query}", owner=owner)
    assert answer.status == 200, answer.text
    return [job["id"] for job in answer.json]


def test_a_dismissed_job_is_not_listed_and_is_readable(pipeline: Pipeline) -> None:
    job_id, other = fail(pipeline), fail(pipeline)
    before = pipeline.request("GET", f"/jobs/{job_id}").json
    command = before.pop("command")  # only a GET shows it
    answer = pipeline.request("POST", f"/jobs/{job_id}/dismiss")
    assert answer.status == 200, answer.text
    assert {**before, "dismissed_at": answer.json["dismissed_at"]} == answer.json
    assert answer.json["dismissed_at"] >= before["updated_at"]
    assert listed(pipeline) == [other]
    assert pipeline.request("GET", f"/jobs/{job_id}").json == {**answer.json, "command": command}
    assert pipeline.request("POST", f"/jobs/{job_id}/dismiss").json == answer.json, "twice changes nothing"


def test_a_dismissed_job_can_be_retried_and_is_listed_if_it_fails_again(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    pipeline.request("POST", f"/jobs/{job_id}/dismiss")
    other = pipeline.do("POST", "/items", item())
    answer = pipeline.request("POST", f"/jobs/{job_id}/retry")
    assert (answer.status, "dismissed_at" in answer.json) == (202, False)
    pipeline.drain()
    assert listed(pipeline) == [job_id]
    assert "dismissed_at" not in pipeline.request("GET", f"/jobs/{job_id}").json
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    pipeline.request("POST", f"/jobs/{job_id}/dismiss")
    pipeline.request("POST", f"/jobs/{job_id}/retry")
    pipeline.drain()
    assert pipeline.request("GET", f"/jobs/{job_id}").json["status"] == "succeeded"
    pipeline.check_consistent()


def test_only_a_failed_job_can_be_dismissed(pipeline: Pipeline) -> None:
    succeeded = pipeline.do("POST", "/items", item("a"))["id"]
    cancelled = accept(pipeline, item("b"))
    pipeline.request("DELETE", f"/jobs/{cancelled}")
    for job_id, status in {
        accept(pipeline, item("c")): "queued",
        succeeded: "succeeded",
        cancelled: "cancelled",
    }.items():
        answer = pipeline.request("POST", f"/jobs/{job_id}/dismiss")
        assert (answer.status, slug(answer)) == (409, "job-not-failed")
        assert answer.json["detail"] == f"The status of this job is {status}; only a failed job can be dismissed."
        assert "dismissed_at" not in pipeline.request("GET", f"/jobs/{job_id}").json


def test_a_retry_may_be_faster_than_a_dismissal(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = fail(pipeline)
    interpose(monkeypatch, pipeline.jobs, "dismiss", lambda: pipeline.request("POST", f"/jobs/{job_id}/retry"))
    answer = pipeline.request("POST", f"/jobs/{job_id}/dismiss")
    assert (answer.status, slug(answer)) == (409, "job-not-failed")
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


def test_a_job_that_was_retried_and_failed_again_is_dismissed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = fail(pipeline)
    pipeline.do("POST", "/items", item())

    def retry() -> None:
        pipeline.request("POST", f"/jobs/{job_id}/retry")
        pipeline.drain()

    interpose(monkeypatch, pipeline.jobs, "dismiss", retry)
    answer = pipeline.request("POST", f"/jobs/{job_id}/dismiss")
    assert (answer.status, answer.json["retries"]) == (200, 1)
    assert listed(pipeline) == []


def test_a_job_that_expires_meanwhile_is_not_found(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = fail(pipeline)
    row = pipeline.jobs.rows[job_id]
    expired = replace(row, expires_at=int((now() - timedelta(seconds=1)).timestamp()))
    interpose(monkeypatch, pipeline.jobs, "dismiss", lambda: pipeline.jobs.write(expired))
    assert pipeline.request("POST", f"/jobs/{job_id}/dismiss").status == 404
    assert pipeline.jobs.rows[job_id].dismissed_at is None


def test_another_callers_job_is_not_found(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    assert pipeline.request("POST", f"/jobs/{job_id}/dismiss", owner="bob").status == 404
    assert pipeline.request("POST", f"/jobs/{'0' * 32}/dismiss").status == 404
    assert listed(pipeline) == [job_id]
