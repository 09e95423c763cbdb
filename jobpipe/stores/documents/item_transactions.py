"""The transactions that end jobs and change documents, for the tables of all collections.

A transaction begins with the jobs, followed by the document and then by its locks. DynamoDB gives the reasons for a
cancellation in the same order.
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
    """The methods of a collection's store that a transaction needs."""

    def key(self, item_id: str) -> tuple[str, Any]:
        """Return the table and the key of the document's row; the key is None if there can be no such row."""

    def from_row(self, row: Any) -> StoredItem:
        """Return the document of a row; a malformed row raises an error."""

    def change_writes(self, change: Change) -> list[TransactWriteItemTypeDef]:
        """Return the writes of a change: the document, the new locks, and then the writes that always succeed."""

    def checks_of_values(
        self, intermediate: Sequence[StoredItem], change: Change | None
    ) -> list[TransactWriteItemTypeDef]:
        """Return the conditions that the unique values of these versions are free, except values of the change."""

    def refusal_of_lock(self, error: ConditionsFailed, change: Change | None) -> CommitRefused:
        """Return the reason if the conditions of the job and the document held, and others failed."""


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
    table: ItemTable, intermediate: Sequence[StoredItem], change: Change | None
) -> list[TransactWriteItemTypeDef]:
    """Return the conditions under which the document could have been in these versions, which are never stored."""
    checks = table.checks_of_values(intermediate, change)
    if change is None and intermediate:  # the document was created and deleted, so it must not exist
        name, key = table.key(intermediate[0].item_id)
        absent: Any = {"TableName": name, "Key": key, "ConditionExpression": "attribute_not_exists(item_id)"}
        checks.append({"ConditionCheck": absent})
    return checks
