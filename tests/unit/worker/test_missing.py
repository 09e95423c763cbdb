"""An object that S3 does not find is an outage at first; later it is lost, and its jobs fail."""

from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.errors import InternalError, Unavailable
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.limits import BUCKET_SETTLES
from jobpipe.domain.missing_objects import missing_object_error
from tests.helpers.job_states import LARGE, accept, fail, item
from tests.helpers.pipeline import Pipeline
from tests.helpers.stubbed import Stubbed

DOCUMENTED = timedelta(minutes=15)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/manage-versioning-examples.html"""


def go_on(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Advance the clock of the check for missing objects by this time."""
    monkeypatch.setattr("jobpipe.domain.missing_objects.now", lambda: now() + by)


def lose_all(pipeline: Pipeline) -> None:
    pipeline.documents.current.clear()
    pipeline.documents.versions.clear()


def test_a_missing_object_is_an_outage_at_first_and_later_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    put = now().isoformat()
    go_on(monkeypatch, DOCUMENTED + timedelta(minutes=1))
    assert isinstance(missing_object_error("It", put), Unavailable)
    go_on(monkeypatch, BUCKET_SETTLES)
    assert isinstance(missing_object_error("It", put), InternalError)


@pytest.mark.parametrize("answer", [{}, {"VersionId": "null"}])
def test_a_bucket_without_versions_is_an_outage(stubbed: Stubbed, answer: dict[str, str]) -> None:
    stubbed.stubs["s3"].add_response("put_object", answer)
    with pytest.raises(Unavailable, match="versions"):
        stubbed.documents.put("k", "{}")


def test_an_object_without_a_version_can_be_read(stubbed: Stubbed) -> None:
    """A request that was answered with 503 may leave such a claim check, and its replay sends the message."""
    stubbed.stubs["s3"].add_response("get_object", {"Body": BytesIO(b"{}")})
    assert stubbed.documents.get_by_key("k") == "{}"


def test_an_update_waits_for_a_document_that_is_not_found_yet(pipeline: Pipeline) -> None:
    item_id = pipeline.do("POST", "/items", item(text="x" * 2000))["item_id"]
    versions, current = dict(pipeline.documents.versions), dict(pipeline.documents.current)
    lose_all(pipeline)
    accepted = pipeline.request("PATCH", f"/items/{item_id}", {"colour": "red"}).json["id"]
    for _ in range(8):
        pipeline.work()
        job = pipeline.jobs.rows[accepted]
        assert (job.status, job.attempts) == (Status.RETRYING, 0)
        assert job.error is not None
        assert job.error["status"] == 503
    answer = pipeline.request("GET", f"/items/{item_id}")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    pipeline.documents.versions.update(versions)
    pipeline.documents.current.update(current)
    pipeline.drain()
    assert pipeline.jobs.rows[accepted].status is Status.SUCCEEDED
    assert pipeline.request("GET", f"/items/{item_id}").json["colour"] == "red"


def test_a_lost_document_ends_its_commands(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    item_id = pipeline.do("POST", "/items", item(text="x" * 2000))["item_id"]
    lose_all(pipeline)
    go_on(monkeypatch, BUCKET_SETTLES)
    job = pipeline.do("PATCH", f"/items/{item_id}", {"colour": "red"})
    assert (job["status"], job["attempts"]) == ("failed", 5)
    assert pipeline.request("GET", f"/items/{item_id}").status == 500


def test_a_claim_check_that_is_not_found_yet_is_not_charged(pipeline: Pipeline) -> None:
    job_id = accept(pipeline, item(text=LARGE))
    claims = dict(pipeline.documents.current)
    pipeline.documents.current.clear()
    for _ in range(8):
        pipeline.work()
        assert (pipeline.jobs.rows[job_id].status, pipeline.jobs.rows[job_id].attempts) == (Status.RETRYING, 0)
    pipeline.documents.current.update(claims)
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_retry_waits_for_a_claim_check_that_is_not_found_yet(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = fail(pipeline, item(text=LARGE))
    before = pipeline.jobs.rows[job_id]
    pipeline.documents.current.clear()
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 503
    assert pipeline.jobs.rows[job_id] == before
    go_on(monkeypatch, BUCKET_SETTLES)
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 409


def test_a_result_that_is_not_found_yet_can_be_requested_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = pipeline.do("POST", "/items", item(text="x" * 2000))["id"]
    ended = datetime.fromisoformat(pipeline.jobs.rows[job_id].updated_at)
    assert now() - ended < BUCKET_SETTLES
    lose_all(pipeline)
    assert pipeline.request("GET", f"/jobs/{job_id}").status == 503
    go_on(monkeypatch, BUCKET_SETTLES)
    assert pipeline.request("GET", f"/jobs/{job_id}").status == 500


@pytest.mark.parametrize("put_by", ["", "yesterday", "2026-11-22T12:00:00"])
def test_an_object_of_a_row_without_a_valid_time_is_lost(put_by: str) -> None:
    assert isinstance(missing_object_error("It", put_by), InternalError)
