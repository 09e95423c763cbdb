"""A caller that sends more commands than it may is refused with a 429, and nothing is stored or queued."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.domain.errors import TooManyRequests
from tests.helpers.batches import an_item, create, merge, post
from tests.helpers.job_states import accept, fail, item, slug
from tests.helpers.pipeline import BURST, Answer, Pipeline

RATE = 0.01  # so slow that no test has another command by it


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(owner_rate=RATE)


def spend(pipeline: Pipeline, commands: int = BURST) -> None:
    """Leave the caller so many commands less."""
    assert pipeline.services.limit is not None
    pipeline.services.limit.spend("alice", commands)


def state(pipeline: Pipeline) -> Any:
    return (
        dict(pipeline.jobs.rows),
        dict(pipeline.batches.rows),
        list(pipeline.queue.waiting),
        dict(pipeline.documents.current),
    )


def check_refused(pipeline: Pipeline, before: Any, answer: Answer) -> None:
    assert (answer.status, slug(answer)) == (429, "too-many-requests"), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) >= 1
    assert f"in {answer.headers['retry-after']} s" in answer.json["detail"]
    assert state(pipeline) == before


WRITES = [
    ("POST", "/items", item("Yurt")),
    ("PUT", "/items/a", {"price": 1}),
    ("PATCH", "/items/a", {"price": 1}),
    ("DELETE", "/items/a", None),
    ("POST", "/jobs", {"operation": "read", "item_id": "a"}),
    ("POST", "/batches", {"commands": [create("Yurt"), create("Stove")]}),
]


@pytest.mark.parametrize(
    ("method", "path", "body"), WRITES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_of_a_caller_without_allowance_is_refused(
    pipeline: Pipeline, method: str, path: str, body: Any
) -> None:
    spend(pipeline)
    before = state(pipeline)
    check_refused(pipeline, before, pipeline.request(method, path, body))
    check_refused(pipeline, before, pipeline.request(method, path, body, headers={"idempotency-key": "k"}))
    assert pipeline.request("GET", "/items").status == 200, "reads are not limited"
    assert pipeline.request(method, path, body, owner="bob").status == 202, "nor are others"


def test_a_batch_counts_as_its_valid_commands(pipeline: Pipeline) -> None:
    spend(pipeline, BURST - 3)
    refused = {"operation": "create", "item": {"name": ""}}
    assert post(pipeline, create("a"), create("b"), refused, refused).status == 202
    before = state(pipeline)
    check_refused(pipeline, before, pipeline.request("POST", "/batches", {"commands": [create("c"), create("d")]}))
    assert post(pipeline, create("c")).status == 202
    check_refused(pipeline, state(pipeline), pipeline.request("POST", "/items", item("d")))


def test_an_invalid_request_is_refused_as_such_and_costs_nothing(pipeline: Pipeline) -> None:
    spend(pipeline, BURST - 1)
    assert pipeline.request("POST", "/items", {"name": ""}).status == 400
    assert pipeline.request("POST", "/batches", {"commands": []}).status == 400
    assert accept(pipeline)


def test_a_retry_counts_if_it_queues_the_command(pipeline: Pipeline) -> None:
    job_id = fail(pipeline)
    ended = accept(pipeline, item("Ended"))
    pipeline.drain()
    spend(pipeline, BURST - 5)  # the commands until here, and one more
    assert pipeline.request("POST", f"/jobs/{ended}/retry").status == 409, "this one costs nothing"
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202, "it is queued already"
    check_refused(pipeline, state(pipeline), pipeline.request("POST", "/items", item("d")))


def test_a_retried_batch_counts_as_its_failed_jobs(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    batch = post(pipeline, create("Tent"), create("Tent"), merge(tent))
    pipeline.drain()
    spend(pipeline, BURST - 5)
    before = state(pipeline)
    check_refused(pipeline, before, pipeline.request("POST", f"/batches/{batch.json['id']}/retry"))


def test_a_stage_without_a_rate_asks_nothing() -> None:
    pipeline = Pipeline()
    for n in range(3 * BURST):
        accept(pipeline, item(f"Tent {n}"))
    assert pipeline.services.limit is None
    assert pipeline.allowances.calls == 0


def test_the_refusal_tells_when_to_come_again(pipeline: Pipeline) -> None:
    spend(pipeline)
    with pytest.raises(TooManyRequests) as refused:
        spend(pipeline, 2)
    assert refused.value.retry_after == 200
