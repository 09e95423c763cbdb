"""The responses to good requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.documents.item import INLINE_BYTES
from jobpipe.domain.errors import Unavailable
from tests.helpers.pipeline import Pipeline

GOOD = {"name": "Tent", "description": "For two"}
LARGE = {"name": "Atlas", "description": "x" * (2 * INLINE_BYTES)}


@contextmanager
def worker(pipeline: Pipeline) -> Iterator[None]:
    """Let the worker process the queue until the block ends."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(0.001):
            if pipeline.queue.waiting:
                pipeline.work()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_open_routes(pipeline: Pipeline) -> None:
    assert pipeline.request("GET", "/").json["name"] == "jobpipe"
    assert pipeline.request("GET", "/health").json["status"] == "ok"


def test_a_create_is_accepted_with_its_item_id(pipeline: Pipeline) -> None:
    answer = pipeline.request("POST", "/items", GOOD)
    job = answer.json
    assert answer.status == 202
    assert answer.headers["location"] == f"jobs/{job['id']}"
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-request-id"]
    assert (job["status"], job["done"], job["operation"], job["attempts"]) == ("queued", False, "create", 0)
    assert job["item_id"]
    assert job["links"] == {"self": f"/jobs/{job['id']}", "item": f"/items/{job['item_id']}"}
    assert "result" not in job
    assert "error" not in job


@pytest.mark.parametrize("document", [GOOD, LARGE, {**GOOD, "price": 12.95, "nested": {"a": [1, None, True, "é"]}}])
def test_an_item_is_read_back_equal(pipeline: Pipeline, document: dict[str, object]) -> None:
    job = pipeline.do("POST", "/items", document)
    answer = pipeline.request("GET", f"/items/{job['item_id']}")
    assert answer.json == {"id": job["item_id"], **document}
    assert job["result"] == answer.json
    assert job["etag"] == answer.headers["etag"]
    assert pipeline.do("POST", "/jobs", {"operation": "read", "item_id": job["item_id"]})["result"] == answer.json


def test_the_result_of_a_job_outlives_its_version(pipeline: Pipeline) -> None:
    created = pipeline.do("POST", "/items", LARGE)
    pipeline.do("PUT", f"/items/{created['item_id']}", {"description": "y" * (2 * INLINE_BYTES)})
    pipeline.do("DELETE", f"/items/{created['item_id']}")
    assert pipeline.request("GET", f"/jobs/{created['id']}").json["result"] == {"id": created["item_id"], **LARGE}


def test_put_sets_and_patch_merges(pipeline: Pipeline) -> None:
    item_id = pipeline.do("POST", "/items", {**GOOD, "size": {"w": 1, "h": 2}, "old": True})["item_id"]
    put = pipeline.do("PUT", f"/items/{item_id}", {"size": {"w": 9}})
    assert put["result"] == {"id": item_id, **GOOD, "size": {"w": 9}, "old": True}
    patched = pipeline.do(
        "PATCH",
        f"/items/{item_id}",
        {"size": {"h": 3}, "old": None},
        headers={"content-type": "application/merge-patch+json"},
    )
    assert patched["result"] == {"id": item_id, **GOOD, "size": {"w": 9, "h": 3}}
    pipeline.check_consistent()


def test_if_match(pipeline: Pipeline) -> None:
    first = pipeline.do("POST", "/items", GOOD)
    path, stale = f"/items/{first['item_id']}", {"headers": {"if-match": first["etag"]}}
    second = pipeline.do("PUT", path, {"x": 1}, **stale)
    assert second["status"] == "succeeded"
    assert second["etag"] != first["etag"]
    for method, body in (("PUT", {"x": 2}), ("PATCH", {"x": 2}), ("DELETE", None)):
        assert pipeline.do(method, path, body, **stale)["error"]["status"] == 412
    assert pipeline.do("DELETE", path, headers={"if-match": "*"})["status"] == "succeeded"
    # RFC 9110, section 13.2.1: no precondition is judged where the answer is an error without it.
    assert pipeline.do("DELETE", path, headers={"if-match": "*"})["error"]["status"] == 404


def test_names_are_unique_and_freed(pipeline: Pipeline) -> None:
    tent = pipeline.do("POST", "/items", GOOD)
    assert pipeline.do("POST", "/items", GOOD)["error"]["type"] == "urn:jobpipe:problem:name-taken"
    stove = pipeline.do("POST", "/items", {**GOOD, "name": "Stove"})
    rename = pipeline.do("PUT", f"/items/{stove['item_id']}", {"name": "Tent"})
    assert rename["error"]["status"] == 409
    assert pipeline.do("PUT", f"/items/{tent['item_id']}", {"name": "Tent"})["status"] == "succeeded"
    assert pipeline.do("PUT", f"/items/{tent['item_id']}", {"name": "Big tent"})["status"] == "succeeded"
    assert pipeline.do("PUT", f"/items/{stove['item_id']}", {"name": "Tent"})["status"] == "succeeded"
    pipeline.do("DELETE", f"/items/{stove['item_id']}")
    assert pipeline.do("POST", "/items", GOOD)["status"] == "succeeded"
    pipeline.check_consistent()


@pytest.mark.parametrize(
    "item_id", ["non-existent-id", "3f0e2f0c-0000-4000-8000-000000000000", "ünï cödé", "a%2Fb"]
)
def test_an_unknown_item_is_a_404(pipeline: Pipeline, item_id: str) -> None:
    for method, body in (("PUT", {"x": 1}), ("PATCH", {"x": 1}), ("DELETE", None)):
        assert pipeline.do(method, f"/items/{item_id}", body)["error"]["status"] == 404
    assert pipeline.request("GET", f"/items/{item_id}").status == 404
    pipeline.check_consistent()


