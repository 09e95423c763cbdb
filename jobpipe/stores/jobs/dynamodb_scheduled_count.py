"""How many commands of a stage wait for their time: one bounded count of the index `due` of the jobs table.

The index has only jobs that wait, and only their keys, so one Scan of it counts all shards. While nothing waits, a
process counts once a minute.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jobpipe.domain.clock import now
from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from jobpipe.runtime.aws import AwsClients, aws_call
from jobpipe.stores.jobs.dynamodb_schedule import INDEX

EMPTY_COUNT_CACHED_FOR = timedelta(minutes=1)
"""How long a count of zero is cached. SQS's counts, which are shown beside it, may be as old."""


class DynamoDbScheduledCount:
    """An implementation of ScheduledCount on DynamoDB."""

    def __init__(self, clients: AwsClients, table: str, most: int = MOST_COUNTED) -> None:
        self._clients = clients
        self._table = table
        self._most = most
        self._found_nothing_at: datetime | None = None

    def read(self) -> int:
        """Return how many commands wait; a count of zero may be from the last minute."""
        at = now()
        nothing_at = self._found_nothing_at
        if nothing_at is not None and timedelta() <= at - nothing_at < EMPTY_COUNT_CACHED_FOR:
            return 0
        with aws_call("The jobs table"):
            response = self._clients.dynamodb.scan(
                TableName=self._table, IndexName=INDEX, Select="COUNT", Limit=self._most
            )
        count = response["Count"]
        self._found_nothing_at = None if count else at
        return count

    def expect_some(self) -> None:
        """Count at the next read."""
        self._found_nothing_at = None
