"""A job whose time has passed is retried with a new time only."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from jobpipe.domain.limits import MAX_KEPT_BYTES
from tests.helpers.batches import an_item, create, kinds, post
from tests.helpers.job_states import LARGE, slug, unavailable
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.scheduled import HOUR, accept, get
from tests.helpers.time_limits import movable_clocks, read, within


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return movable_clocks(monkeypatch)


def too_late(pipeline: Pipeline, later: Callable[..., None], text: str = "") -> Answer:
    """Return the answer to a create that has failed since its time had passed."""
    answer = accept(pipeline, {**create("Tent", text=text), "not_after": within(HOUR)})
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "failed"
    return answer


def retry(pipeline: Pipeline, answer: Answer, body: Any = None, **options: Any) -> Answer:
    return pipeline.request("POST", f"/jobs/{answer.json['id']}/retry", body, **options)


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_of_a_late_job_needs_a_new_time(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    answer = too_late(pipeline, later, text)
    before = pipeline.state()
    bodies: list[Any] = [None, {}]
    for body in bodies:
        refused = retry(pipeline, answer, body)
        assert (refused.status, slug(refused)) == (409, "too-late")
    assert retry(pipeline, answer, {"not_after": within(HOUR)}).status == 400, "it has passed as well"
    assert pipeline.state() == before
    limit = within(4 * HOUR)
    retried = retry(pipeline, answer, {"not_after": limit})
    assert (retried.status, retried.json["status"], retried.json["not_after"]) == (202, "queued", limit)
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["not_after"], job["result"]["text"]) == ("succeeded", limit, text)
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retried_job_can_be_late_again(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    answer = too_late(pipeline, later, text)
    assert retry(pipeline, answer, {"not_after": within(3 * HOUR)}).status == 202
    later(4 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    assert slug(retry(pipeline, answer)) == "too-late"
    assert retry(pipeline, answer, {"not_after": within(5 * HOUR)}).status == 202
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_keeps_the_limit_of_its_job(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    tent = an_item(pipeline)
    limit = within(HOUR)
    answer = accept(pipeline, {**create("Tent", text=text), "not_after": limit})
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":name-taken")
    pipeline.do("DELETE", f"/items/{tent}")
    assert retry(pipeline, answer).json["not_after"] == limit
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    pipeline.check_consistent()


def test_a_job_whose_time_has_passed_since_it_failed_needs_a_new_time_too(
    pipeline: Pipeline, later: Callable[..., None]
) -> None:
    answer = accept(pipeline, read("no-such-item"))
    pipeline.drain()
    later(2 * HOUR)
    assert slug(retry(pipeline, answer)) == "too-late"


def test_a_worker_whose_clock_is_ahead_is_believed(pipeline: Pipeline, later: Callable[..., None]) -> None:
    answer = accept(pipeline, read("no-such-item"))
    later(2 * HOUR, "worker")
    pipeline.drain()
    assert slug(retry(pipeline, answer)) == "too-late", "it would only be late again"


@pytest.mark.parametrize("worker_first", [False, True])
@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_that_crashes_after_sending_has_its_new_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, later: Callable[..., None], worker_first: bool, text: str
) -> None:
    answer = too_late(pipeline, later, text)
    limit = {"not_after": within(4 * HOUR)}
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.jobs, "requeue", unavailable)
        assert retry(pipeline, answer, limit).status == 503
    if not worker_first:
        assert retry(pipeline, answer, limit).status == 202
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["retries"], job["not_after"]) == ("succeeded", 1, limit["not_after"])
    pipeline.check_consistent()


def test_a_command_that_is_too_large_with_its_time_becomes_a_claim_check(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tent = an_item(pipeline)
    raw = len(json.dumps(create("Tent", text=""), separators=(",", ":")))
    # Lambda's event has six characters for one that is not ASCII, so the command takes as much as a message may.
    rest, odd = divmod(MAX_KEPT_BYTES - raw, 2)
    text = "\u00e9" * rest + "x" * odd
    answer = accept(pipeline, create("Tent", text=text))
    pipeline.drain()
    assert not pipeline.documents.keys("claims/")
    pipeline.do("DELETE", f"/items/{tent}")
    limit = {"not_after": within(HOUR)}
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.queue, "send", unavailable)
        assert retry(pipeline, answer, limit).status == 503
    assert retry(pipeline, answer, limit).status == 202
    assert len(pipeline.documents.keys("claims/")) == 1, "the repeated request puts no other"
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    pipeline.check_consistent()


@pytest.mark.parametrize(
    "body",
    [
        [],
        7,
        "x",
        {"not_after": None},
        {"not_after": "soon"},
        {"not_before": "x"},
        {"not_after": "2026-11-22T20:57:44Z"},
    ],
)
def test_a_retry_with_a_bad_body_is_refused(pipeline: Pipeline, body: Any) -> None:
    answer = accept(pipeline, {"operation": "read", "item_id": "no-such-item"})
    pipeline.drain()
    before = pipeline.state()
    assert retry(pipeline, answer, body).status == 400
    assert pipeline.state() == before


def test_a_batch_is_retried_without_its_late_jobs(pipeline: Pipeline, later: Callable[..., None]) -> None:
    batch = post(pipeline, read("none"), {"operation": "read", "item_id": "none"})
    later(2 * HOUR)
    pipeline.drain()
    answer = pipeline.request("POST", f"/batches/{batch.json['id']}/retry")
    assert kinds(answer) == ["failed", "queued"]
    assert answer.json["entries"][0]["unchanged"]["type"].endswith(":too-late")


def test_an_unfinished_job_keeps_its_time_when_it_is_retried(pipeline: Pipeline) -> None:
    command = read("i")
    answer = accept(pipeline, command)
    assert retry(pipeline, answer, {"not_after": within(5 * HOUR)}).json["not_after"] == command["not_after"]
