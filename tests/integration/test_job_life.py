"""Cancels, retries, the lists of failed jobs, and claim checks, on a deployed stage."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import tenacity

from jobpipe_client import JobAlreadyEnded, NotFound
from tests.helpers.deployed import WAIT, Stage, problem, unique

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


def item(name: str) -> dict[str, Any]:
    return {"name": name, "description": "d"}


def test_a_queued_job_can_be_cancelled_and_then_not_retried(stage: Stage) -> None:
    job_id, item_id = uuid.uuid4().hex, str(uuid.uuid4())
    stage.put_job(job_id, "ab" * 8, item_id)  # it has no message
    cancelled = stage.request("DELETE", f"/jobs/{job_id}")
    assert cancelled.status_code == 200
    assert cancelled.json()["status"] == "cancelled"
    assert stage.request("DELETE", f"/jobs/{job_id}").status_code == 200, "a second cancel is no error"
    assert problem(stage.request("POST", f"/jobs/{job_id}/retry")) == "job-ended"


def test_a_job_that_took_effect_can_be_neither_cancelled_nor_retried(stage: Stage) -> None:
    job = stage.client.wait(stage.client.create(item(unique("Done"))))
    for method, path in (("DELETE", f"/jobs/{job.id}"), ("POST", f"/jobs/{job.id}/retry")):
        answer = stage.request(method, path)
        assert answer.status_code == 409
        assert problem(answer) == "job-ended"


def test_a_job_is_either_cancelled_or_committed(stage: Stage) -> None:
    for _ in range(20):
        accepted = stage.request("POST", "/items", item(unique("Race"))).json()
        cancelled = stage.request("DELETE", f"/jobs/{accepted['id']}").status_code == 200
        job = stage.client.wait(stage.client.job(accepted["id"]))
        assert (job.status == "cancelled") == cancelled
        exists = stage.request("GET", f"/items/{accepted['item_id']}").status_code == 200
        assert exists != cancelled


def test_a_failed_job_is_listed_and_retried_when_its_cause_is_gone(stage: Stage, other_key: str) -> None:
    name = unique("Taken")
    first = stage.request("POST", "/items", item(name), headers=WAIT).json()
    job_id = stage.request("POST", "/items", item(name)).json()["id"]
    job = stage.client.wait(stage.client.job(job_id))
    assert job.status == "failed"

    @soon
    def listed() -> None:
        assert job_id in [each["id"] for each in stage.request("GET", "/jobs?status=failed&limit=100").json()]

    listed()
    assert job_id not in [
        each["id"] for each in stage.request("GET", "/jobs?status=failed", key=other_key).json()
    ], "P9"
    for method, path in (("POST", f"/jobs/{job_id}/retry"), ("DELETE", f"/jobs/{job_id}")):
        assert stage.request(method, path, key=other_key).status_code == 404, "P9"

    assert stage.request("DELETE", f"/items/{first['id']}", headers=WAIT).status_code == 200
    retried = stage.request("POST", f"/jobs/{job_id}/retry")
    assert retried.status_code == 202
    assert retried.headers["location"] == f"../../jobs/{job_id}"
    job = stage.client.wait(stage.client.job(job_id))
    assert job.succeeded
    assert job.result is not None
    assert job.result["name"] == name

    @soon
    def not_listed() -> None:
        assert job_id not in [each["id"] for each in stage.request("GET", "/jobs?status=failed&limit=100").json()]

    not_listed()


def test_a_list_of_failed_jobs_has_pages(stage: Stage) -> None:
    failed = {
        stage.client.wait(stage.client.delete(f"no-such-item-{i}")).id for i in range(5)
    }  # the items do not exist

    @soon
    def walk() -> None:
        seen: list[str] = []
        path = "/jobs?status=failed&limit=2"
        while True:
            answer = stage.request("GET", path)
            assert len(answer.json()) <= 2
            seen += [job["id"] for job in answer.json()]
            if "link" not in answer.headers:
                break
            path = "/" + answer.headers["link"].partition("<")[2].partition(">")[0]
        assert len(seen) == len(set(seen))
        assert failed <= set(seen)

    walk()


@pytest.mark.parametrize(
    "query", ["?status=", "?status=ended", "?status=failed&status=failed", "?status=failed&cursor=x", "?since=x"]
)
def test_other_lists_are_refused(stage: Stage, query: str) -> None:
    assert problem(stage.request("GET", f"/jobs{query}")) == "invalid-request"


def test_a_body_of_a_megabyte_is_processed_and_its_claim_check_is_deleted(stage: Stage) -> None:
    before = set(stage.keys("claims/"))
    name = unique("Large")
    body = item(name)
    body["text"] = "x" * (1024 * 1024 - len(stage.encoded(body)) - len(',"text":""'))
    raw = stage.encoded(body)
    assert len(raw) == 1024 * 1024
    created = stage.request("POST", "/items", raw=raw, headers=WAIT)
    assert created.status_code == 201, created.text[:300]
    assert stage.request("GET", f"/items/{created.json()['id']}").json()["text"] == body["text"]
    assert stage.request("POST", "/items", raw=raw + b" ").status_code == 413

    failed = stage.request("POST", "/items", raw=raw)  # its name is taken
    job = stage.client.wait(stage.client.job(failed.json()["id"]))
    assert job.status == "failed"
    assert len(stage.keys(f"claims/{job.id}/")) == 1, "the claim check of a failed job stays"
    assert stage.request("DELETE", f"/items/{created.json()['id']}", headers=WAIT).status_code == 200
    assert stage.request("POST", f"/jobs/{job.id}/retry").status_code == 202
    assert stage.client.wait(stage.client.job(job.id)).succeeded

    @soon
    def no_claim_is_left() -> None:
        assert set(stage.keys("claims/")) <= before

    no_claim_is_left()


def test_the_client_lists_cancels_and_retries(stage: Stage) -> None:
    client = stage.client
    taken = client.sync.create(item(unique("Taken")))
    job = client.wait(client.create(item(taken["name"])))

    @soon
    def listed() -> None:
        assert job.id in {each.id for each in client.jobs("failed", page_size=3)}

    listed()
    again = client.wait(client.retry(job.id))
    assert (again.status, again.retries) == ("failed", 1)
    client.sync.delete(taken.id)
    assert client.wait(client.retry(job.id)).succeeded
    with pytest.raises(JobAlreadyEnded):
        client.retry(job.id)
    with pytest.raises(JobAlreadyEnded):
        client.cancel(job.id)
    with pytest.raises(NotFound):
        client.cancel("0" * 32)
