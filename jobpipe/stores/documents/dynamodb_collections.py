"""The documents of collections other than `items`, with their locks and index entries, and their transactions.

    table collections   partition = orders##2          item_id = 8f14…    one row for each document
    table lookups       value = u#orders##invoice#i#7  entry = lock       the document that has a unique value
                        value = x#orders##customer#s#alice   entry = 2026-11-22T20:57:44.123Z#8f14…   an index entry

A collection has four partitions for each scope, so that a page reads no row of another collection or owner, and one
busy collection is not limited to the 1,000 writes a second of one partition. Index entries are written in the same
transaction as the document (docs/decisions/0045).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobpipe.domain.documents.item import (
    Change,
    Created,
    IndexPage,
    ItemPage,
    MalformedItem,
    Removed,
    Replaced,
    StoredItem,
    old_and_new,
)
from jobpipe.domain.errors import CommitRefused, ItemChanged, Unavailable, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Success
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, aws_call
from jobpipe.stores.batch_reads import read_batch
from jobpipe.stores.documents.item_transactions import commit_change
from jobpipe.stores.dynamodb_rows import document_from_row, document_to_row, to_row
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

PARTITIONS = 4
"""The partitions of a collection in one scope; each takes 1,000 writes a second."""
LOCK = "lock"
"""The sort key of the row that locks a unique value."""
_TABLE, _LOOKUPS = "The table of collections", "The table of look-ups"


def partition_key(collection: str, scope: str, item_id: str) -> str:
    """Return the partition of a document; ids are random or hashes, so their last digit spreads them evenly."""
    return _partition(collection, scope, int(item_id[-1:], 16) % PARTITIONS)


def partitions(collection: str, scope: str) -> list[str]:
    """Return all partitions of the collection in a scope."""
    return [_partition(collection, scope, number) for number in range(PARTITIONS)]


def _partition(collection: str, scope: str, number: int) -> str:
    return f"{collection}#{scope}#{number}"


def lock_key(value_key: str) -> str:
    """Return the partition key of the lock of a unique value."""
    return f"u#{value_key}"


def index_key(value_key: str) -> str:
    """Return the partition key of the entries of an indexed value."""
    return f"x#{value_key}"


class DynamoDbCollection:
    """CollectionStore on DynamoDB, for one collection in one scope."""

    def __init__(
        self, clients: AwsClients, tables: tuple[str, str], jobs: DynamoDbJobs, collection: str, scope: str
    ) -> None:
        """`tables` are the names of the tables of collections and of look-ups."""
        self._clients = clients
        self._documents, self._lookups = tables
        self._jobs = jobs
        self._collection = collection
        self._scope = scope

    def get(self, item_id: str) -> StoredItem | None:
        """Return the document's row."""
        key = self._key(item_id)
        if key is None:
            return None
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(TableName=self._documents, Key=key, ConsistentRead=True)
        return document_from_row(response["Item"]) if response.get("Item") else None

    def page(self, limit: int, after: str | None) -> ItemPage:
        """Return up to `limit` documents that follow the id `after`, one partition after the other."""
        found: list[StoredItem | MalformedItem] = []
        every = partitions(self._collection, self._scope)
        start = 0 if after is None else every.index(partition_key(self._collection, self._scope, after))
        for partition in every[start:]:
            more = True
            while more:  # a response ends at 1 MB too, before `limit` is reached
                rows, more = self._query(partition, limit - len(found), after)
                found += map(_document_or_malformed, rows)
                after = found[-1].item_id if more else None
                if len(found) == limit:
                    last = partition == every[-1] and not more
                    return ItemPage(found, None if last else found[-1].item_id)
        return ItemPage(found, None)

    def holder(self, value_key: str) -> str | None:
        """Return the id of the document that has this value of a unique field."""
        with aws_call(_LOOKUPS):
            response = self._clients.dynamodb.get_item(
                TableName=self._lookups, Key=_lock_row_key(value_key), ConsistentRead=True
            )
        row = response.get("Item")
        return row["item_id"]["S"] if row else None

    def list_with_value(self, value_key: str, limit: int, after: str | None) -> IndexPage:
        """Return up to `limit` documents that have this value of an indexed field, newest change first."""
        start: Any = {}
        if after is not None:
            start = {"ExclusiveStartKey": {"value": {"S": index_key(value_key)}, "entry": {"S": after}}}
        with aws_call(_LOOKUPS):
            response = self._clients.dynamodb.query(
                TableName=self._lookups,
                KeyConditionExpression="#value = :value",
                ExpressionAttributeNames={"#value": "value"},
                ExpressionAttributeValues={":value": {"S": index_key(value_key)}},
                ScanIndexForward=False,
                Limit=limit,
                ConsistentRead=True,
                **start,
            )
        # A query during a transaction may find both the entry that is removed and its successor.
        ids = list(dict.fromkeys(row["item_id"]["S"] for row in response["Items"]))
        rows = self._rows(ids) if ids else {}
        # A document that was changed between the two reads may have another value now.
        documents = [rows[each] for each in ids if each in rows and value_key in rows[each].entries.values()]
        last: Any = response.get("LastEvaluatedKey")
        return IndexPage(documents, last["entry"]["S"] if last else None)

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        """Change the document, its locks and entries and end the job, all or nothing."""
        commit_change(self._clients, _TABLE, self._jobs.success_update(ref, success, at), self, change)

    def key(self, item_id: str) -> tuple[str, Any]:
        """Return the table and the key of the document's row; the key is None if there can be no such row."""
        return self._documents, self._key(item_id)

    def from_row(self, row: Any) -> StoredItem:
        """Return the document of a row; a malformed one raises KeyError, TypeError, ValueError, RecursionError."""
        return document_from_row(row)

    def change_writes(self, change: Change) -> list[TransactWriteItemTypeDef]:
        """Return the writes of a change: the document, the new locks, and then the writes that always succeed."""
        old, new = old_and_new(change)
        locks, rest = self.lookup_writes(old, new)
        match change:
            case Created(created):
                row = self._put(created, "attribute_not_exists(item_id)")
            case Replaced(before, after):
                row = self._put(after, if_unchanged(before))
            case Removed(before):
                row = self._remove(before)
        return [row, *locks.values(), *rest]

    def checks_of_values(
        self, intermediate: Sequence[StoredItem], change: Change | None
    ) -> list[TransactWriteItemTypeDef]:
        """Return the conditions that the unique values of these versions are free, except values of the change."""
        own = {value for each in old_and_new(change) if each is not None for value in each.locks.values()}
        values = dict.fromkeys(value for each in intermediate for value in each.locks.values() if value not in own)
        return [{"ConditionCheck": self._if_free(value, intermediate[0].item_id)} for value in values]

    def refusal_of_lock(self, error: ConditionsFailed, change: Change | None) -> CommitRefused:
        """Return the error that another document has a unique value, with the document's id if it is known."""
        fields = list(self.lookup_writes(*old_and_new(change))[0])
        position = error.positions[0]
        if position - 2 >= len(fields):
            return ItemChanged()  # the lock of the old version is another document's: only a manual edit does that
        row = error.reasons[position].get("Item") or {}
        return ValueLocked(fields[position - 2], row.get("item_id", {}).get("S"))

    def lookup_writes(
        self, old: StoredItem | None, new: StoredItem | None
    ) -> tuple[dict[str, TransactWriteItemTypeDef], list[TransactWriteItemTypeDef]]:
        """Return the writes of the locks that are new, by field, and the other writes of look-ups."""
        old_locks, new_locks = dict(old.locks) if old else {}, dict(new.locks) if new else {}
        locks = {
            field: self._lock(value, new.item_id)
            for field, value in new_locks.items()
            if new is not None and old_locks.get(field) != value
        }
        rest = [
            self._unlock(value, old.item_id)
            for field, value in old_locks.items()
            if old is not None and new_locks.get(field) != value
        ]
        if old is not None:
            rest += [self._remove_entry(value, old) for value in old.entries.values() if not _same(old, new, value)]
        if new is not None:
            rest += [self._put_entry(value, new) for value in new.entries.values() if not _same(new, old, value)]
        return locks, rest

    def _key(self, item_id: str) -> Any:
        """Return the key of the document's row, or None if the service never assigns such an id."""
        if not item_id[-1:] or item_id[-1] not in "0123456789abcdef":
            return None
        partition = partition_key(self._collection, self._scope, item_id)
        return {"partition": {"S": partition}, "item_id": {"S": item_id}}

    def _query(self, partition: str, limit: int, after: str | None) -> tuple[list[Any], bool]:
        condition, values = "#partition = :partition", {":partition": {"S": partition}}
        if after is not None:
            condition, values = f"{condition} AND item_id > :after", {**values, ":after": {"S": after}}
        with aws_call(_TABLE):
            response = self._clients.dynamodb.query(
                TableName=self._documents,
                KeyConditionExpression=condition,
                ExpressionAttributeNames={"#partition": "partition"},
                ExpressionAttributeValues=values,
                Limit=limit,
                ConsistentRead=True,
            )
        return response["Items"], "LastEvaluatedKey" in response

    def _rows(self, ids: Sequence[str]) -> dict[str, StoredItem]:
        """Return the rows of these documents, at most 100."""
        requests: Any = {self._documents: {"Keys": [self._key(each) for each in ids], "ConsistentRead": True}}
        found, unread = read_batch(self._clients, _TABLE, requests)
        if unread:
            raise Unavailable(f"{_TABLE} does not return all rows of the page.")
        return {item.item_id: item for item in _readable(found[self._documents])}

    def _put(self, new: StoredItem, condition: str | dict[str, Any]) -> TransactWriteItemTypeDef:
        put: Any = {
            "TableName": self._documents,
            "Item": {**document_to_row(new), **self._key(new.item_id)},
            **(condition if isinstance(condition, dict) else {"ConditionExpression": condition}),
        }
        return {"Put": put}

    def _remove(self, old: StoredItem) -> TransactWriteItemTypeDef:
        delete: Any = {"TableName": self._documents, "Key": self._key(old.item_id), **if_unchanged(old)}
        return {"Delete": delete}

    def _lock(self, value_key: str, item_id: str) -> TransactWriteItemTypeDef:
        # The document may hold the lock already, since building an index may have taken it.
        put: Any = {
            "TableName": self._lookups,
            "Item": {**_lock_row_key(value_key), **to_row({"item_id": item_id})},
            "ConditionExpression": "attribute_not_exists(item_id) OR item_id = :me",
            "ExpressionAttributeValues": {":me": {"S": item_id}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": put}

    def _unlock(self, value_key: str, item_id: str) -> TransactWriteItemTypeDef:
        return {"Delete": self._if_free(value_key, item_id)}

    def _if_free(self, value_key: str, item_id: str) -> Any:
        """Return the key of a lock, and the condition that no other document holds it."""
        return {
            "TableName": self._lookups,
            "Key": _lock_row_key(value_key),
            "ConditionExpression": "attribute_not_exists(item_id) OR item_id = :me",
            "ExpressionAttributeValues": {":me": {"S": item_id}},
        }

    def _put_entry(self, value_key: str, item: StoredItem) -> TransactWriteItemTypeDef:
        row = {**_entry_row_key(value_key, item), **to_row({"item_id": item.item_id})}
        return {"Put": {"TableName": self._lookups, "Item": row}}

    def _remove_entry(self, value_key: str, item: StoredItem) -> TransactWriteItemTypeDef:
        return {"Delete": {"TableName": self._lookups, "Key": _entry_row_key(value_key, item)}}


def _same(item: StoredItem, other: StoredItem | None, value_key: str) -> bool:
    """Return whether the other version has the same entry: two changes in one millisecond have the same time."""
    return other is not None and other.updated_at == item.updated_at and value_key in other.entries.values()


def _lock_row_key(value_key: str) -> Any:
    return {"value": {"S": lock_key(value_key)}, "entry": {"S": LOCK}}


def _entry_row_key(value_key: str, item: StoredItem) -> Any:
    return {"value": {"S": index_key(value_key)}, "entry": {"S": f"{item.updated_at}#{item.item_id}"}}


def if_unchanged(old: StoredItem) -> dict[str, Any]:
    """Return the condition that the row is still as it was read.

    `make reindex` writes locks and entries without a new version. A command that had not read them would leave them
    behind, so they are compared, too.
    """
    row = document_to_row(old)
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for name in ("version", "locks", "entries"):
        conditions.append(f"#{name} = :{name}" if name in row else f"attribute_not_exists(#{name})")
        values |= {f":{name}": row[name]} if name in row else {}
    return {
        "ConditionExpression": " AND ".join(conditions),
        "ExpressionAttributeNames": {"#version": "version", "#locks": "locks", "#entries": "entries"},
        "ExpressionAttributeValues": values,
    }


def _document_or_malformed(row: Any) -> StoredItem | MalformedItem:
    try:
        return document_from_row(row)
    except (KeyError, TypeError, ValueError, RecursionError):  # an attribute is missing or of another form
        return MalformedItem(row["item_id"]["S"])


def _readable(rows: Sequence[Any]) -> Iterator[StoredItem]:
    for row in rows:
        document = _document_or_malformed(row)
        if isinstance(document, StoredItem):
            yield document
