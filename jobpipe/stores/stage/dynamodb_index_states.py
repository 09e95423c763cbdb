"""Which look-ups of a collection are ready, in rows of the table of collections that the deployment writes.

    partition = #indexes   item_id = orders   states = {"invoice": "ready", "customer": "building"}

infra/stage/collection_rows.py writes them, with the rules that they belong to.
"""

from __future__ import annotations

import json
import time
from typing import Any

from jobpipe.runtime.aws import AwsClients, aws_call

PARTITION = "#indexes"
"""The partition of these rows; no collection's name has a `#`."""
CACHED_FOR = 10.0
"""Seconds. A look-up that is ready stays ready until a deployment, so an environment need not read it each time."""


def row_key(collection: str) -> Any:
    """Return the key of a collection's row."""
    return {"partition": {"S": PARTITION}, "item_id": {"S": collection}}


def states_of(row: Any) -> dict[str, str]:
    """Return the states of a row by field: `ready` or `building`."""
    states: dict[str, str] = json.loads(row["states"]["S"]) if row else {}
    return states


class DynamoDbIndexStates:
    """An implementation of IndexStates on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str) -> None:
        self._clients = clients
        self._table = table
        self._cached: dict[str, tuple[float, frozenset[str]]] = {}

    def ready(self, collection: str) -> frozenset[str]:
        """Return the fields whose look-ups find every document, cached once all are ready."""
        at = time.monotonic()
        cached = self._cached.get(collection)
        if cached is not None and at - cached[0] < CACHED_FOR:
            return cached[1]
        with aws_call("The table of collections"):
            response = self._clients.dynamodb.get_item(
                TableName=self._table, Key=row_key(collection), ConsistentRead=True
            )
        states = states_of(response.get("Item"))
        ready = frozenset(name for name, state in states.items() if state == "ready")
        # While a look-up is being built, or before the deployment has written the row, each request reads it.
        if states and ready == frozenset(states):
            self._cached[collection] = at, ready
        return ready
