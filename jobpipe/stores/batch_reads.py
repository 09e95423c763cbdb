"""Read rows of one or more tables in one call of BatchGetItem."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from jobpipe.runtime import deadline
from jobpipe.runtime.aws import AwsClients, aws_call

_TRIES = 5


def read_batch(clients: AwsClients, what: str, requests: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Read up to 100 rows. Return the rows that exist, and the requests for rows that DynamoDB has not read.

    Requests and rows are grouped by table. `what` names the tables in the error if DynamoDB does not respond.
    """
    found: dict[str, list[Any]] = defaultdict(list)
    for attempt in range(_TRIES):
        with aws_call(what):
            response = clients.dynamodb.batch_get_item(RequestItems=requests)
        for table, rows in response["Responses"].items():
            found[table] += rows
        # botocore does not repeat requests for rows beyond 16 MB or the tables' capacity.
        requests = response.get("UnprocessedKeys")
        if not requests:
            return found, {}
        deadline.pause_after(attempt)
    return found, requests
