"""Read rows of one or more tables in one call of BatchGetItem."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from jobpipe.runtime import deadline
from jobpipe.runtime.aws import AwsClients, outages

_TRIES = 5
_PAUSE = 0.05  # seconds; doubled with each try and shortened at random


def read_batch(clients: AwsClients, what: str, wanted: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """Return the rows that were found, by table, and the requests for those that were not read.

    `wanted` are the requests, by table, for at most 100 rows; `what` names the tables in an Unavailable.
    """
    found: dict[str, list[Any]] = defaultdict(list)
    for attempt in range(_TRIES):
        with outages(what):
            response = clients.dynamodb.batch_get_item(RequestItems=wanted)
        for table, rows in response["Responses"].items():
            found[table] += rows
        # botocore does not request again what exceeds 16 MB or the tables' capacity.
        wanted = response.get("UnprocessedKeys")
        if not wanted:
            return found, {}
        deadline.pause(random.uniform(0, _PAUSE * 2**attempt))
    return found, wanted
