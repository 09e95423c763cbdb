"""Whether the stage is paused, in a row of the table of collections that `make pause` writes.

    partition = #stage   item_id = pause   paused_at = "2026-11-29T23:10:43.000Z"

infra/stage/pause.py writes and deletes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobpipe.runtime.aws import AwsClients, aws_call

PARTITION = "#stage"
"""The partition of the row; no collection's name has a `#`."""


def row_key() -> Any:
    """Return the key of the row."""
    return {"partition": {"S": PARTITION}, "item_id": {"S": "pause"}}


def paused_at_of(row: Any) -> datetime | None:
    """Return when the stage was paused, or None if there is no row."""
    return datetime.fromisoformat(row["paused_at"]["S"]) if row else None


class DynamoDbPause:
    """An implementation of PauseSign on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table

    def paused_at(self) -> datetime | None:
        """Return when the stage was paused, or None if it is not; raise Unavailable if that cannot be read."""
        with aws_call("The table of collections"):
            response = self._clients.dynamodb.get_item(TableName=self._table, Key=row_key(), ConsistentRead=True)
        return paused_at_of(response.get("Item"))
