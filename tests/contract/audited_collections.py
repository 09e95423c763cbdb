"""Documents of the shop's collections for the audit's tests: created, read, changed directly, and damaged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.jobs.job import Job
from scripts.audit.rows import LOOKUPS
from tests.contract.audited import Audited
from tests.helpers.shop import order, subscription

INVOICE, OTHER_INVOICE = "orders##invoice#i#7", "orders##invoice#i#8"
ALICE, BOB = "orders##customer#s#alice", "orders##customer#s#bob"
LONG_AGO = "2026-11-22T10:00:00.000Z"
LARGE = "x" * 500
LINES = [{"sku": "tent", "quantity": 1, "price": 1}] * 20  # so many do not fit in a row


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


# --- each kind of damage: it returns the subject of the finding ---------------------------------------------------


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
