"""The audit of collections other than items: documents, locks and index entries, on emulated AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobpipe.domain import json_text
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.jobs.job import Status
from scripts.audit.repair import repair
from scripts.audit.rows import COLLECTIONS, LOOKUPS
from scripts.audit.search import audit
from tests.contract.audited import Audited, one
from tests.contract.audited_collections import (
    ALICE,
    BOB,
    DAMAGES,
    INVOICE,
    LARGE,
    LINES,
    OTHER_INVOICE,
    create,
    entry_of,
    job_of,
    large,
    remove_document,
    set_document,
)
from tests.helpers.shop import order, subscription

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
    assert orders.list_with_value(ALICE, 10, None).items == [store.document(ref)]
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
