"""Repairs locks and index entries, in transactions that require that the document has not changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobpipe.stores.documents.dynamodb_collections import LOCK, index_key, lock_key
from scripts.audit.findings import Finding
from scripts.audit.lookup_findings import DocumentWithoutLock, LockWithoutDocument, MissingEntry, StaleEntry
from scripts.audit.resources import Resources, key_of
from scripts.audit.rows import LOOKUPS
from scripts.audit.writes import all_or_nothing, unchanged

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


@dataclass(frozen=True, slots=True)
class LookupRepairs:
    """The repairs of locks and index entries. A repair returns False if the finding has changed since the audit."""

    resources: Resources

    def apply(self, finding: Finding) -> bool:
        match finding:
            case LockWithoutDocument(holder=ref, item=item, subject=value):
                write = self._delete(lock_key(value), LOCK, ref.item_id)
            case DocumentWithoutLock(ref=ref, item=item, value_key=value):
                write = self._put(lock_key(value), LOCK, ref.item_id, "attribute_not_exists(item_id)")
            case StaleEntry(ref=ref, item=item, value_key=value, at=at):
                write = self._delete(index_key(value), f"{at}#{ref.item_id}", ref.item_id)
            case MissingEntry(ref=ref, item=item, value_key=value):
                write = self._put(index_key(value), f"{item.updated_at}#{ref.item_id}", ref.item_id)
            case _:
                raise TypeError(finding)
        return all_or_nothing(self.resources, unchanged(self.resources, ref, item), write)

    def _delete(self, value: str, entry: str, item_id: str) -> TransactWriteItemTypeDef:
        # Since the audit another document may have taken the lock.
        delete: Any = {
            "TableName": self.resources.lookups_table,
            "Key": key_of(LOOKUPS, value, entry),
            "ConditionExpression": "item_id = :holder",
            "ExpressionAttributeValues": {":holder": {"S": item_id}},
        }
        return {"Delete": delete}

    def _put(self, value: str, entry: str, item_id: str, condition: str = "") -> TransactWriteItemTypeDef:
        put: Any = {
            "TableName": self.resources.lookups_table,
            "Item": {**key_of(LOOKUPS, value, entry), "item_id": {"S": item_id}},
            **({"ConditionExpression": condition} if condition else {}),
        }
        return {"Put": put}
