"""Whether the tables and the bucket of a stage agree about the documents of its collections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.collection import Registry
from jobpipe.stores.documents.dynamodb_collections import LOCK, index_key, lock_key, partition_key
from jobpipe.stores.dynamodb_rows import document_from_row
from jobpipe.stores.stage.dynamodb_index_states import PARTITION


def disagreements(dynamodb: Any, s3: Any, resources: Mapping[str, str], registry: Registry) -> list[str]:
    """Return each row, lock, index entry and object that does not fit the others; the queues must be empty."""
    found: list[str] = []
    objects = _objects(s3, resources["documents_bucket"])
    lookups: set[tuple[str, str, str]] = set()
    for row in _rows(dynamodb, resources["collections_table"]):
        if row["partition"]["S"] == PARTITION:
            continue
        stored, (name, scope, _) = document_from_row(row), row["partition"]["S"].split("#")
        collection = registry.get(name)
        if collection is None or collection.scope(stored.owner) != scope:
            found.append(f"{name}/{stored.item_id} is in the scope {scope!r}, and its owner is {stored.owner}")
            continue
        if partition_key(name, scope, stored.item_id) != row["partition"]["S"]:
            found.append(f"{name}/{stored.item_id} is in the partition {row['partition']['S']}")
        text = objects.pop(stored.document.key, None)
        if text is None or stored.inline not in {None, text}:
            found.append(f"the document of {name}/{stored.item_id} is not the one of its row")
            continue
        document = json_text.decode(text)
        locks, entries = collection.locks(document, scope), collection.entries(document, scope)
        if (locks, entries) != (stored.locks, stored.entries):
            found.append(f"{name}/{stored.item_id} has other values than its document")
        lookups |= {(lock_key(value), LOCK, stored.item_id) for value in locks.values()}
        lookups |= {
            (index_key(value), f"{stored.updated_at}#{stored.item_id}", stored.item_id)
            for value in entries.values()
        }
    there = {
        (row["value"]["S"], row["entry"]["S"], row["item_id"]["S"])
        for row in _rows(dynamodb, resources["lookups_table"])
    }
    found += [f"the look-up {row} is missing" for row in sorted(lookups - there)]
    found += [f"the look-up {row} is of no document" for row in sorted(there - lookups)]
    return found + [f"no row names the document {key}" for key in objects]


def _rows(dynamodb: Any, table: str) -> Iterator[Any]:
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _objects(s3: Any, bucket: str) -> dict[str, str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="collections/")
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys}
