"""P9: a caller's jobs are invisible to other callers, and stay the caller's when its key is rotated."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import tenacity

from infra.deployment.readiness import wait_for_key
from infra.keys.api_keys import ApiKey
from jobpipe_client import Client, Forbidden, Job
from tests.helpers.deployed import Stage, problem, unique

JOB_REQUESTS = [
    ("GET", "/jobs/{id}"),
    ("GET", "/jobs/{id}?wait=1"),
    ("DELETE", "/jobs/{id}"),
    ("POST", "/jobs/{id}/retry"),
    ("POST", "/jobs/{id}/dismiss"),
]

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


@dataclass(frozen=True)
class Caller:
    """A caller with one key."""

    owner: str
    key: str
    client: Client


@pytest.fixture(scope="module")
def alice(stage: Stage) -> Iterator[Caller]:
    yield from a_caller(stage, "alice")


@pytest.fixture(scope="module")
def bob(stage: Stage) -> Iterator[Caller]:
    yield from a_caller(stage, "bob")


def a_caller(stage: Stage, owner: str) -> Iterator[Caller]:
    key = stage.api_keys.add(owner)
    yield caller_with(stage, key)
    stage.api_keys.revoke(key)


def caller_with(stage: Stage, key: ApiKey) -> Caller:
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    return Caller(key.owner, key.value, Client(stage.deployment.base_url, key.value, request_timeout=30))


def item() -> dict[str, Any]:
    return {"name": unique("Own"), "description": "d"}


def failed(caller: Caller) -> Job:
    job = caller.client.wait(caller.client.update(str(uuid.uuid4()), {"price": 1}))
    assert job.status == "failed"
    return job


def queued(stage: Stage, caller: Caller) -> Job:
    """Return a job that stays queued."""
    job_id = secrets.token_hex(16)
    stage.put_job(job_id, secrets.token_hex(8), str(uuid.uuid4()), caller.owner)
    return caller.client.job(job_id)


@soon
def failures(caller: Caller, expected: set[str]) -> set[str]:
    """Return the ids in the caller's list, which may be a moment late."""
    found = {job.id for job in caller.client.jobs("failed")}
    assert expected <= found
    return found


@pytest.fixture(scope="module")
def jobs(stage: Stage, alice: Caller) -> dict[str, Job]:
    """Return Alice's jobs by their status."""
    return {
        "queued": queued(stage, alice),
        "succeeded": alice.client.wait(alice.client.create(item())),
        "failed": failed(alice),
        "cancelled": alice.client.cancel(queued(stage, alice).id),
    }


@pytest.mark.parametrize("state", ["queued", "succeeded", "failed", "cancelled"])
@pytest.mark.parametrize(("method", "path"), JOB_REQUESTS)
def test_a_job_of_another_owner_is_answered_like_an_unknown_one(
    stage: Stage, alice: Caller, bob: Caller, jobs: dict[str, Job], state: str, method: str, path: str
) -> None:
    job = jobs[state]
    assert job.status == state
    before = stage.counts()
    others, missing = (
        stage.request(method, path.replace("{id}", job_id), key=bob.key)
        for job_id in (job.id, secrets.token_hex(16))
    )
    assert problem(others) == problem(missing) == "not-found"
    assert without_request_id(others) == without_request_id(missing), "the answer does not show which jobs exist"
    assert stage.counts() == before
    assert alice.client.job(job.id) == job


def test_a_batch_of_another_owner_and_its_jobs_are_answered_like_unknown_ones(
    stage: Stage, alice: Caller, bob: Caller
) -> None:
    unknown = {"operation": "read", "item_id": str(uuid.uuid4())}
    batch = alice.client.submit_batch([unknown, {**unknown, "operation": "delete"}])
    first = alice.client.wait(alice.client.job(batch.entries[0].job_id or ""))
    assert first.status == "failed", "a retry would have an effect"

    others, missing = (
        stage.request("GET", f"/batches/{batch_id}", key=bob.key) for batch_id in (batch.id, secrets.token_hex(16))
    )
    assert problem(others) == problem(missing) == "not-found"
    assert without_request_id(others) == without_request_id(missing), "the answer does not show which batches exist"
    before = alice.client.job(first.id)
    for entry in batch.entries:
        for method, path in JOB_REQUESTS:
            others, missing = (
                stage.request(method, path.replace("{id}", job_id), key=bob.key)
                for job_id in (entry.job_id or "", secrets.token_hex(16))
            )
            assert problem(others) == problem(missing) == "not-found"
            assert without_request_id(others) == without_request_id(missing)
    assert alice.client.job(first.id) == before, "neither cancelled nor retried"


