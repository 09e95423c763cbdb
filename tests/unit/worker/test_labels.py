"""A job that fails has a label, which names its document: where it comes from, and where it is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.limits import MAX_ATTEMPTS
from tests.helpers.job_states import LARGE, LONG, accept, fail, item, unavailable
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import order, shop, subscription


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=shop())


def ended(stage: Pipeline, *requests: tuple[str, str, Any], **headers: str) -> list[dict[str, Any]]:
    """Let the worker process these commands as one batch of messages, and return their jobs."""
    answers = [stage.request(*each, headers=headers) for each in requests]
    assert {answer.status for answer in answers} == {202}, [answer.text for answer in answers]
    stage.drain()
    return [stage.request("GET", f"/jobs/{answer.json['id']}").json for answer in answers]


def made(stage: Pipeline, collection: str, document: Any) -> str:
    job = stage.do("POST", f"/{collection}", document)
    assert job["status"] == "succeeded", job
    return str(job["item_id"])


@pytest.mark.parametrize("together", [False, True])
def test_failed_commands_for_items_have_the_name_of_their_item(stage: Pipeline, together: bool) -> None:
    made(stage, "items", item("Tent"))
    hut = made(stage, "items", item("Hut"))
    one = [("POST", "/items", item("Tent"))]
    assert [job["label"] for job in ended(stage, *one * (1 + together))] == ["Tent"] * (1 + together)
    one = [("PUT", f"/items/{hut}", {"name": "Tent"})]  # what the command asks for
    assert [job["label"] for job in ended(stage, *one * (1 + together))] == ["Tent"] * (1 + together)
    for method, body in (("PUT", {"description": "e"}), ("PATCH", {"price": 1}), ("DELETE", None)):
        jobs = ended(stage, *[(method, f"/items/{hut}", body)] * (1 + together), **{"if-match": '"ff"'})
        assert [(job["error"]["status"], job["label"]) for job in jobs] == [(412, "Hut")] * (1 + together)
    jobs = ended(stage, *[("DELETE", "/items/nothing", None)] * (1 + together))
    assert [(job["error"]["status"], job.get("label")) for job in jobs] == [(404, None)] * (1 + together)


@pytest.mark.parametrize("together", [False, True])
def test_failed_commands_of_other_collections_have_the_label_of_their_document(
    stage: Pipeline, together: bool
) -> None:
    made(stage, "orders", order("A-1", invoice=7))
    other = made(stage, "orders", order("A-2"))
    seat = made(stage, "subscriptions", subscription("a-1"))  # a collection without a key
    refused = [
        ("POST", "/orders", order("A-1"), "A-1"),
        ("POST", "/orders", order("A-3", invoice=7), "A-3"),
        ("PUT", f"/orders/{other}", {"invoice": 7}, "7"),
        ("PUT", f"/orders/{other}", {"total": -1}, "A-2"),
        ("POST", f"/orders/{other}/ship", {"carrier": "dhl"}, "A-2"),
        ("POST", "/subscriptions", subscription("a-1"), "a-1"),
        ("PATCH", f"/subscriptions/{seat}", {"plan": 5}, "a-1"),
    ]
    for method, path, body, label in refused:
        jobs = ended(stage, *[(method, path, body)] * (1 + together))
        assert [(job["status"], job["label"]) for job in jobs] == [("failed", label)] * (1 + together), path
    upsert = {"operation": "upsert", "collection": "orders", "item": order("A-2", invoice=7)}
    (job,) = ended(stage, ("POST", "/jobs", upsert))
    assert (job["status"], job["label"]) == ("failed", "A-2")


@pytest.mark.parametrize("text", ["", LONG, LARGE])
def test_a_large_command_is_named_where_the_worker_has_read_it(pipeline: Pipeline, text: str) -> None:
    job_id = fail(pipeline, item(text=text))
    assert pipeline.request("GET", f"/jobs/{job_id}").json["label"] == "Tent"


def test_a_command_that_is_given_up_is_named(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = accept(pipeline)

    def breaks(*_: Any, **__: Any) -> Any:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(pipeline.items, "commit", breaks)
    assert "label" not in pipeline.request("GET", f"/jobs/{job_id}").json
    pipeline.work()
    for _ in range(MAX_ATTEMPTS - 1):
        job = pipeline.request("GET", f"/jobs/{job_id}").json
        assert (job["status"], job["label"], "label" in job["error"]) == ("retrying", "Tent", False)
        pipeline.work()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["error"]["type"], job["label"]) == ("urn:jobpipe:problem:attempts-spent", "Tent")


@pytest.mark.parametrize(("text", "label"), [("", "Tent"), (LONG, "Tent"), (LARGE, None)])
def test_a_dead_letter_is_named_unless_its_command_would_have_to_be_read(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, text: str, label: str | None
) -> None:
    job_id = accept(pipeline, item(text=text))
    monkeypatch.setattr(pipeline.documents, "get_by_key", unavailable)
    pipeline.end_dead_letters()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], job.get("label")) == ("failed", label)


def test_a_label_is_in_every_list_and_in_no_problem(pipeline: Pipeline) -> None:
    pipeline.do("POST", "/items", item())
    answer = pipeline.request("POST", "/batches", {"commands": [{"operation": "create", "item": item()}] * 2})
    pipeline.drain()
    shown = [entry["job"] for entry in pipeline.request("GET", f"/batches/{answer.json['id']}").json["entries"]]
    listed = pipeline.request("GET", "/jobs?status=failed").json
    assert [job["label"] for job in (*shown, *listed)] == ["Tent"] * 4
    assert not any("label" in job["error"] for job in (*shown, *listed))
    waited = pipeline.request("POST", "/items", item(), headers={"idempotency-key": "k"})
    pipeline.drain()
    final = pipeline.request("POST", "/items", item(), headers={"idempotency-key": "k", "prefer": "wait=1"})
    assert (waited.status, final.status) == (202, 409)
    assert "label" not in final.json


def test_a_retrying_job_has_its_label_until_it_ends(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = accept(pipeline)
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.items, "commit", unavailable)
        pipeline.work()
    (listed,) = pipeline.request("GET", "/jobs?status=retrying").json
    assert (listed["id"], listed["label"]) == (job_id, "Tent")
    (of_all,) = pipeline.request("GET", "/jobs?status=retrying&owner=*", owner="carolO").json
    assert "label" not in of_all
    pipeline.work()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], "label" in job) == ("succeeded", False)


def test_an_operator_does_not_see_the_labels_of_others(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    operator = "carolO"  # the letter is the role of the key
    listed = pipeline.request("GET", "/jobs?status=failed&owner=*", owner=operator).json
    assert [(job["owner"], "label" in job, job["error"]["status"]) for job in listed] == [("alice", False, 409)]
    shown = pipeline.request("GET", f"/jobs/{job_id}", owner=operator)
    assert (shown.status, shown.json["owner"], "label" in shown.json) == (200, "alice", False)


def test_a_retry_takes_the_label_away_and_a_dismissal_keeps_it(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    assert pipeline.request("POST", f"/jobs/{job_id}/dismiss").json["label"] == "Tent"
    assert "label" not in pipeline.request("POST", f"/jobs/{job_id}/retry").json
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    assert "label" not in pipeline.request("GET", f"/jobs/{job_id}").json


def test_the_event_of_a_failed_job_shows_it_as_its_caller_gets_it(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    shown = json.loads(Source("test", pipeline.documents).job_with_result(pipeline.jobs.rows[job_id], 10_000) or "")
    assert (shown["label"], "label" in shown["error"]) == ("Tent", False)