@pytest.mark.parametrize("item_id", ["a%20b", "a%2Fb", "a%3Fb", "%C3%BC"])
def test_links_can_be_followed(pipeline: Pipeline, item_id: str) -> None:
    assert pipeline.do("DELETE", f"/items/{item_id}")["links"]["item"] == f"/items/{item_id}"


def test_the_list_is_paged_by_link(pipeline: Pipeline) -> None:
    assert pipeline.request("GET", "/items").json == []
    names = {f"item {i}" for i in range(7)}
    for name in names:
        pipeline.do("POST", "/items", {**GOOD, "name": name})
    seen, target, pages = [], "/items?limit=3", 0
    while target:
        answer = pipeline.request("GET", target)
        seen += [item["name"] for item in answer.json]
        pages += 1
        link = answer.headers.get("link", "")
        target = "/" + link[1 : link.index(">")] if link else ""
    assert (sorted(seen), pages) == (sorted(names), 3)


def test_a_page_ends_at_a_megabyte(pipeline: Pipeline) -> None:
    for i in range(8):
        pipeline.do("POST", "/items", {"name": f"large {i}", "description": "x" * 190_000})
    first = pipeline.request("GET", "/items")
    assert len(first.json) == 5
    link = first.headers["link"]
    second = pipeline.request("GET", "/" + link[1 : link.index(">")])
    assert len(second.json) == 3
    assert "link" not in second.headers


def test_with_prefer_wait_it_is_the_synchronous_api(pipeline: Pipeline) -> None:
    wait: dict[str, Any] = {"headers": {"prefer": "wait=10"}}
    with worker(pipeline):
        created = pipeline.request("POST", "/items", GOOD, **wait)
        item_id = created.json["id"]
        assert created.status == 201
        assert created.headers["preference-applied"] == "wait=10"
        assert created.headers["location"] == f"items/{item_id}"
        assert created.headers["etag"]
        assert created.json == {"id": item_id, **GOOD}
        assert pipeline.request("POST", "/items", GOOD, **wait).status == 409
        assert pipeline.request("PUT", f"/items/{item_id}", {"x": 1}, **wait).json == {
            "id": item_id,
            **GOOD,
            "x": 1,
        }
        stale: dict[str, Any] = {"headers": {"prefer": "wait=10", "if-match": created.headers["etag"]}}
        assert pipeline.request("PUT", f"/items/{item_id}", {"x": 2}, **stale).status == 412
        read = pipeline.request("POST", "/jobs", {"operation": "read", "item_id": item_id}, **wait)
        assert (read.status, read.json["x"]) == (200, 1)
        deleted = pipeline.request("DELETE", f"/items/{item_id}", **wait)
        assert (deleted.status, deleted.json) == (200, {"message": "Item deleted"})
        gone = pipeline.request("DELETE", f"/items/{item_id}", **wait)
        assert gone.status == 404
        assert gone.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("prefer", ["wait=0", 'foo="a, wait=99"', "respond-async", 'wait="0"; x=1', "", ",, ,"])
def test_preferences_that_do_not_ask_to_wait(pipeline: Pipeline, prefer: str) -> None:
    assert pipeline.request("POST", "/items", GOOD, headers={"prefer": prefer}).status == 202


def test_prefer_wait_answers_202_when_the_time_is_up(pipeline: Pipeline) -> None:
    answer = pipeline.request("POST", "/items", GOOD, headers={"prefer": "wait=1"})
    assert answer.status == 202
    assert "preference-applied" not in answer.headers


def test_get_job_waits_for_the_end(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", GOOD).json
    assert not pipeline.request("GET", f"/jobs/{job['id']}").json["done"]
    with worker(pipeline):
        ended = pipeline.request("GET", f"/jobs/{job['id']}?wait=20")
    assert ended.json["done"]
    assert "retry-after" not in ended.headers


def test_another_callers_job_is_a_404(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", GOOD).json
    other = pipeline.request("GET", f"/jobs/{job['id']}", owner="bob")
    none = pipeline.request("GET", f"/jobs/{'0' * 32}", owner="bob")
    assert other.status == none.status == 404
    assert other.json["detail"] == none.json["detail"]


def test_an_expired_job_is_a_404(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job = pipeline.do("POST", "/items", GOOD)
    later = datetime.now(UTC) + timedelta(days=8)
    monkeypatch.setattr("api_lambda.chalicelib.endpoints.jobs.now", lambda: later)
    assert pipeline.request("GET", f"/jobs/{job['id']}").status == 404


def test_exact_numbers_come_back_digit_for_digit(pipeline: Pipeline) -> None:
    body = '{"name":"n","description":"d","price":0.1,"exact":12345678901234567890.123456789,"big":1e22}'
    accepted = pipeline.request("POST", "/items", raw=body)
    pipeline.drain()
    text = pipeline.request("GET", f"/items/{accepted.json['item_id']}").text
    assert '"exact":12345678901234567890.123456789' in text
    assert '"price":0.1' in text


def test_a_fault_is_a_problem_document(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(item_id: str) -> None:
        raise ZeroDivisionError(item_id)

    monkeypatch.setattr(pipeline.items, "get", broken)
    answer = pipeline.request("GET", "/items/i")
    assert answer.status == 500
    assert answer.json["type"] == "urn:jobpipe:problem:internal-error"
    assert "ZeroDivision" not in answer.text


def test_a_result_that_cannot_be_shown_does_not_hide_that_the_command_was_accepted(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("The documents bucket did not answer.")

    monkeypatch.setattr(pipeline.documents, "get", unavailable)
    with worker(pipeline):
        answer = pipeline.request("POST", "/items", LARGE, headers={"prefer": "wait=5"})
    assert (answer.status, answer.json["status"]) == (202, "queued"), "as it was accepted"
