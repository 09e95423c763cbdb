"""The resources that an audit reads and repairs: three tables, the bucket and the queues."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from jobpipe.domain.item import StoredItem
from jobpipe.domain.job import Job
from jobpipe.runtime.aws import AwsClients, outages
from jobpipe.stores.dynamodb_items import DynamoDbItems
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.dynamodb_rows import Row
from jobpipe.stores.s3_documents import S3Documents
from scripts.audit.rows import ITEMS, JOBS, KEYS, NAMES, check_item, check_job, check_lock

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeFilterType

_QUEUE_LENGTHS: list[QueueAttributeFilterType] = [
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
]


@dataclass(frozen=True)
class Resources:
    """The clients and the names of the resources."""

    clients: AwsClients
    jobs_table: str
    items_table: str
    names_table: str
    documents_bucket: str
    queue_urls: tuple[str, ...]  # the URLs of the commands queue and the dead-letter queue
    job_retention: timedelta
    # Whether the job's caller was answered 202 since this time, or (None) at any time.
    was_answered: Callable[[Job, datetime | None], bool] = lambda _, __: False
    queue_looks: int = 2  # how often a queue must be seen empty
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
        """Read the job; raise MalformedRowError if its row is not valid."""
        row = self.row(JOBS, job_id)
        return None if row is None else check_job(row)

    def item(self, item_id: str) -> StoredItem | None:
        """Read the item; raise MalformedRowError if its row is not valid."""
        row = self.row(ITEMS, item_id)
        return None if row is None else check_item(row)

    def lock_holder(self, name: str) -> str | None:
        """Read which item holds the lock of a name (its key); raise MalformedRowError if the row is not valid."""
        row = self.row(NAMES, name)
        return None if row is None else check_lock(row)

    def row(self, table: str, key: str) -> Row | None:
        """Read a row consistently."""
        with outages(f"The {table} table"):
            answer = self.clients.dynamodb.get_item(
                TableName=self.table(table), Key={KEYS[table]: {"S": key}}, ConsistentRead=True
            )
        return answer.get("Item")

    def table(self, table: str) -> str:
        """Return the name that a table (JOBS, ITEMS or NAMES) has in the stage."""
        return {JOBS: self.jobs_table, ITEMS: self.items_table, NAMES: self.names_table}[table]

    def waiting_messages(self, *, pause: float = 0) -> int:
        """Return about how many messages are on the queues, including those in flight and delayed.

        The result is 0 only if `queue_looks` looks find the queues empty, because a message that moves between the
        queues may be on neither when each is asked. SQS's counts are up to a minute late, so all pauses of `pause`
        seconds between two looks should together be longer.
        """
        for look in range(self.queue_looks):
            if look and pause:
                time.sleep(pause)
            for url in self.queue_urls:
                answer = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_QUEUE_LENGTHS)
                messages = sum(map(int, answer["Attributes"].values()))
                if messages:
                    return messages
        return 0


@dataclass
class Backlog:
    """The messages that wait during one audit, and what cannot be judged because of them."""

    resources: Resources
    not_judged: Counter[str] = field(default_factory=Counter)  # by what it is

    @cached_property
    def messages(self) -> int:
        """About how many messages wait. The queues are asked once, when this is first needed."""
        return self.resources.waiting_messages(pause=self.resources.queue_pause)
