"""The items table, the name locks, and the one transaction that commits a command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.errors import CommitRefused, ItemChanged, JobEnded, NameLocked
from jobpipe.domain.item import Change, Created, ItemPage, MalformedItem, Removed, Replaced, StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.domain.job import Success
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.aws import (
    AwsClients,
    Conflict,
    cancellation_codes,
    has_no_reasons,
    is_cancelled,
    is_worth_another_try,
    outages,
    settle_conflicts,
)
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.dynamodb_rows import item_from_row, item_to_row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_TABLE = "The items table"


class DynamoDbItems:
    """ItemStore on DynamoDB."""

    def __init__(self, clients: AwsClients, items_table: str, names_table: str, jobs: DynamoDbJobs) -> None:
        self._clients = clients
        self._items = items_table
        self._names = names_table
        self._jobs = jobs

    def get(self, item_id: str) -> StoredItem | None:
        with outages(_TABLE):
            answer = self._clients.dynamodb.get_item(
                TableName=self._items, Key={"item_id": {"S": item_id}}, ConsistentRead=True
            )
        row = answer.get("Item")
        return item_from_row(row) if row else None

    def page(self, limit: int, after: str | None) -> ItemPage:
        start: Any = {} if after is None else {"ExclusiveStartKey": {"item_id": {"S": after}}}
        with outages(_TABLE):
            answer = self._clients.dynamodb.scan(TableName=self._items, Limit=limit, ConsistentRead=True, **start)
        last = answer.get("LastEvaluatedKey")
        return ItemPage(
            [_item_or_malformed(row) for row in answer["Items"]], last["item_id"]["S"] if last else None
        )

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        # The job comes first, so that its reason is the first when the transaction is cancelled.
        writes: list[TransactWriteItemTypeDef] = [{"Update": self._jobs.success_update(ref, success, at)}]
        match change:
            case Created(new):
                writes += [self._put_first(new), self._lock(new)]
            case Replaced(old, new):
                writes.append(self._put_next(old, new))
                if name_key(old.name) != name_key(new.name):
                    writes += [self._lock(new), self._unlock(old)]
            case Removed(old):
                writes += [self._remove(old), self._unlock(old)]
        settle_conflicts(lambda: self._transact(writes))

    def _transact(self, writes: list[TransactWriteItemTypeDef]) -> None:
        try:
            # botocore adds a ClientRequestToken, so that its own retry after a lost answer is the same transaction.
            with outages(_TABLE):
                self._clients.dynamodb.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if not is_cancelled(error):
                raise
            raise _why(error, len(writes)) from error

    def _put_first(self, new: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._items,
                "Item": item_to_row(new),
                "ConditionExpression": "attribute_not_exists(item_id)",
            }
        }

    def _put_next(self, old: StoredItem, new: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._items,
                "Item": item_to_row(new),
                "ConditionExpression": "#version = :read",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":read": {"S": old.version}},
            }
        }

    def _remove(self, old: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Delete": {
                "TableName": self._items,
                "Key": {"item_id": {"S": old.item_id}},
                "ConditionExpression": "#version = :read",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":read": {"S": old.version}},
            }
        }

    def _lock(self, item: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Put": {
                "TableName": self._names,
                "Item": {"name": {"S": name_key(item.name)}, "item_id": {"S": item.item_id}},
                "ConditionExpression": "attribute_not_exists(item_id)",
            }
        }

    def _unlock(self, item: StoredItem) -> TransactWriteItemTypeDef:
        return {
            "Delete": {
                "TableName": self._names,
                "Key": {"name": {"S": name_key(item.name)}},
                "ConditionExpression": "attribute_not_exists(item_id) OR item_id = :me",
                "ExpressionAttributeValues": {":me": {"S": item.item_id}},
            }
        }


def _why(error: ClientError, writes: int) -> CommitRefused | Conflict:
    """The reason that counts: the job's own first, then what another try may mend, then the rule that failed."""
    if has_no_reasons(error, writes):
        return Conflict()  # so the caller tries again
    # Positions: 0 the job, 1 the item, 2 and 3 name locks (see commit).
    codes = cancellation_codes(error)
    failed = [i for i, code in enumerate(codes) if code == "ConditionalCheckFailed"]
    if 0 in failed:
        return JobEnded()
    if is_worth_another_try(error):
        return Conflict()
    if 1 in failed:
        return ItemChanged()
    if failed:
        return NameLocked()
    # A reason that no condition of ours explains, such as a validation error, is our bug.
    raise error


def _item_or_malformed(row: Any) -> StoredItem | MalformedItem:
    try:
        return item_from_row(row)
    except (KeyError, TypeError):  # an attribute is missing, or of another type
        return MalformedItem(row["item_id"]["S"])
