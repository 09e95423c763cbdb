"""Forged messages for collections: parked once or run, and never at the expense of another caller."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import Envelope, seal
from tests.helpers.hostile_names import NO_COLLECTIONS, NO_OPERATIONS
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import order, shop, subscription


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=shop())


def waiting(stage: Pipeline, method: str, target: str, body: Any, **options: Any) -> dict[str, Any]:
    """Send a request, and return its message."""
    stage.request(method, target, body, **options)
    [(_, envelope, _)] = stage.queue.waiting
    message: dict[str, Any] = json.loads(envelope.body)
    return message


def deliver(stage: Pipeline, message: Any) -> None:
    stage.queue.waiting = [("forged", Envelope(json.dumps(message), "g", "d"), 0)]
    stage.drain()


def test_a_message_is_as_its_command_and_comes_back_the_same(stage: Pipeline) -> None:
    message = waiting(stage, "POST", "/subscriptions", subscription())
    assert {name: message[name] for name in ("v", "collection", "scope", "owner")} == {
        "v": 2,
        "collection": "subscriptions",
        "scope": "alice",
        "owner": "alice",
    }
    decoded = decode_message(json.dumps(message))
    assert json.loads(seal(decoded).body) == message


def test_a_message_for_items_has_the_first_form(stage: Pipeline) -> None:
    message = waiting(stage, "POST", "/jobs", {"operation": "read", "collection": "items", "item_id": "i"})
    assert message["v"] == 1
    assert set(message) == {"v", "job_id", "generation", "item_id", "request_id", "command"}
    assert message["command"] == {"operation": "read", "item_id": "i"}


def each(member: str, *values: Any) -> list[tuple[str, Any]]:
    """Return the member with each of the values."""
    return [(member, value) for value in values]


FORGED: list[tuple[str, Any]] = [  # each member with values that it must not have
    *each(
        "collection", *(name for name in NO_COLLECTIONS if name not in ["jobs", "batches", "stats", "constructor"])
    ),
    ("collection", "items"),
    *each("scope", None, 1, [], "bob", "Alice", "alice ", "#", "alice#0", "../x", "a" * 100_000),
    *each("owner", None, 1, [], "", "Alice", "bob", "alice\n", "a" * 64, "a" * 100_000),
    *each("at", None, 1, [], "", "now", "2026-11-29", "2026-11-29T00:00:00Z", "\u0661" * 24, "x" * 100_000),
    *each("v", None, 0, 1, 3, "2", [2], True, 2.5),
    *each("item_id", None, 7, "", "x" * 129),
    *each("command", None, [], "x", {}, {"operation": "create"}),
    ("command", {"operation": "create", "collection": "orders", "item": []}),
    ("command", {"operation": "renew", "item_id": "x"}),
    ("command", {"operation": "renew", "collection": "orders", "item_id": "x"}),
    ("command", {"operation": "re new", "collection": "subscriptions", "item_id": "x"}),
    ("command", {"operation": "renew", "collection": "subscriptions", "item_id": "another"}),
]


@pytest.mark.parametrize(("member", "value"), FORGED, ids=range(len(FORGED)))
def test_a_malformed_message_is_parked_once_and_touches_nothing(stage: Pipeline, member: str, value: Any) -> None:
    stage.do("POST", "/subscriptions", subscription("other"), owner="bob")
    theirs = {place: (dict(store.rows), dict(store.locks)) for place, store in stage.collections.opened.items()}
    message = waiting(stage, "POST", "/subscriptions", subscription())
    deliver(stage, {**message, member: value})
    assert len(stage.parked.messages) == 1
    job = stage.jobs.rows[message["job_id"]]
    assert job.status is Status.FAILED
    assert len(json.dumps(job.error)) < 1000
    for place, stored in theirs.items():
        assert (stage.collections.opened[place].rows, stage.collections.opened[place].locks) == stored


@pytest.mark.parametrize("member", ["collection", "scope", "owner", "at", "command", "item_id", "job_id"])
def test_a_message_needs_all_its_parts(stage: Pipeline, member: str) -> None:
    message = waiting(stage, "POST", "/subscriptions", subscription())
    del message[member]
    deliver(stage, message)
    assert len(stage.parked.messages) == 1


def test_a_message_with_another_scope_than_its_collection_changes_nothing(stage: Pipeline) -> None:
    """A release may have changed who sees the documents while the command was on its way."""
    for collection, scope in (("subscriptions", ""), ("orders", "alice")):
        body = order() if collection == "orders" else subscription()
        message = waiting(stage, "POST", f"/{collection}", body)
        deliver(stage, {**message, "scope": scope})
        job = stage.jobs.rows[message["job_id"]]
        assert (job.status, job.error["status"] if job.error else None) == (Status.FAILED, 400)
    assert not any(store.rows for store in stage.collections.opened.values())
    assert not stage.parked.messages
    stage.check_consistent()


def test_a_command_whose_schema_became_stricter_fails_with_a_reason_and_is_not_parked(stage: Pipeline) -> None:
    message = waiting(stage, "POST", "/orders", order())
    message["command"]["item"] = {"number": "A-1"}
    deliver(stage, message)
    job = stage.jobs.rows[message["job_id"]]
    assert job.error is not None
    assert {each["pointer"] for each in job.error["errors"]}
    assert (job.status, job.error["status"]) == (Status.FAILED, 400)
    assert job.kept is not None, "it can be retried by a release that takes it"
    assert not stage.parked.messages


@pytest.mark.parametrize("operation", ["create", "upsert"])
def test_a_document_is_stored_under_the_id_of_its_key_only(stage: Pipeline, operation: str) -> None:
    """A release may have changed the key while the command was on its way."""
    raw = {"operation": operation, "collection": "orders", "item": order()}
    message = waiting(stage, "POST", "/jobs", raw)
    deliver(stage, {**message, "item_id": "8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a"})
    job = stage.jobs.rows[message["job_id"]]
    assert (job.status, job.error["status"] if job.error else None) == (Status.FAILED, 400)
    assert not any(store.rows for store in stage.collections.opened.values())
    stage.check_consistent()


@given(st.data())
def test_a_forged_message_never_reaches_another_callers_documents(data: st.DataObject) -> None:
    stage = Pipeline(registry=shop())
    theirs = stage.do("POST", "/subscriptions", subscription(), owner="bob")["item_id"]
    message = waiting(stage, "DELETE", f"/subscriptions/{theirs}", None)
    junk = st.sampled_from(
        [*NO_COLLECTIONS[:-3], *NO_OPERATIONS[:12], theirs, "bob", "alice", "orders", "subscriptions", 2, 1]
    )
    for _ in range(data.draw(st.integers(0, 2))):
        member = data.draw(
            st.sampled_from([name for name in message if name not in {"owner", "job_id", "generation"}])
        )
        message[member] = data.draw(junk)
    before = dict(stage.collections.open("subscriptions", "bob").rows)
    deliver(stage, message)
    assert stage.collections.open("subscriptions", "bob").rows == before
    assert before.keys() == {theirs}
