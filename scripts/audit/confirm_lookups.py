"""Confirms suspects among locks and index entries by consistent reads, as confirm.py does for other suspects."""

from __future__ import annotations

from dataclasses import dataclass

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.stores.documents.dynamodb_collections import index_key
from scripts.audit.findings import Finding, subject_of
from scripts.audit.lookup_findings import (
    DocumentWithoutLock,
    LockWithoutDocument,
    MissingEntry,
    StaleEntry,
    ValueHeldTwice,
)
from scripts.audit.resources import Resources


@dataclass(frozen=True, slots=True)
class ConfirmLookups:
    """Confirms the suspects of each check."""

    resources: Resources

    def lock_without_document(self, value: str) -> Finding | None:
        # Read the lock twice and the document between. A lock and its document are put in one transaction, so the
        # document did not have the value while the lock existed, unless it was changed and changed back.
        holder = self.resources.holder(value)
        if holder is None:
            return None
        item = self.resources.document(holder)
        if has_value(item, value) or self.resources.holder(value) != holder:
            return None
        return LockWithoutDocument(value, holder, item)

    def document_without_lock(self, value: str, collection: str, scope: str, item_id: str) -> Finding | None:
        # Read the row twice and the lock between: versions never come back, so the row did not change meanwhile.
        ref = ItemRef(collection, scope, item_id)
        item = self.resources.document(ref)
        if item is None or not has_value(item, value):
            return None
        holder = self.resources.holder(value)
        if holder == ref or self.resources.document(ref) != item:
            return None
        if holder is not None and has_value(self.resources.document(holder), value):
            return ValueHeldTwice(value, (ref, holder), holder)
        return DocumentWithoutLock(subject_of(ref), ref, item, value, holder)

    def value_held_twice(self, value: str, collection: str, scope: str, *item_ids: str) -> Finding | None:
        refs = tuple(ItemRef(collection, scope, item_id) for item_id in item_ids)
        items = [self.resources.document(ref) for ref in refs]
        # Read the first document again, to see that it had the value while the second document was read.
        if not all(has_value(item, value) for item in items) or self.resources.document(refs[0]) != items[0]:
            return None
        return ValueHeldTwice(value, refs, self.resources.holder(value))

    def stale_entry(self, value: str, at: str, item_id: str) -> Finding | None:
        # Read the entry twice and the document between, as for a lock. An entry can come back only by a change in
        # the same millisecond; the repair requires that the document has not changed since it was read here.
        entry = f"{at}#{item_id}"
        found = self.resources.lookup(index_key(value), entry)
        if found is None:
            return None
        item = self.resources.document(found.ref)
        if has_entry(item, value, at) or self.resources.lookup(index_key(value), entry) is None:
            return None
        return StaleEntry(f"{value} {entry}", found.ref, item, value, at)

    def missing_entry(self, value: str, collection: str, scope: str, item_id: str) -> Finding | None:
        # Read the row twice and the entry between.
        ref = ItemRef(collection, scope, item_id)
        item = self.resources.document(ref)
        if item is None or value not in item.entries.values():
            return None
        entry = self.resources.lookup(index_key(value), f"{item.updated_at}#{item_id}")
        if entry is not None or self.resources.document(ref) != item:
            return None
        return MissingEntry(subject_of(ref), ref, item, value)


def has_value(item: StoredItem | None, value: str) -> bool:
    """Return whether the document exists and should hold the lock of this value."""
    return item is not None and value in item.locks.values()


def has_entry(item: StoredItem | None, value: str, at: str) -> bool:
    """Return whether the document exists and should have this index entry."""
    return item is not None and item.updated_at == at and value in item.entries.values()
