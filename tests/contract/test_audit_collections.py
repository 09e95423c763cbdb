"""The audit of collections other than items: documents, locks and index entries, on emulated AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.job import Job, Status
from scripts.audit.confirm import Confirm
from scripts.audit.confirm_lookups import ConfirmLookups
from scripts.audit.lookup_findings import DocumentWithoutLock
from scripts.audit.repair import repair
from scripts.audit.rows import COLLECTIONS, LOOKUPS
from scripts.audit.search import audit
from tests.contract.audited import Audited, one
from tests.helpers.shop import order, subscription

INVOICE, OTHER_INVOICE = "orders##invoice#i#7", "orders##invoice#i#8"
ALICE, BOB = "orders##customer#s#alice", "orders##customer#s#bob"
LONG_AGO = "2026-11-22T10:00:00.000Z"
LARGE = "x" * 500
LINES = [
    {
        "sku": "tent",
        "quantity": 1,
        "price": 1,
    }
] * 20  # so many do not fit in a row


def create(store: Audited, number: str = "A-1", **members: Any) -> ItemRef:
    return store.do("create", "orders", item=order(number, **{"invoice": 7, **members}))


def large(store: Audited) -> ItemRef:
    return create(store, lines=LINES, note=LARGE)


def entry_of(store: Audited, ref: ItemRef, value: str = ALICE) -> tuple[str, str, str]:
    """Return the table and the key of a document's index entry."""
    return LOOKUPS, f"x#{value}", f"{store.document(ref).updated_at}#{ref.item_id}"


def put_entry(store: Audited, value: str, at: str, item_id: str) -> None:
    store.put_row(LOOKUPS, value=f"x#{value}", entry=f"{at}#{item_id}", item_id=item_id)


def set_document(store: Audited, ref: ItemRef, **values: str) -> None:
    """Change attributes of the document's row directly."""
    row = store.resources.row(*store.resources.place(ref))
    changed: Any = {**(row or {}), **{name: {"S": value} for name, value in values.items()}}
    store.resources.clients.dynamodb.put_item(TableName=store.resources.collections_table, Item=changed)


def remove_document(store: Audited, ref: ItemRef) -> None:
    """Delete row and document, and leave locks and entries."""
    key = store.document(ref).document.key
    store.delete_row(*store.resources.place(ref))
    store.remove_versions(key)


def job_of(store: Audited, ref: ItemRef) -> Job:
    """Return the job that put the document's version."""
    job = store.stores.jobs.get(store.document(ref).document.key.rsplit("/", 3)[1])
    assert job is not None
    return job


# --- consistent states --------------------------------------------------------------------------------------------


def test_a_store_after_normal_commands_is_clean(store: Audited) -> None:
    first = create(store)
    create(store, "A-2", invoice=8, lines=LINES, note=LARGE)
    mine = store.do("create", "subscriptions", item=subscription(renewals=2))
    store.do("update", "orders", item_id=first.item_id, set={"customer": "bob"})
    store.do("pay", "orders", item_id=first.item_id, invoice=9)
    store.do("upsert", "orders", item=order(customer="eve", status="paid"))
    store.do("update", "subscriptions", item_id=mine.item_id, set={"seat": "a-2"})
    gone = create(store, "A-3", invoice=10)
    store.do("delete", "orders", item_id=gone.item_id)
    assert store.audit() == []
    assert len(store.document(first).entries) == len(store.document(first).locks) == 1


def test_the_states_of_lookups_are_no_documents(store: Audited) -> None:
    store.put_row(COLLECTIONS, partition="#indexes", item_id="orders", states='{"customer": "ready"}')
    assert store.audit() == []
    store.put_row(COLLECTIONS, partition="#indexes", item_id="orders", states="[]")
    assert store.kinds() == ["malformed row"]


