"""Gives a document the locks and index entries that its collection's rules require, without changing the document.

A transaction writes the locks, the entries and their record in the row, if the row has not changed since it was
read. The version and the document do not change. If the row has changed, the document is read again: workers always
win, since they write locks and entries by the same rules.

A run that was overtaken by a deployment must not remove what the new rules need. `still_deployed` ends such a run
soon, and each transaction has the condition `same_rules`, since the process may have been suspended in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.item import MalformedItem, StoredItem
from jobpipe.domain.documents.item_rules import Document
from jobpipe.domain.errors import InvalidRequest, ItemChanged, Unavailable, ValueLocked
from jobpipe.domain.item_reader import document_text
from jobpipe.domain.ports import DocumentStore
from jobpipe.runtime.aws import ConditionsFailed, transact
from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection, if_unchanged, partition_key
from jobpipe.stores.dynamodb_rows import document_to_row
from scripts.stage.documents import Documents, Found

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The table of collections"
_TRIES = 20  # for a document that workers keep changing


@dataclass(frozen=True)
class Problem:
    """Why a document does not have all of its locks and entries."""

    scope: str  # the owner, where access is own
    item_id: str
    field: str  # empty if the document cannot be read
    detail: str
    other: str | None = None  # the document that has the same value of a unique field


@dataclass(frozen=True)
class Outcome:
    """The result of rebuilding a document."""

    changed: bool
    problems: list[Problem]


@dataclass(frozen=True)
class Rebuild:
    """Rebuilds single documents; threads may share it."""

    read: Documents
    bucket: DocumentStore
    collection: DeclaredCollection
    still_deployed: Callable[[], None]  # raises an error if the stage now has other rules
    same_rules: TransactWriteItemTypeDef  # the condition that the stage's rules have not changed
    _one_at_a_time: Lock = field(default_factory=Lock)

    def document(self, found: Found) -> Outcome:
        """Rebuild a document, whose row was read before the last call of `still_deployed`."""
        store, row = self.read.store(found.scope), found.row
        for _ in range(_TRIES):
            if isinstance(row, MalformedItem):
                return Outcome(False, [Problem(found.scope, row.item_id, "", "its row cannot be read")])
            outcome = self._rebuild(row, found.scope, store)
            if outcome is not None:
                return outcome
            again = store.get(row.item_id)
            if again is None:  # deleted, with its locks and entries
                return Outcome(False, [])
            self.still_deployed()
            row = again
        raise Unavailable(f"The document {row.item_id} is changing all the time; run this again later.")

    def _rebuild(self, row: StoredItem, scope: str, store: DynamoDbCollection) -> Outcome | None:
        """Write what the row lacks. Return None if the row has changed since it was read."""
        text = document_text(self.bucket, row)
        if text is None:
            if store.get(row.item_id) != row:
                return None
            return Outcome(False, [Problem(scope, row.item_id, "", "its document is not in the bucket")])
        wanted, problems = self._wanted(row, json_text.decode(text), scope)
        while (wanted.locks, wanted.entries) != (row.locks, row.entries):
            try:
                self._write(row, wanted, scope, store)
            except ItemChanged:
                return None
            except ValueLocked as taken:
                value = wanted.locks[taken.field]
                holder = taken.existing or store.holder(value)
                other = store.get(holder) if holder else None
                if other is not None and value in other.locks.values():
                    detail = f"another document has the same {taken.field}"
                elif holder is not None and store.holder(value) == holder:
                    detail = f"its {taken.field} is locked by a document that has another value: see make audit"
                else:
                    return None  # the other document now has another value, or no longer exists
                problems.append(Problem(scope, row.item_id, taken.field, detail, holder))
                wanted = replace(wanted, locks={k: v for k, v in wanted.locks.items() if k != taken.field})
            else:
                return Outcome(True, problems)
        return Outcome(False, problems)

    def _wanted(self, row: StoredItem, document: Document, scope: str) -> tuple[StoredItem, list[Problem]]:
        """Return the row as it should be, and the values that a look-up cannot have."""
        problems: list[Problem] = []

        def keys(names: tuple[str, ...]) -> dict[str, str]:
            found = {}
            for name in names:
                value = document.get(name)
                try:
                    if value is not None:
                        found[name] = self.collection.key_of(name, value, scope)
                except InvalidRequest as refusal:
                    problems.append(Problem(scope, row.item_id, name, refusal.detail))
            return found

        return replace(row, locks=keys(self.collection.unique), entries=keys(self.collection.indexes)), problems

    def _write(self, old: StoredItem, new: StoredItem, scope: str, store: DynamoDbCollection) -> None:
        """Write the row and its look-ups in one transaction.

        Raise ItemChanged if the row or the rules have changed, and ValueLocked if another document has a value.
        """
        locks, rest = store.lookup_writes(old, new)
        try:
            update = self._update(old, new, scope)
            # All transactions check the same row, so transactions of several threads would conflict.
            with self._one_at_a_time:
                transact(self.read.clients, _TABLE, [update, *locks.values(), *rest, self.same_rules])
        except ConditionsFailed as failed:
            position = failed.positions[0]
            if not 1 <= position <= len(locks):
                raise ItemChanged from failed
            row = failed.reasons[position].get("Item") or {}
            raise ValueLocked(list(locks)[position - 1], row.get("item_id", {}).get("S")) from failed

    def _update(self, old: StoredItem, new: StoredItem, scope: str) -> TransactWriteItemTypeDef:
        condition, values = if_unchanged(old), document_to_row(new)
        key = {"partition": partition_key(self.collection.name, scope, old.item_id), "item_id": old.item_id}
        has = {f":new_{name}": values[name] for name in ("locks", "entries") if name in values}
        sets = ", ".join(f"#{name} = :new_{name}" for name in ("locks", "entries") if name in values)
        removes = ", ".join(f"#{name}" for name in ("locks", "entries") if name not in values)
        update: Any = {
            "TableName": self.read.tables.collections,
            "Key": {name: {"S": value} for name, value in key.items()},
            "UpdateExpression": f"{f'SET {sets}' if sets else ''} {f'REMOVE {removes}' if removes else ''}".strip(),
            **condition,
            "ExpressionAttributeValues": {**condition["ExpressionAttributeValues"], **has},
        }
        return {"Update": update}
