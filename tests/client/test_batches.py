"""Batches: one request with one key, and an entry for each command."""

from typing import Any

import pytest

from jobpipe_client import Batch, Client, InvalidRequest, InvalidResponse
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


def test_a_batch_has_the_key_of_its_request(client: Client, service: Service) -> None:
    sent = client.submit_batch(COMMANDS, idempotency_key="k-1")
    assert (sent.idempotency_key, client.batch(sent.id).idempotency_key) == ("k-1", "k-1")
    service.canned.append(Canned(202, {}, ANSWER))
    assert client.submit_batch(COMMANDS).idempotency_key is None, "an older service does not say it"


def test_a_batch_has_its_name(client: Client, service: Service) -> None:
    sent = client.submit_batch(COMMANDS, name="Zelte “groß”.csv")
    assert (sent.name, client.batch(sent.id).name) == ("Zelte “groß”.csv",) * 2
    orders = client.collection("orders").submit_batch([{"operation": "create", "item": {"number": "1"}}], name="o")
    assert orders.name == "o"
    assert client.submit_batch(COMMANDS).name is None
    service.batches.knows_names = False
    with pytest.raises(InvalidRequest, match="member 'name'"):
        client.submit_batch(COMMANDS, name="tents.csv")


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


def test_a_batch_is_cancelled_and_its_entries_say_what_became_of_the_jobs(client: Client, service: Service) -> None:
    taken = client.create({"name": "Tent", "description": "d"})
    client.wait(taken)
    service.pause()
    command = {"operation": "read", "item_id": "i"}
    batch = client.submit_batch([command, {"operation": "fly"}, command])
    first = batch.entries[0].job_id
    assert first is not None
    service.jobs[first] |= {"status": "succeeded", "done": True}
    ended, refused, cancelled = client.cancel_batch(batch.id).entries
    assert (service.seen[-1].method, service.seen[-1].path) == ("DELETE", f"/batches/{batch.id}")
    assert ended.unchanged is not None
    assert (ended.job_id, ended.status, ended.problem, ended.unchanged.slug) == (
        *(first, "succeeded", None),
        "job-ended",
    )
    assert (refused.job_id, refused.unchanged) == (None, None)
    assert (cancelled.status, cancelled.unchanged) == ("cancelled", None)


def test_the_failed_jobs_of_a_batch_are_retried(client: Client, service: Service) -> None:
    batch = client.submit_batch([{"operation": "read", "item_id": "none"}])
    assert [job.status for job in client.as_completed([batch.entries[0].job_id or ""])] == ["failed"]
    service.pause()
    retried = client.retry_batch(batch.id)
    assert (service.seen[-1].method, service.seen[-1].path) == ("POST", f"/batches/{batch.id}/retry")
    assert [(entry.status, entry.problem, entry.unchanged) for entry in retried.entries] == [("queued", None, None)]
    assert retried.retry_after is not None


def test_a_change_of_a_batch_is_repeated_after_an_outage_and_says_what_it_did_not_reach(
    client: Client, service: Service
) -> None:
    entries = [{"job": JOB, "unchanged": problem(503, "unavailable")}, {"job": {**JOB, "status": "cancelled"}}]
    ended = [{"job": {**JOB, "status": "succeeded"}, "unchanged": problem(409, "job-ended")}]
    service.canned += [
        Canned(503, {}, problem(503, "unavailable")),
        Canned(200, {}, {**ANSWER, "entries": entries + ended}),
    ]
    batch = client.cancel_batch("batch-1")
    assert [(seen.method, seen.path) for seen in service.seen] == [("DELETE", "/batches/batch-1")] * 2
    assert (batch.unreached, batch.unsent) == ([0], [])


@pytest.mark.parametrize("wrong", [[], {}, {**ANSWER, "entries": [{}]}, {**ANSWER, "counts": None}])
def test_an_answer_that_is_not_a_batch_raises_bad_answer(wrong: object) -> None:
    with pytest.raises(InvalidResponse, match="not a batch"):
        Batch.of(wrong)
