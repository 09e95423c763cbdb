"""The conditional writes of repairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.runtime.aws import ConditionsFailed, transact
from jobpipe.stores.documents.dynamodb_collections import if_unchanged
from scripts.audit.resources import Resources, key_of
from scripts.audit.rows import COLLECTIONS

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


def unchanged(resources: Resources, ref: ItemRef, item: StoredItem | None) -> TransactWriteItemTypeDef:
    """Return the condition that the document's row has not changed, or (None) still does not exist."""
    table, *key = resources.place(ref)
    check: Any = {"TableName": resources.table(table), "Key": key_of(table, *key)}
    if item is None:
        condition: Any = {"ConditionExpression": "attribute_not_exists(item_id)"}
    elif table == COLLECTIONS:
        condition = if_unchanged(item)  # building a look-up changes locks and entries, but not the version
    else:
        condition = {
            "ConditionExpression": "#version = :read",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":read": {"S": item.version}},
        }
    check |= condition
    return {"ConditionCheck": check}


def all_or_nothing(resources: Resources, *writes: TransactWriteItemTypeDef) -> bool:
    """Do all writes or none, and return whether their conditions held."""
    try:
        transact(resources.clients, "DynamoDB", writes)
    except ConditionsFailed:
        return False
    return True
