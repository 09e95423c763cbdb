"""The conditional writes of repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_ref import ItemRef
from jobpipe.runtime.aws import ConditionsFailed, transact
from scripts.audit.resources import Resources, key_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def unchanged(resources: Resources, ref: ItemRef, item: StoredItem | None) -> TransactWriteItemTypeDef:
    """Return the condition that the document is in the version that was read, or does not exist (None)."""
    table, *key = resources.place(ref)
    check: Any = {"TableName": resources.table(table), "Key": key_of(table, *key)}
    if item is None:
        check["ConditionExpression"] = "attribute_not_exists(item_id)"
    else:
        check["ConditionExpression"] = "#version = :read"
        check["ExpressionAttributeNames"] = {"#version": "version"}
        check["ExpressionAttributeValues"] = {":read": {"S": item.version}}
    return {"ConditionCheck": check}


def all_or_nothing(resources: Resources, *writes: TransactWriteItemTypeDef) -> bool:
    """Do all writes or none, and return whether their conditions held."""
    try:
        transact(resources.clients, "DynamoDB", writes)
    except ConditionsFailed:
        return False
    return True
