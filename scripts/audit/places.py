"""What an audit looks at: three tables, the bucket and the queues, on whatever AWS the clients talk to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from jobpipe.domain.item import StoredItem
from jobpipe.domain.job import Job
from jobpipe.runtime.aws import AwsClients, outages
from jobpipe.stores.dynamodb_items import DynamoDbItems
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.dynamodb_rows import Row
from jobpipe.stores.s3_documents import S3Documents
from scripts.audit.rows import ITEMS, JOBS, KEYS, NAMES, check_item, check_job, check_lock


def _nobody_knows(_: Job, __: datetime | None) -> bool:
    return False


@dataclass(frozen=True)
class Places:
    """The clients and the names of the resources."""

    clients: AwsClients
    jobs_table: str
    items_table: str
    names_table: str
    documents_bucket: str
    queue_urls: tuple[str, ...]  # where commands may wait: the commands queue and its dead letters
    job_retention: timedelta
    was_answered: Callable[[Job, datetime | None], bool] = _nobody_knows  # with 202, since then or (None) ever
    queue_looks: int = 2  # how often the queues must be seen empty
    queue_pause: float = 0.0  # seconds between two looks

    @cached_property
    def jobs(self) -> DynamoDbJobs:
        return DynamoDbJobs(self.clients, self.jobs_table, self.job_retention)

    @cached_property
    def items(self) -> DynamoDbItems:
        return DynamoDbItems(self.clients, self.items_table, self.names_table, self.jobs)

    @cached_property
    def documents(self) -> S3Documents:
        return S3Documents(self.clients, self.documents_bucket)

    def job(self, job_id: str) -> Job | None:
        """The job as it is now; MalformedRowError if its row is not valid."""
        row = self.row(JOBS, job_id)
        return None if row is None else check_job(row)

    def item(self, item_id: str) -> StoredItem | None:
        """The item as it is now; MalformedRowError if its row is not valid."""
        row = self.row(ITEMS, item_id)
        return None if row is None else check_item(row)

    def lock_holder(self, name: str) -> str | None:
        """The item that holds the lock of this name (its key), if one does; MalformedRowError likewise."""
        row = self.row(NAMES, name)
        return None if row is None else check_lock(row)

    def row(self, table: str, key: str) -> Row | None:
        """A row as it is now, by a consistent read."""
        with outages(f"The {table} table"):
            answer = self.clients.dynamodb.get_item(
                TableName=self.table(table), Key={KEYS[table]: {"S": key}}, ConsistentRead=True
            )
        return answer.get("Item")

    def table(self, table: str) -> str:
        """The name of one of the tables."""
        return {JOBS: self.jobs_table, ITEMS: self.items_table, NAMES: self.names_table}[table]