def test_what_a_lookup_under_construction_has_already_is_no_finding(store: Audited) -> None:
    ref = create(store)
    set_document(store, ref, locks="{}", entries="{}")
    store.put_row(
        COLLECTIONS,
        partition="#indexes",
        item_id="orders",
        states=json_text.encode({"customer": "building", "invoice": "building"}),
    )
    assert store.audit() == []
    store.put_row(COLLECTIONS, partition="#indexes", item_id="orders", states='{"customer": "ready"}')
    assert store.kinds() == ["lock without document", "stale index entry"]


def test_a_change_within_the_same_millisecond_keeps_its_entry(store: Audited) -> None:
    ref = create(store)
    at = store.document(ref).updated_at
    set_document(store, ref, version=new_version(), updated_at=at)
    assert store.audit() == []


def test_a_stage_of_a_release_without_collections_is_audited(store: Audited) -> None:
    ref = create(store)
    store.create()
    older = replace(store.resources, collections_table="", lookups_table="")
    assert audit(older) == [], "the documents of collections are not taken for orphans"
    store.set_job(job_of(store, ref), status={"S": "queued"})
    (finding,) = findings = audit(older)
    assert finding.kind == "lost"
    (repaired,) = repair(findings, older)
    assert "without collections" in repaired.note
    assert store.exists(store.document(ref).document.key)
    assert job_of(store, ref).status is Status.QUEUED


# --- each kind of damage ------------------------------------------------------------------------------------------


def lock_for_nobody(store: Audited) -> str:
    store.put_row(LOOKUPS, value=f"u#{OTHER_INVOICE}", entry="lock", item_id="0" * 32)
    return OTHER_INVOICE


def unlocked(store: Audited) -> str:
    ref = create(store)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    return f"orders/{ref.item_id}"


def twice(store: Audited) -> str:
    create(store)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    create(store, "A-2")
    return INVOICE


def stale_entry(store: Audited) -> str:
    ref = create(store)
    put_entry(store, ALICE, LONG_AGO, ref.item_id)
    return f"{ALICE} {LONG_AGO}#{ref.item_id}"


def missing_entry(store: Audited) -> str:
    ref = store.do("create", "subscriptions", item=subscription())
    store.delete_row(*entry_of(store, ref, "subscriptions#alice#plan#s#free"))
    return f"subscriptions/alice/{ref.item_id}"


