"""The conditional writes of repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_ref import ItemRef
from jobpipe.runtime.aws import ConditionsFailed, transact
from jobpipe.stores.dynamodb_rows import document_to_row
from scripts.audit.resources import Resources, key_of
from scripts.audit.rows import COLLECTIONS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def unchanged(resources: Resources, ref: ItemRef, item: StoredItem | None) -> TransactWriteItemTypeDef:
    """Return the condition that the document's row is as it was read, or does not exist (None)."""
    table, *key = resources.place(ref)
    check: Any = {"TableName": resources.table(table), "Key": key_of(table, *key)}
    if item is None:
        check["ConditionExpression"] = "attribute_not_exists(item_id)"
    else:
        check["ConditionExpression"] = "#version = :read"
        check["ExpressionAttributeNames"] = {"#version": "version"}
        check["ExpressionAttributeValues"] = {":read": {"S": item.version}}
        if table == COLLECTIONS:
            _require_recorded(check, item)
    return {"ConditionCheck": check}


def _require_recorded(check: Any, item: StoredItem) -> None:
    """Add the condition that the row records the same locks and entries; a new look-up changes these alone."""
    row = document_to_row(item)
    for name in ("locks", "entries"):
        check["ExpressionAttributeNames"][f"#{name}"] = name
        if name in row:
            check["ConditionExpression"] += f" AND #{name} = :{name}"
            check["ExpressionAttributeValues"][f":{name}"] = row[name]
        else:
            check["ConditionExpression"] += f" AND attribute_not_exists(#{name})"


def all_or_nothing(resources: Resources, *writes: TransactWriteItemTypeDef) -> bool:
    """Do all writes or none, and return whether their conditions held."""
    try:
        transact(resources.clients, "DynamoDB", writes)
    except ConditionsFailed:
        return False
    return True
