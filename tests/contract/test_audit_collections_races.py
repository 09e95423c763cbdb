"""Collections that change between the reads of the audit, or before its repair: nothing valid is changed."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.documents.item import new_version
from scripts.audit.confirm import Confirm
from scripts.audit.confirm_lookups import ConfirmLookups
from scripts.audit.lookup_findings import DocumentWithoutLock
from scripts.audit.repair import repair
from scripts.audit.rows import LOOKUPS
from tests.contract.audited import Audited, one
from tests.contract.audited_collections import (
    ALICE,
    BOB,
    INVOICE,
    OTHER_INVOICE,
    create,
    entry_of,
    lock_for_nobody,
    put_entry,
    set_document,
)


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