DAMAGES: dict[str, Callable[[Audited], str]] = {
    "lock without document": lock_for_nobody,
    "document without lock": unlocked,
    "value held twice": twice,
    "stale index entry": stale_entry,
    "missing index entry": missing_entry,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_reported_and_repaired(store: Audited, kind: str) -> None:
    create(store, "Z-1", invoice=99)
    subject = DAMAGES[kind](store)
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == (kind, subject)
    assert finding.detail
    (repaired,) = store.repair()
    assert repaired.mended == (kind != "value held twice")


def test_a_repaired_document_is_found_again_by_its_values(store: Audited) -> None:
    ref = create(store)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    store.delete_row(*entry_of(store, ref))
    store.repair()
    orders = store.stores.open_collection("orders", "")
    assert orders.holder(INVOICE) == ref.item_id
    assert orders.indexed(ALICE, 10, None).items == [store.document(ref)]
    store.do("delete", "orders", item_id=ref.item_id)
    assert store.audit() == []


def test_the_lock_and_entries_of_a_document_that_is_gone_are_deleted(store: Audited) -> None:
    ref = create(store)
    remove_document(store, ref)
    assert store.kinds() == ["lock without document", "stale index entry"]
    store.repair()
    assert store.audit() == []
    create(store)


def test_the_lock_of_another_document_is_replaced(store: Audited) -> None:
    ref, other = create(store), create(store, "A-2", invoice=8)
    store.put_row(LOOKUPS, value=f"u#{INVOICE}", entry="lock", item_id=other.item_id)
    assert store.kinds() == ["lock without document", "document without lock"]
    store.repair()
    assert store.resources.holder(INVOICE) == ref
    assert store.resources.holder(OTHER_INVOICE) == other


def test_a_recorded_value_that_differs_is_found_at_both_places(store: Audited) -> None:
    ref = create(store)
    set_document(
        store, ref, locks=json_text.encode({"invoice": OTHER_INVOICE}), entries=json_text.encode({"customer": BOB})
    )
    assert sorted(store.kinds()) == [
        "document without lock",
        "lock without document",
        "missing index entry",
        "stale index entry",
    ]
    store.repair()
    assert store.audit() == []


def test_the_same_value_of_another_owner_is_another_value(store: Audited) -> None:
    ref = store.do("create", "subscriptions", item=subscription())
    value = "subscriptions#alice#seat#s#a-1"
    assert list(store.document(ref).locks.values()) == [value]
    store.put_row(LOOKUPS, value="u#subscriptions#bob#seat#s#a-1", entry="lock", item_id=ref.item_id)
    finding = one(store.audit())
    assert finding.kind == "lock without document"
    store.repair()
    assert store.resources.holder(value) == ref


# --- documents ----------------------------------------------------------------------------------------------------


def test_a_deleted_document_is_restored(store: Audited) -> None:
    ref = large(store)
    item = store.document(ref)
    assert item.inline is None
    store.stores.documents.delete([item.document.key])
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == ("dangling pointer", f"orders/{ref.item_id}")
    store.repair()
    assert store.exists(item.document.key)


def test_a_missing_document_is_put_from_the_row(store: Audited) -> None:
    ref = create(store)
    before = store.document(ref)
    store.remove_versions(before.document.key)
    store.repair()
    after = store.document(ref)
    assert store.stores.documents.get(after.document) == (after.document, before.inline)
    assert replace(after, document=before.document) == before, "nothing else changes"
    store.do("pay", "orders", item_id=ref.item_id, invoice=7)
    assert store.audit() == []


@pytest.mark.parametrize("scoped", [False, True])
def test_a_document_without_a_row_is_deleted(store: Audited, scoped: bool) -> None:
    ref = store.do("create", "subscriptions", item=subscription()) if scoped else create(store)
    job = job_of(store, ref)
    store.do("delete", ref.collection, item_id=ref.item_id)
    key = ref.document_key(job.ref, new_version())
    assert key.count("/") == (6 if scoped else 5)
    store.stores.documents.put(key, "{}")
    store.set_job(job, status={"S": "failed"})
    finding = one(store.audit())
    assert (finding.kind, finding.subject, finding.remedy) == ("orphan document", key, "delete it")
    store.repair()
    assert not store.exists(key)


def test_the_only_copy_of_a_document_without_a_row_is_not_deleted(store: Audited) -> None:
    """An operation of the collection commits documents too."""
    ref = create(store)
    store.do("pay", "orders", item_id=ref.item_id, invoice=8)
    key = store.document(ref).document.key
    assert job_of(store, ref).operation == "pay"
    store.delete_row(*store.resources.place(ref))
    kinds = {each.kind: each for each in store.audit()}
    assert kinds["orphan document"].remedy is None
    store.repair()
    assert store.exists(key)


def test_the_documents_of_a_lost_job_are_deleted_and_a_committed_one_is_not(store: Audited) -> None:
    ref = create(store)
    job = job_of(store, ref)
    committed, other = store.document(ref).document.key, ref.document_key(job.ref, new_version())
    store.stores.documents.put(other, "{}")
    store.set_job(job, status={"S": "queued"})
    assert store.kinds() == ["lost"]
    store.repair()
    assert store.exists(committed)
    assert not store.exists(other)
    assert job_of(store, ref).status is Status.FAILED


# --- malformed rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"locks": '{"invoice": "orders#alice#invoice#i#7"}'}, "locks has"),
        ({"locks": '{"invoice": "orders##customer#i#7"}'}, "locks has"),
        ({"locks": '{"invoice": 7}'}, "locks has"),
        ({"locks": '{ "invoice": "orders##invoice#i#7" }'}, "locks is not in the form"),
        ({"entries": "[]"}, "entries is not a JSON object"),
        ({"entries": "[" * 5000}, "it cannot be read ("),
        ({"entries": '{"customer": "orders##customer#n#alice"}'}, "entries has"),
        ({"document_key": "items/a/b/c/d.json"}, "document_key is not the key of its document"),
        ({"updated_at": "yesterday"}, "'yesterday' is not a valid time"),
        ({"inline": "[]"}, "inline is not a JSON object"),
    ],
)
def test_a_malformed_document_is_a_finding_and_keeps_what_depends_on_it(
    store: Audited, values: dict[str, str], why: str
) -> None:
    ref = create(store)
    key, entry = store.document(ref).document.key, entry_of(store, ref)
    set_document(store, ref, **values)
    (repaired,) = store.repair()
    assert repaired.finding.kind == "malformed row"
    assert repaired.finding.subject.endswith(ref.item_id)
    assert why in repaired.finding.detail
    assert store.exists(key)
    assert store.resources.holder(INVOICE) == ref
    assert store.resources.row(*entry) is not None


