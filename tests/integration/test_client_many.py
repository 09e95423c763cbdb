"""The client's submit_many, outcomes and as_completed on a deployed stage."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from jobpipe_client import Client
from tests.helpers.deployed import Stage, most_commands, unique

pytestmark = pytest.mark.slow

MANY, UPDATED = 250, 7  # commands, and the items that some of them update


@pytest.fixture
def client(stage: Stage) -> Client:
    return stage.client


def command_at(n: int, items: list[str], names: list[str]) -> dict[str, Any]:
    """Every fifth creates, or fails since its name is taken; every 50th is invalid; the others update."""
    if n % 50 == 49:
        return {"operation": "create", "item": {"name": "", "description": "d"}}
    if n == 123:
        return {"operation": "update", "item_id": items[0], "merge": {"n": 10**60 + 1}}  # makes the body unreadable
    if n % 25 == 5:
        return {"operation": "create", "item": {"name": names[n % UPDATED], "description": "taken"}}
    if n % 5 == 0:
        return {"operation": "create", "item": {"name": unique("Many"), "description": "d", "n": n}}
    return {"operation": "update", "item_id": items[n % UPDATED], "merge": {"n": n, f"n{n}": n}}


def test_hundreds_of_commands_have_outcomes_and_a_repetition_doubles_nothing(stage: Stage, client: Client) -> None:
    names = [unique("Many") for _ in range(UPDATED)]
    items = [client.sync.create({"name": name, "description": "d"}).id for name in names]
    commands = [command_at(n, items, names) for n in range(MANY)]
    size, key = most_commands(stage), uuid.uuid4().hex
    jobs_before, items_before, _ = stage.counts()

    submissions = list(client.submit_many(commands, key=key, batch_size=size))
    assert [each.command for each in submissions] == commands
    invalid = {*range(49, MANY, 50), 123}
    assert {each.place for each in submissions if not each.accepted} == invalid
    assert all(submissions[n].problem is not None and submissions[n].problem.status == 400 for n in invalid)

    entries = {submission.place: entry for submission, entry in client.outcomes(submissions, timeout=240)}
    assert sorted(entries) == list(range(MANY))
    for n, entry in entries.items():
        status = None if n in invalid else "failed" if n % 25 == 5 else "succeeded"
        assert (entry.status, entry.done) == (status, True), n
        slug = {None: "invalid-request", "failed": "name-taken"}.get(status)
        assert (entry.problem.slug if entry.problem else None) == slug

    updates = [n for n, each in enumerate(commands) if each["operation"] == "update" and n not in invalid]
    for index, item_id in enumerate(items):
        updates_of_item = [n for n in updates if n % UPDATED == index]
        shown = client.get_item(item_id)
        assert shown["n"] == updates_of_item[-1], "the last command sets the value"
        assert {f"n{n}" for n in updates_of_item} <= set(shown), "no command is lost"

    again = list(client.submit_many(iter(commands), key=key, batch_size=size, concurrency=2))
    assert [each.job_id for each in again] == [each.job_id for each in submissions]
    completed = list(client.as_completed(again, timeout=60))
    assert {job.id for job in completed} == {each.job_id for each in submissions if each.accepted}
    created = [job for job in completed if job.operation == "create" and job.succeeded]
    jobs, items_now, _ = stage.counts()
    assert items_now - items_before == len(created) == 40
    # The table has a row for each batch, too.
    assert jobs - jobs_before == len(completed) + len({each.batch_id for each in again if each.batch_id})
    assert all(job.item is not None and job.item["n"] == commands[job.item["n"]]["item"]["n"] for job in created)
