"""Batches on a deployed stage: many commands in one request, their owner, and their effect."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import tenacity

from infra.deployment.readiness import wait_for_key
from jobpipe_client import Batch, Client, Forbidden, NotFound
from tests.helpers.deployed import Stage, most_commands, problem, unique


@pytest.fixture(scope="module")
def bob(stage: Stage) -> Iterator[Client]:
    key = stage.api_keys.add("bob")
    assert wait_for_key(stage.deployment.base_url, key.value, accepted=True)
    yield Client(stage.deployment.base_url, key.value, request_timeout=30)
    stage.api_keys.revoke(key)


def create(**more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": unique("Batch"), "description": "d", **more}}


def merge(item_id: str, **fields: Any) -> dict[str, Any]:
    return {"operation": "update", "item_id": item_id, "merge": fields}


@tenacity.retry(stop=tenacity.stop_after_delay(240), wait=tenacity.wait_fixed(0.2), reraise=True)
def wait_for(client: Client, batch: Batch) -> Batch:
    found = client.batch(batch.id)
    assert found.done
    return found


def test_each_command_of_a_full_batch_takes_effect_once_and_in_order(stage: Stage) -> None:
    half = most_commands(stage) // 2
    count = min(5, half // 2)  # items
    items = [stage.client.sync.create({"name": unique("Batch"), "description": "d"}) for _ in range(count)]
    commands = [create() for _ in range(half)]
    commands += [merge(items[n % count].id, n=n, **{f"n{n}": n}) for n in range(half)]
    key = uuid.uuid4().hex
    batch = stage.client.submit_batch(commands, idempotency_key=key)
    assert batch.size == len({entry.job_id for entry in batch.entries}) == 2 * half
    assert stage.client.submit_batch(commands, idempotency_key=key).id == batch.id
    after = wait_for(stage.client, batch)
    assert after.counts["succeeded"] == 2 * half
    assert all(stage.client.job(entry.job_id or "").attempts == 1 for entry in after.entries[::20])
    for n, item in enumerate(items):
        shown = stage.client.get_item(item.id)
        assert shown["n"] == range(half)[n::count][-1], "the last command sets the value"
        assert {f"n{m}" for m in range(n, half, count)} <= set(shown), "no command is lost"


def test_a_batch_may_have_large_and_invalid_commands(stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Batch"), "description": "d"})
    large = merge(item.id, text="x" * 400_000)
    batch = stage.client.submit_batch([merge(item.id, n=1), large, {"operation": "fly"}, merge(item.id, n=2)])
    assert [entry.problem and entry.problem.status for entry in batch.entries] == [None, None, 400, None]
    after = wait_for(stage.client, batch)
    assert (after.counts["succeeded"], after.counts["refused"]) == (3, 1)
    shown = stage.client.get_item(item.id)
    assert (shown["n"], len(shown["text"])) == (2, 400_000)


def test_the_same_key_for_other_commands_is_refused(stage: Stage) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    assert stage.request("POST", "/batches", {"commands": [create()]}, headers=headers).status_code == 202
    refused = stage.request("POST", "/batches", {"commands": [create()]}, headers=headers)
    assert (refused.status_code, problem(refused)) == (422, "idempotency-key-reused")


def test_a_batch_is_invisible_to_other_callers(stage: Stage, bob: Client) -> None:
    """P9. It is not found under other paths either."""
    key = uuid.uuid4().hex
    commands = [create()]
    batch = stage.client.submit_batch(commands, idempotency_key=key)
    with pytest.raises(NotFound):
        bob.batch(batch.id)
    with pytest.raises(NotFound):
        stage.client.job(batch.id)
    with pytest.raises(NotFound):
        stage.client.batch(batch.entries[0].job_id or "")
    with pytest.raises(NotFound):
        bob.job(batch.entries[0].job_id or "")
    with pytest.raises(Forbidden):
        Client(stage.deployment.base_url, "no-key").batch(batch.id)
    assert bob.submit_batch([create()], idempotency_key=key).id != batch.id
    wait_for(stage.client, batch)


def test_the_log_line_of_a_batch_has_its_jobs_and_no_body(stage: Stage) -> None:
    """An audit finds there which jobs were answered 202."""
    secret = uuid.uuid4().hex
    batch = stage.client.submit_batch([create(text=secret), create(text=secret)])
    logs, group = stage.aws("logs"), f"/aws/lambda/{stage.resources['api_function']}"

    @tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.2), reraise=True)
    def line() -> dict[str, Any]:
        found = logs.filter_log_events(logGroupName=group, filterPattern=f'"{batch.id}"')["events"]
        messages = [event["message"] for event in found if batch.id in event["message"]]
        assert messages
        return dict(json.loads(messages[0]))

    logged = line()
    assert logged["job_ids"] == [entry.job_id for entry in batch.entries]
    assert secret not in json.dumps(logged)