def test_two_owners_may_use_the_same_idempotency_key(alice: Caller, bob: Caller) -> None:
    key, alices, bobs = str(uuid.uuid4()), item(), item()
    of_alice = alice.client.create(alices, idempotency_key=key)
    # Bob's request is neither a replay of Alice's nor, with another body, a 422.
    of_bob = bob.client.create(bobs, idempotency_key=key)
    assert of_bob.id != of_alice.id
    assert of_bob.item_id != of_alice.item_id
    assert bob.client.create(bobs, idempotency_key=key).id == of_bob.id
    assert alice.client.create(alices, idempotency_key=key).id == of_alice.id
    assert bob.client.wait(of_bob).succeeded
    assert alice.client.wait(of_alice).succeeded


def test_lists_show_only_the_owners_jobs_with_any_cursor(stage: Stage, alice: Caller, bob: Caller) -> None:
    # Their jobs alternate, so that each of Alice's cursors precedes a job of Bob's.
    of_bob, of_alice = set[str](), set[str]()
    for _ in range(3):
        of_bob.add(failed(bob).id)
        of_alice.add(failed(alice).id)
    assert not of_bob & failures(alice, of_alice)
    assert not of_alice & failures(bob, of_bob)
    assert not list(bob.client.jobs("retrying"))
    page = stage.request("GET", "/jobs?status=failed&limit=1", key=alice.key)
    cursors = 0
    while "next" in page.links:
        link = "/" + page.links["next"]["url"]
        forged = stage.request("GET", link.replace("limit=1&", "limit=100&"), key=bob.key)
        assert forged.status_code == 200, forged.text
        assert {job["id"] for job in forged.json()} <= failures(bob, of_bob)
        cursors += bool(forged.json())
        page = stage.request("GET", link, key=alice.key)
    assert cursors, "at least one cursor precedes a job of Bob's"


def test_items_are_shared(alice: Caller, bob: Caller) -> None:
    made = alice.client.sync.create(item())
    assert bob.client.get_item(made.id) == made
    assert bob.client.sync.update(made.id, {"price": 2})["price"] == 2


def test_jobs_stay_with_their_owner_when_a_key_is_rotated(stage: Stage) -> None:
    keys, owner = stage.api_keys, f"owner{secrets.token_hex(4)}"
    try:
        old = keys.add(owner)
        before = caller_with(stage, old)
        replay, document = str(uuid.uuid4()), item()
        created = before.client.create(document, idempotency_key=replay)
        waiting, ended = queued(stage, before), failed(before)

        after = caller_with(stage, keys.add(owner))
        assert before.client.job(ended.id) == ended, "the old key stays good until it is revoked"
        keys.revoke(old)
        assert wait_for_key(stage.deployment.base_url, old.value, accepted=False)
        with pytest.raises(Forbidden):
            before.client.job(ended.id)

        assert after.client.job(ended.id) == ended
        assert failures(after, {ended.id}) == {ended.id}
        assert after.client.cancel(waiting.id).status == "cancelled"
        assert after.client.create(document, idempotency_key=replay).id == created.id
        retried = after.client.wait(after.client.retry(ended.id))
        assert retried.id == ended.id
        assert retried.updated_at > ended.updated_at
    finally:
        for key in keys.of(owner):
            keys.revoke(key)


def without_request_id(answer: requests.Response) -> dict[str, Any]:
    """Return the document without the id of the request."""
    return {**answer.json(), "request_id": ""}
