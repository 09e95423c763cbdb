"""What an audit looks at: three tables, the bucket and the queues, on whatever AWS the clients talk to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from jobpipe.aws import AwsClients
from jobpipe.dynamodb_items import DynamoDbItems
from jobpipe.dynamodb_jobs import DynamoDbJobs
from jobpipe.job import Job
from jobpipe.s3_documents import S3Documents


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

    def lock_holder(self, name: str) -> str | None:
        """The item that holds the lock of this name (its key), if one does."""
        answer = self.clients.dynamodb.get_item(
            TableName=self.names_table, Key={"name": {"S": name}}, ConsistentRead=True
        )
        row = answer.get("Item")
        return row["item_id"]["S"] if row else None
