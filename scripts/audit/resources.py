"""The resources that an audit reads and repairs: the tables, the bucket and the queues."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS as ITEMS_COLLECTION
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.aws import AwsClients, aws_call
from jobpipe.stores.documents.dynamodb_collections import LOCK, lock_key, partition_key
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.dynamodb_rows import Row
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from scripts.audit.attributes import MalformedRowError
from scripts.audit.collection_rows import Lookup, check_document, check_lookup
from scripts.audit.rows import (
    COLLECTIONS,
    ITEMS,
    JOBS,
    KEYS,
    LOOKUPS,
    NAMES,
    check_item,
    check_job,
    check_lock,
)

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
    # Empty if the stage was last deployed by a release without them; then documents of collections are not judged.
    collections_table: str = ""
    lookups_table: str = ""

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

    def document(self, ref: ItemRef) -> StoredItem | None:
        """Read the row of a document of any collection; raise MalformedRowError if it is not valid."""
        if ref.collection == ITEMS_COLLECTION:
            return self.item(ref.item_id)
        row = self.row(*self.place(ref))
        return None if row is None else check_document(row)[1]

    def place(self, ref: ItemRef) -> tuple[str, ...]:
        """Return the table (ITEMS or COLLECTIONS) and the key of a document's row."""
        if ref.collection == ITEMS_COLLECTION:
            return ITEMS, ref.item_id
        if not self.has_collections:
            raise MalformedRowError("this checkout deployed the stage without collections: deploy it again")
        return COLLECTIONS, partition_key(ref.collection, ref.scope, ref.item_id), ref.item_id

    def holder(self, value_key: str) -> ItemRef | None:
        """Read which document holds the lock of a unique value; raise MalformedRowError if the row is not valid."""
        found = self.lookup(lock_key(value_key), LOCK)
        return None if found is None else found.ref

    def lookup(self, value: str, entry: str) -> Lookup | None:
        """Read a row of the table of look-ups; raise MalformedRowError if it is not valid."""
        row = self.row(LOOKUPS, value, entry)
        return None if row is None else check_lookup(row)

    @property
    def has_collections(self) -> bool:
        """Whether the tables of collections and of look-ups are known."""
        return bool(self.collections_table and self.lookups_table)

    def lock_holder(self, name: str) -> str | None:
        """Read which item holds the lock of a name (its key); raise MalformedRowError if the row is not valid."""
        row = self.row(NAMES, name)
        return None if row is None else check_lock(row)

    def row(self, table: str, *key: str) -> Row | None:
        """Read a row consistently."""
        with aws_call(f"The {table} table"):
            answer = self.clients.dynamodb.get_item(
                TableName=self.table(table), Key=key_of(table, *key), ConsistentRead=True
            )
        return answer.get("Item")

    def table(self, table: str) -> str:
        """Return the name that a table (JOBS, ITEMS, NAMES, COLLECTIONS or LOOKUPS) has in the stage."""
        return {
            JOBS: self.jobs_table,
            ITEMS: self.items_table,
            NAMES: self.names_table,
            COLLECTIONS: self.collections_table,
            LOOKUPS: self.lookups_table,
        }[table]

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


def key_of(table: str, *key: str) -> Any:
    """Return a key as DynamoDB takes it."""
    return {name: {"S": value} for name, value in zip(KEYS[table], key, strict=True)}


@dataclass
class Backlog:
    """The messages that wait during one audit, and what cannot be judged because of them."""

    resources: Resources
    not_judged: Counter[str] = field(default_factory=Counter)  # by what it is

    @cached_property
    def messages(self) -> int:
        """About how many messages wait. The queues are asked once, when this is first needed."""
        return self.resources.waiting_messages(pause=self.resources.queue_pause)
