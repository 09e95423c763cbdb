"""Batches: one request with one key, and an entry for each command."""

from typing import Any

import pytest

from jobpipe_client import BadAnswer, Batch, Client
from tests.client.service import Canned, Service
from tests.client.service_state import problem

COMMANDS: list[dict[str, Any]] = [
    {"operation": "create", "item": {"name": "Tent", "description": "For two"}},
    {"operation": "delete", "item_id": "a b/ü"},
    {"operation": "fly"},
]
JOB = {"id": "j", "status": "queued", "done": False, "operation": "create", "item_id": "i", "links": {}}
ANSWER = {
    "id": "batch-1",
    "done": False,
    "size": 3,
    "counts": {"queued": 1, "refused": 2},
    "created_at": "2026-11-22T12:00:00.000Z",
    "entries": [
        {"job": JOB},
        {"problem": problem(503, "unavailable")},
        {"problem": problem(400, "invalid-request")},
    ],
    "links": {"self": "/batches/batch-1"},
}


def test_commands_go_out_in_one_request_with_a_key(client: Client, service: Service) -> None:
    service.canned += [Canned(503, {}, problem(503, "unavailable")), Canned(202, {"Retry-After": "1"}, ANSWER)]
    batch = client.submit_batch(COMMANDS)
    assert [(seen.method, seen.path, seen.body) for seen in service.seen] == [
        ("POST", "/batches", {"commands": COMMANDS})
    ] * 2
    assert len({seen.headers["idempotency-key"] for seen in service.seen}) == 1, "it is sent again with its key"
    assert (batch.id, batch.size, batch.done, batch.retry_after) == ("batch-1", 3, False, 1.0)
    assert batch.counts["refused"] == 2
    queued, unsent, refused = batch.entries
    assert (queued.job_id, queued.item_id, queued.status, queued.problem) == ("j", "i", "queued", None)
    assert unsent.problem is not None
    assert refused.problem is not None
    assert (unsent.problem.status, refused.problem.slug) == (503, "invalid-request")
    assert batch.unsent == [1]


def test_the_callers_key_is_used(client: Client, service: Service) -> None:
    service.canned.append(Canned(202, {}, ANSWER))
    client.submit_batch(COMMANDS, idempotency_key="k-1")
    assert service.seen[0].headers["idempotency-key"] == "k-1"


def test_a_batch_is_polled_by_its_id(client: Client, service: Service) -> None:
    failed = {**JOB, "status": "failed", "done": True, "error": problem(409, "name-taken")}
    service.canned.append(Canned(200, {}, {**ANSWER, "done": True, "entries": [{"job": failed}]}))
    batch = client.batch("batch-1")
    assert (service.seen[0].method, service.seen[0].path) == ("GET", "/batches/batch-1")
    assert batch.done
    (entry,) = batch.entries
    assert entry.problem is not None
    assert (entry.done, entry.problem.slug) == (True, "name-taken")
    assert batch.unsent == []


@pytest.mark.parametrize("wrong", [[], {}, {**ANSWER, "entries": [{}]}, {**ANSWER, "counts": None}])
def test_an_answer_that_is_not_a_batch_raises_bad_answer(wrong: object) -> None:
    with pytest.raises(BadAnswer, match="not a batch"):
        Batch.of(wrong)
