"""The audit of malformed rows of collections: each is a finding, and what depends on it is kept."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.audit.rows import LOOKUPS
from tests.contract.audited import Audited, one
from tests.contract.audited_collections import INVOICE, LONG_AGO, create, entry_of, job_of, set_document


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