@pytest.mark.parametrize(
    ("partition", "item_id"), [("orders##9", "0"), ("orders", "0"), ("items##0", "0"), ("orders##0", "x")]
)
def test_a_document_in_another_partition_is_malformed(store: Audited, partition: str, item_id: str) -> None:
    row = store.resources.row(*store.resources.place(create(store)))
    changed: Any = {**(row or {}), "partition": {"S": partition}, "item_id": {"S": item_id}}
    store.resources.clients.dynamodb.put_item(TableName=store.resources.collections_table, Item=changed)
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == ("malformed row", f"{partition} {item_id}")


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ("u#orders##invoice#i#7", "another"),
        ("u#orders#invoice#i#7", "lock"),
        ("z#orders##invoice#i#7", "lock"),
        ("x#orders##customer#s#alice", "lock"),
        ("x#orders##customer#s#alice", f"{LONG_AGO}#1"),
        ("", "lock"),
    ],
)
def test_a_malformed_lookup_is_a_finding(store: Audited, value: str, entry: str) -> None:
    store.put_row(LOOKUPS, value=value or "x", entry=entry, item_id="0")
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == ("malformed row", f"{value or 'x'} {entry}")
    assert finding.remedy is None


@pytest.mark.parametrize(
    "values", [{"scope": "bob"}, {"fingerprint": "No:ab"}, {"fingerprint": "ab", "scope": "alice"}]
)
def test_a_job_of_no_collection_is_malformed(store: Audited, values: dict[str, str]) -> None:
    job = job_of(store, create(store))
    store.set_job(job, **{name: {"S": value} for name, value in values.items()})
    assert store.kinds() == ["malformed row"]


# --- what changes between the reads -------------------------------------------------------------------------------


def test_a_lock_that_became_valid_is_not_deleted(store: Audited) -> None:
    ref = create(store)
    store.put_row(LOOKUPS, value=f"u#{OTHER_INVOICE}", entry="lock", item_id=ref.item_id)
    findings = store.audit()
    assert one(findings).kind == "lock without document"
    store.do("pay", "orders", item_id=ref.item_id, invoice=8)
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.audit() == []


def test_a_lock_that_another_document_has_taken_is_not_deleted(store: Audited) -> None:
    lock_for_nobody(store)
    findings = store.audit()
    store.delete_row(LOOKUPS, f"u#{OTHER_INVOICE}", "lock")
    ref = create(store, invoice=8)
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.resources.holder(OTHER_INVOICE) == ref


