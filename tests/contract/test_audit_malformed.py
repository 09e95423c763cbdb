"""Malformed rows are findings and not errors, and repairs do not change data that depends on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import DeleteItem, SetFields
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.jobs.batch import RequestedBatch, new_batch
from jobpipe.domain.jobs.job import KeptCommand, Status, Success
from jobpipe.stores.jobs.batch_rows import batch_to_row
from scripts.audit.attributes import MalformedRowError
from scripts.audit.findings import MalformedRow, OrphanDocument
from scripts.audit.repair import repair
from scripts.audit.rows import COLLECTIONS, ITEMS, JOBS, KEYS, check_row
from tests.contract.audited import LARGE, Audited, claim_of, new_create, one
from tests.helpers.shop import order, subscription
from tests.helpers.stored import document_key

# --- one row, damaged at random -----------------------------------------------------------------------------------


@dataclass
class Row:
    """One row of a table."""

    table: str
    values: dict[str, Any]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(str(self.values[name]["S"]) for name in KEYS[self.table])

    @property
    def subject(self) -> str:
        return " ".join(self.key)

    @property
    def others(self) -> list[str]:
        return sorted(set(self.values) - {*KEYS[self.table]})


def rows_of(store: Audited) -> list[Row]:
    """Store rows of every kind, small and large, and return all rows."""
    for text in ("x", LARGE):
        store.apply(SetFields(store.create(text=text).item_id, {"price": 1}))
    store.apply(DeleteItem(store.create().item_id))
    store.do("create", "orders", item=order(invoice=7))
    store.do("create", "subscriptions", item=subscription(renewals=3))
    store.put_row(COLLECTIONS, partition="#indexes", item_id="orders", states='{"customer": "building"}')
    command = new_create()
    failed = store.accept(command)
    store.fail(failed, KeptCommand(command=json_text.encode(command.to_raw())))
    large = store.accept(new_create())
    store.stores.documents.put(claim_of(large), "{}")
    store.fail(large, KeptCommand(claim=claim_of(large)))
    waiting = store.accept(new_create())
    store.stores.jobs.begin_attempt(waiting.ref, 0, now())
    refused = {0: {"type": "urn:jobpipe:problem:invalid-request", "status": 400}}
    emitting = store.accept(new_create())
    store.stores.jobs.succeed(emitting.ref, Success(emitted_events='[["x",{}]]'), now())
    batch = new_batch(
        RequestedBatch({}, {}, refused, "f" * 64), "alice", None, now(), store.resources.job_retention
    )
    put(store, Row(JOBS, dict(batch_to_row(batch))))
    return [
        Row(table, dict(row))
        for table in KEYS
        for row in store.resources.clients.dynamodb.scan(TableName=store.resources.table(table))["Items"]
    ]


def put(store: Audited, row: Row) -> None:
    store.resources.clients.dynamodb.put_item(TableName=store.resources.table(row.table), Item=row.values)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.one_of(
    TEXT.map(lambda text: {"S": text}),
    st.sampled_from(["{", "[]", "null", '{"a":1,"a":2}', "[" * 5000, "1e999999", "x" * 1500]).map(
        lambda text: {"S": text}
    ),
    st.sampled_from(
        ["0001-01-01T00:00:00.000Z", "2026-11-22", "9999-12-31T23:59:59.999Z", "items/a/b", "claims/x"]
    ).map(lambda text: {"S": text}),
    st.sampled_from(["0", "-1", "1.5", "1E+100", "99999999999999999999"]).map(lambda text: {"N": text}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.just({"L": [{"S": "x"}]}),
    st.just({"M": {}}),
    st.just({"B": b"\xff"}),
    st.just({"SS": ["a"]}),
)


def test_rows_damaged_at_random_are_findings_and_not_errors(store: Audited) -> None:
    rows = rows_of(store)
    before = {(each.kind, each.subject) for each in store.audit()}
    assert before, "one job has no message"

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def damage(data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(rows))
        damaged = Row(row.table, dict(row.values))
        for name in data.draw(st.lists(st.sampled_from(row.others), min_size=1, max_size=3, unique=True)):
            if data.draw(st.booleans()):
                del damaged.values[name]
            else:
                damaged.values[name] = data.draw(VALUES)
        try:
            put(store, damaged)
        except ClientError:  # DynamoDB checks the type of an index's attribute
            return
        stored: Any = store.resources.row(row.table, *row.key)  # DynamoDB normalises numbers
        damaged = Row(row.table, stored)
        try:
            found = store.audit()
        finally:
            put(store, row)
        malformed = [(each.subject, each.why) for each in found if isinstance(each, MalformedRow)]
        reason = violation(damaged)
        if reason is None or _is_expired(damaged):
            assert malformed == []
        else:
            assert malformed == [(row.subject, reason)]
            assert {(each.kind, each.subject) for each in found} - before == {("malformed row", row.subject)}

    damage()
    assert {(each.kind, each.subject) for each in store.audit()} == before


def violation(row: Row) -> str | None:
    """Return why the row is not valid in its table, or None."""
    try:
        check_row(row.table, row.values)
    except MalformedRowError as error:
        return str(error)
    return None


def _is_expired(row: Row) -> bool:
    try:
        return int(row.values["expires_at"]["N"]) <= now().timestamp()
    except (KeyError, ValueError):
        return False


@pytest.mark.parametrize("table", KEYS)
def test_the_name_of_a_missing_or_wrong_attribute_is_reported(store: Audited, table: str) -> None:
    for row in (each for each in rows_of(store) if each.table == table):
        check_row(table, row.values)
        for name in row.others:
            without = {each: value for each, value in row.values.items() if each != name}
            assert name in str(violation(Row(table, row.values | {name: {"BOOL": True}})))
            assert name in (violation(Row(table, without)) or name), "unless the attribute is optional"


@pytest.mark.parametrize("damage", [{"document_key": {"N": "1"}}, {"updated_at": {"S": "yesterday"}}])
def test_the_document_of_a_malformed_row_is_not_deleted(store: Audited, damage: dict[str, Any]) -> None:
    item = store.create(text=LARGE)
    row: Any = store.resources.row(ITEMS, item.item_id)
    put(store, Row(ITEMS, row | damage))
    (repaired,) = store.repair()
    assert isinstance(repaired.finding, MalformedRow)
    assert not repaired.mended
    assert store.exists(item.document.key)
    assert store.resources.lock_holder(item.name) == item.item_id


def test_the_objects_of_a_malformed_job_are_not_deleted(store: Audited) -> None:
    job = store.accept(new_create())
    keys = (document_key(job.item_id, job.ref, new_version()), claim_of(job))
    for key in keys:
        store.stores.documents.put(key, "{}")
    store.set_job(job, status={"S": "done"})
    assert store.kinds() == ["malformed row"]
    store.repair()
    assert all(map(store.exists, keys))


@pytest.mark.parametrize("text", ["{", "7", '["shipped"]', '[["shipped"]]', '[["shipped",7]]', '{"shipped":{}}'])
def test_events_that_cannot_be_read_are_a_malformed_row(store: Audited, text: str) -> None:
    job = store.accept(new_create())
    store.stores.jobs.succeed(job.ref, Success(emitted_events='[["shipped",{}]]'), now())
    assert store.kinds() == []
    store.set_job(job, emitted={"S": text})
    assert store.kinds() == ["malformed row"]


def test_a_row_that_is_damaged_between_audit_and_repair_is_not_changed(store: Audited) -> None:
    job = store.accept(new_create())
    store.stores.jobs.begin_attempt(job.ref, 0, now())
    item = store.create()
    store.unlock(item.name)
    findings = store.audit()
    values = {"item_id": {"S": job.item_id}}
    store.resources.clients.dynamodb.put_item(TableName=store.resources.items_table, Item=values)
    repaired = {each.finding.kind: each for each in repair(findings, store.resources)}
    assert not repaired["lost"].mended
    assert "cannot be read" in repaired["lost"].note
    assert store.job(job).status is Status.QUEUED
    assert repaired["item without lock"].mended, "the other findings are repaired"


# --- the only copy of a committed document ------------------------------------------------------------------------


def lose_row(store: Audited, item_id: str) -> None:
    resources = store.resources
    resources.clients.dynamodb.delete_item(TableName=resources.items_table, Key={"item_id": {"S": item_id}})


@pytest.mark.parametrize("text", ["x", LARGE])
@pytest.mark.parametrize("updated", [False, True])
def test_the_document_of_an_item_without_a_row_is_not_deleted_while_its_job_exists(
    store: Audited, text: str, updated: bool
) -> None:
    command = new_create()
    job = store.apply(
        replace(command, document=command.document | {"description": text}) if text != "x" else command
    )
    if updated:
        job = store.apply(SetFields(command.item_id, {"price": 1}))
    key = store.item(command.item_id).document.key
    lose_row(store, command.item_id)
    kinds = {each.kind: each for each in store.audit()}
    assert kinds.keys() == {"orphan document", "lock without item"}
    finding = kinds["orphan document"]
    assert finding.remedy is None
    assert "only copy" in finding.detail
    repaired = store.repair()
    assert [each.mended for each in repaired if isinstance(each.finding, OrphanDocument)] == [False]
    assert store.exists(key)
    assert job.status is Status.SUCCEEDED


def test_an_older_document_is_not_deleted_while_the_rows_document_is_missing(store: Audited) -> None:
    item = store.create(text=LARGE)
    job = store.apply(SetFields(item.item_id, {"price": 1}))
    assert job.old_document_key == item.document.key
    store.stores.documents.put(item.document.key, "{}")  # restored by hand
    store.remove_versions(store.item(item.item_id).document.key)
    other = document_key(item.item_id, replace(job.ref, generation="ab" * 8), new_version())
    store.stores.documents.put(other, "{}")
    found = {each.subject: each.remedy for each in store.audit()}
    assert found[item.document.key] == "delete it", "a job has superseded it"
    assert found[other] == "delete it", "its job was retried, so it was never committed"
    store.expire(job)
    found = {each.subject: each.remedy for each in store.audit()}
    assert found[item.document.key] is None, "no row shows that it was superseded"
    store.repair()
    assert store.exists(item.document.key)


def test_the_document_of_a_deleted_item_is_deleted(store: Audited) -> None:
    item = store.create(text=LARGE)
    store.apply(DeleteItem(item.item_id))
    store.stores.documents.put(item.document.key, "{}")  # as if the clean-up had failed
    finding = one(store.audit())
    assert (finding.kind, finding.remedy) == ("orphan document", "delete it")
    store.repair()
    assert not store.exists(item.document.key)


def test_the_document_of_another_attempt_is_deleted_if_the_job_names_its_own(store: Audited) -> None:
    command = new_create()
    job = store.apply(replace(command, document=command.document | {"description": LARGE}))
    other = document_key(command.item_id, job.ref, new_version())
    store.stores.documents.put(other, "{}")
    lose_row(store, command.item_id)
    found = {each.subject: each.remedy for each in store.audit() if each.kind == "orphan document"}
    assert found.pop(other) == "delete it"
    assert list(found.values()) == [None]
