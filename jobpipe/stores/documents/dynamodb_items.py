"""The items table, the name locks, and the transaction that commits a command."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobpipe.domain.documents.item import (
    Change,
    Created,
    ItemPage,
    MalformedItem,
    Removed,
    Replaced,
    StoredItem,
    old_and_new,
)
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import CommitRefused, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Success
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, aws_call
from jobpipe.stores.documents.item_transactions import commit_change
from jobpipe.stores.dynamodb_rows import item_from_row, item_to_row, to_row
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The items table"


class DynamoDbItems:
    """An implementation of ItemStore on DynamoDB."""

    def __init__(self, clients: AwsClients, items_table: str, names_table: str, jobs: DynamoDbJobs) -> None:
        self._clients = clients
        self._items = items_table
        self._names = names_table
        self._jobs = jobs

    def get(self, item_id: str) -> StoredItem | None:
        """Return the item's row."""
        with aws_call(_TABLE):
            response = self._clients.dynamodb.get_item(
                TableName=self._items, Key={"item_id": {"S": item_id}}, ConsistentRead=True
            )
        return item_from_row(response["Item"]) if response.get("Item") else None

    def page(self, limit: int, after: str | None) -> ItemPage:
        """Return up to `limit` items that follow the id `after`."""
        start: Any = {} if after is None else {"ExclusiveStartKey": {"item_id": {"S": after}}}
        with aws_call(_TABLE):
            response = self._clients.dynamodb.scan(TableName=self._items, Limit=limit, ConsistentRead=True, **start)
        last = response.get("LastEvaluatedKey")
        items = [_item_or_malformed(row) for row in response["Items"]]
        return ItemPage(items, last["item_id"]["S"] if last else None)

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        """Change the item and its name lock and end the job, all or nothing; a CommitRefused gives the reason."""
        commit_change(self._clients, _TABLE, self._jobs.success_update(ref, success, at), self, change)

    def key(self, item_id: str) -> tuple[str, Any]:
        """Return the table and the key of the item's row."""
        return self._items, {"item_id": {"S": item_id}}

    def from_row(self, row: Any) -> StoredItem:
        """Return the item of a row; a malformed row raises KeyError or TypeError."""
        return item_from_row(row)

    def change_writes(self, change: Change) -> list[TransactWriteItemTypeDef]:
        """Return the writes of a change: first the item, then the name locks."""
        match change:
            case Created(new):
                return [self._put_first(new), self._lock(new)]
            case Replaced(old, new):
                renamed = name_key(old.name) != name_key(new.name)
                return [self._put_next(old, new), *([self._lock(new), self._unlock(old)] if renamed else [])]
            case Removed(old):
                return [self._remove(old), self._unlock(old)]

    def checks_of_values(
        self, intermediate: Sequence[StoredItem], change: Change | None
    ) -> list[TransactWriteItemTypeDef]:
        """Return the conditions that the names of these versions are free, except names of the change."""
        own = {name_key(each.name) for each in old_and_new(change) if each is not None}
        names = dict.fromkeys(key for key in (name_key(each.name) for each in intermediate) if key not in own)
        return [
            {
                "ConditionCheck": {
                    "TableName": self._names,
                    "Key": {"name": {"S": name}},
                    "ConditionExpression": "attribute_not_exists(item_id)",
                }
            }
            for name in names
        ]

    def refusal_of_lock(self, error: ConditionsFailed, change: Change | None) -> CommitRefused:  # noqa: ARG002
        """Return the error that another item has the name, with the item's id if it is known."""
        lock = error.reasons[error.positions[0]].get("Item") or {}
        return ValueLocked("name", lock.get("item_id", {}).get("S"))

    def _put_first(self, new: StoredItem) -> TransactWriteItemTypeDef:
        condition = "attribute_not_exists(item_id)"
        return {"Put": {"TableName": self._items, "Item": item_to_row(new), "ConditionExpression": condition}}

    def _put_next(self, old: StoredItem, new: StoredItem) -> TransactWriteItemTypeDef:
        put: Any = {"TableName": self._items, "Item": item_to_row(new), **_if_unchanged(old)}
        return {"Put": put}

    def _remove(self, old: StoredItem) -> TransactWriteItemTypeDef:
        delete: Any = {"TableName": self._items, "Key": {"item_id": {"S": old.item_id}}, **_if_unchanged(old)}
        return {"Delete": delete}

    def _lock(self, item: StoredItem) -> TransactWriteItemTypeDef:
        row = to_row({"name": name_key(item.name), "item_id": item.item_id})
        put: Any = {
            "TableName": self._names,
            "Item": row,
            "ConditionExpression": "attribute_not_exists(item_id)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        return {"Put": put}

    def _unlock(self, item: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Delete": {
                "TableName": self._names,
                "Key": {"name": {"S": name_key(item.name)}},
                "ConditionExpression": "attribute_not_exists(item_id) OR item_id = :me",
                "ExpressionAttributeValues": {":me": {"S": item.item_id}},
            }
        }


def _if_unchanged(read: StoredItem) -> dict[str, Any]:
    """Return the condition that the item is still in the version that was read."""
    return {
        "ConditionExpression": "#version = :read",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":read": {"S": read.version}},
    }


def _item_or_malformed(row: Any) -> StoredItem | MalformedItem:
    try:
        return item_from_row(row)
    except (KeyError, TypeError):  # an attribute is missing or has another type
        return MalformedItem(row["item_id"]["S"])
