"""Checks whether a row of the tables of collections and of look-ups is valid."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from jobpipe.domain import json_text
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS, ItemRef
from jobpipe.stores.documents.dynamodb_collections import LOCK, index_key, lock_key, partition_key
from jobpipe.stores.dynamodb_rows import Row, document_from_row
from jobpipe.stores.stage.dynamodb_index_states import PARTITION, states_of
from jobpipe.stores.stage.dynamodb_pause import PARTITION as STAGE_PARTITION
from jobpipe.stores.stage.dynamodb_pause import paused_at_of
from scripts.audit.attributes import MalformedRowError, check_attributes, check_json, check_times, parse_row
from scripts.audit.object_keys import SCOPE, parse_document_key

_PLACE = rf"(?P<collection>{COLLECTION_NAME.pattern})#(?P<scope>(?:{SCOPE})?)#"
_PARTITION = re.compile(rf"{_PLACE}[0-9]+")
_VALUE_KEY = re.compile(rf"{_PLACE}(?P<field>[A-Za-z0-9_.~%-]+)#(?:s#.+|i#-?[0-9]+)", re.DOTALL)
_ID = re.compile(r"[^#/]*[0-9a-f]")
_DOCUMENT = {
    **dict.fromkeys(("version", "document_key", "document_version", "created_at", "updated_at", "owner"), "S"),
    "item_id": "S",
}
_DOCUMENT_OPTIONAL = dict.fromkeys(("inline", "locks", "entries"), "S")


@dataclass(frozen=True, slots=True)
class Lookup:
    """A row of the table of look-ups: the lock of a unique value, or an entry of an index."""

    value_key: str
    ref: ItemRef  # the document that has the value
    field: str  # as the value key has it, escaped
    at: str  # of an entry: when the document was changed; empty for a lock

    @property
    def is_lock(self) -> bool:
        return not self.at


def is_pause(row: Row) -> bool:
    """Return whether the row says that the stage is paused, and so is not a document."""
    return row["partition"].get("S") == STAGE_PARTITION


def check_pause(row: Row) -> None:
    """Raise MalformedRowError if the row is not valid."""
    check_attributes(row, {"paused_at": "S"}, {})
    parse_row(paused_at_of, row)


def is_index_state(row: Row) -> bool:
    """Return whether the row says which look-ups of a collection are ready, and so is not a document."""
    return row["partition"].get("S") == PARTITION


def check_index_state(row: Row) -> Mapping[str, str]:
    """Return the states by field; raise MalformedRowError if the row is not valid."""
    check_attributes(row, {"states": "S"}, {})
    check_json("states", row["states"]["S"])
    return parse_row(states_of, row)


def check_document(row: Row) -> tuple[ItemRef, StoredItem]:
    """Return the document in a row, and its place; raise MalformedRowError if the row is not valid."""
    check_attributes(row, _DOCUMENT, _DOCUMENT_OPTIONAL)
    item, partition = parse_row(document_from_row, row), row["partition"]["S"]
    match = _PARTITION.fullmatch(partition)
    if match is None or match["collection"] == ITEMS or not _ID.fullmatch(item.item_id):
        raise MalformedRowError("partition or item_id cannot belong to a document")
    ref = ItemRef(match["collection"], match["scope"], item.item_id)
    if partition_key(ref.collection, ref.scope, item.item_id) != partition:
        raise MalformedRowError("partition does not belong to item_id")
    key = parse_document_key(item.document.key)
    if key is None or key[0] != ref:
        raise MalformedRowError("document_key is not the key of its document")
    check_times(item.created_at, item.updated_at)
    check_json("inline", item.inline)
    for name, values in (("locks", item.locks), ("entries", item.entries)):
        _check_values(name, values, ref)
        # The worker's conditions compare the text that it would write, so a row with another text can never change.
        if name in row and row[name]["S"] != json_text.encode(values):
            raise MalformedRowError(f"{name} is not in the form in which jobpipe writes it")
    return ref, item


def check_lookup(row: Row) -> Lookup:
    """Return the lock or the index entry in a row; raise MalformedRowError if the row is not valid."""
    check_attributes(row, {"item_id": "S"}, {})
    value, entry, item_id = row["value"]["S"], row["entry"]["S"], row["item_id"]["S"]
    value_key = value[2:]
    match = _VALUE_KEY.fullmatch(value_key)
    if match is None or not _ID.fullmatch(item_id):
        raise MalformedRowError("value or item_id cannot belong to a document of a collection")
    at, at_id = "", item_id
    if value == index_key(value_key):
        at, _, at_id = entry.partition("#")
        check_times(at)
    elif value != lock_key(value_key) or entry != LOCK:
        raise MalformedRowError("it is neither a lock nor an index entry")
    if at_id != item_id:
        raise MalformedRowError("entry names another document than item_id")
    return Lookup(value_key, ItemRef(match["collection"], match["scope"], item_id), match["field"], at)


def _check_values(name: str, values: object, ref: ItemRef) -> None:
    if not isinstance(values, dict):
        raise MalformedRowError(f"{name} is not a JSON object")
    for field, value_key in values.items():
        start = f"{ref.collection}#{ref.scope}#{quote(field, safe='')}#"
        if not isinstance(value_key, str) or not value_key.startswith(start) or not _VALUE_KEY.fullmatch(value_key):
            raise MalformedRowError(f"{name} has {value_key!r}, which is not a value of {field}")
