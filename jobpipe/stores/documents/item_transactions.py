"""The transactions that end jobs and change documents, for the tables of all collections.

A transaction begins with the jobs, which are followed by the document and then by its locks. DynamoDB gives the
reasons of a cancelled one in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from jobpipe.domain.documents.item import Change, StoredItem
from jobpipe.domain.errors import CommitRefused, ItemChanged, JobEnded
from jobpipe.runtime.aws import AwsClients, ConditionsFailed, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef


class ItemTable(Protocol):
    """What a transaction needs of the store of a collection."""

    def key(self, item_id: str) -> tuple[str, Any]:
        """Return the table and the key of the document's row; the key is None if there can be none."""

    def from_row(self, row: Any) -> StoredItem:
        """Return the document of a row; a malformed row raises an error."""

    def change_writes(self, change: Change) -> list[TransactWriteItemTypeDef]:
        """Return the writes of a change: the document, the new locks, and then what always succeeds."""

    def checks_of_values(
        self, between: Sequence[StoredItem], change: Change | None
    ) -> list[TransactWriteItemTypeDef]:
        """Return the conditions that the unique values of these versions are free, except those of the change."""

    def refusal_of_lock(self, error: ConditionsFailed, change: Change | None) -> CommitRefused:
        """Return the reason if conditions failed only after those of the job and the document."""


def commit_change(clients: AwsClients, what: str, end: UpdateTypeDef, table: ItemTable, change: Change) -> None:
    """Change a document and end its job in one transaction; raise a CommitRefused if it is cancelled.

    `end` is the update that ends the job.
    """
    try:
        transact(clients, what, [{"Update": end}, *table.change_writes(change)])
    except ConditionsFailed as error:
        raise refusal(error, table, change) from error


def refusal(error: ConditionsFailed, table: ItemTable, change: Change | None) -> CommitRefused:
    """Return the reason why a transaction of one job was cancelled."""
    if 0 in error.positions:
        return JobEnded()
    if 1 in error.positions:
        return ItemChanged()
    return table.refusal_of_lock(error, change)


def passing_checks(
    table: ItemTable, between: Sequence[StoredItem], change: Change | None
) -> list[TransactWriteItemTypeDef]:
    """Return the conditions under which the document could have been in these versions, which are never stored."""
    checks = table.checks_of_values(between, change)
    if change is None and between:  # the document was created and deleted, so it must not exist
        name, key = table.key(between[0].item_id)
        absent: Any = {"TableName": name, "Key": key, "ConditionExpression": "attribute_not_exists(item_id)"}
        checks.append({"ConditionCheck": absent})
    return checks