def test_a_document_that_was_changed_gets_no_lock_and_no_entry(store: Audited) -> None:
    ref = create(store)
    entry = entry_of(store, ref)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    store.delete_row(*entry)
    findings = store.audit()
    assert [finding.kind for finding in findings] == ["document without lock", "missing index entry"]
    store.do("pay", "orders", item_id=ref.item_id, invoice=8)
    assert [each.mended for each in repair(findings, store.resources)] == [False, False]
    assert store.resources.row(*entry) is None
    assert store.audit() == []


def test_a_document_does_not_get_the_lock_that_another_has_taken(store: Audited) -> None:
    create(store)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    findings = store.audit()
    assert isinstance(one(findings), DocumentWithoutLock)
    other = create(store, "A-2")
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.resources.holder(INVOICE) == other
    assert store.kinds() == ["value held twice"]


def test_an_entry_that_became_valid_in_the_same_millisecond_is_not_deleted(store: Audited) -> None:
    ref = create(store)
    at = store.document(ref).updated_at
    put_entry(store, BOB, at, ref.item_id)
    findings = store.audit()
    assert one(findings).kind == "stale index entry"
    entries = json_text.encode({"customer": BOB})
    set_document(store, ref, version=new_version(), entries=entries)
    store.delete_row(*entry_of(store, ref))
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.audit() == []


@pytest.mark.parametrize("name", ["locks", "entries"])
def test_what_the_building_of_a_lookup_has_recorded_since_is_not_deleted(store: Audited, name: str) -> None:
    """It changes what the row records, and neither its version nor the document."""
    ref = create(store)
    recorded = {"locks": json_text.encode({"invoice": INVOICE}), "entries": json_text.encode({"customer": ALICE})}
    row = store.resources.row(*store.resources.place(ref))
    without: Any = {key: value for key, value in (row or {}).items() if key != name}
    store.resources.clients.dynamodb.put_item(TableName=store.resources.collections_table, Item=without)
    findings = store.audit()
    assert one(findings).remedy is not None
    set_document(store, ref, **{name: recorded[name]})
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.audit() == []


def test_no_consistent_suspect_is_confirmed(store: Audited) -> None:
    """Every method gets a consistent suspect."""
    confirm = ConfirmLookups(store.resources)
    ref, other = create(store), create(store, "A-2", invoice=8)
    at = store.document(ref).updated_at
    place = (ref.collection, ref.scope, ref.item_id)
    suspected = [
        confirm.lock_without_document(INVOICE),
        confirm.lock_without_document("orders##invoice#i#9"),
        confirm.document_without_lock(INVOICE, *place),
        confirm.document_without_lock(OTHER_INVOICE, *place),
        confirm.document_without_lock(INVOICE, "orders", "", "0" * 32),
        confirm.value_held_twice(INVOICE, *place, other.item_id),
        confirm.stale_entry(ALICE, at, ref.item_id),
        confirm.stale_entry(BOB, at, ref.item_id),
        confirm.missing_entry(ALICE, *place),
        confirm.missing_entry(BOB, *place),
        confirm.missing_entry(ALICE, "orders", "", "0" * 32),
        Confirm(store.resources, now()).dangling_pointer(ref.item_id, store.document(ref).document.key, "orders"),
    ]
    assert suspected == [None] * len(suspected)


def test_suspects_that_became_consistent_are_not_findings(store: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their data changes between the scans and the confirmation."""
    ref = create(store)
    entry = entry_of(store, ref)
    store.delete_row(LOOKUPS, f"u#{INVOICE}", "lock")
    store.delete_row(*entry)
    assert len(store.audit()) == 2
    without_lock = ConfirmLookups.document_without_lock

    def change(confirm: ConfirmLookups, *suspect: str) -> Any:
        monkeypatch.setattr(ConfirmLookups, "document_without_lock", without_lock)
        store.do("pay", "orders", item_id=ref.item_id, invoice=9)
        return without_lock(confirm, *suspect)

    monkeypatch.setattr(ConfirmLookups, "document_without_lock", change)
    assert store.audit() == []
