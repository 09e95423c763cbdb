"""The stores of the audit's tests, with methods that apply commands and methods that damage data."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import Command, CreateItem
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.jobs.job import Job, KeptCommand, new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.domain.jobs.scheduled import add_message
from jobpipe.stores.aws_stores import Stores
from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection
from jobpipe.stores.queues.sqs_commands import SqsCommands
from scripts.audit.findings import Finding
from scripts.audit.repair import Repaired, repair
from scripts.audit.resources import Resources, key_of
from scripts.audit.search import audit
from tests.helpers.shop import shop
from worker_lambda.chalicelib.apply_command import apply_command

SMALL, LARGE = "x", "x" * 5000  # LARGE does not fit in a row


@dataclass
class Audited:
    """Tables, a bucket and queues that only these tests use."""

    resources: Resources
    stores: Stores = field(init=False)

    def __post_init__(self) -> None:
        resources, registry = self.resources, shop()
        tables = (resources.collections_table, resources.lookups_table)
        self.stores = Stores(
            *(resources.jobs, resources.items, resources.documents),
            registry=registry,
            open_collection=lambda name, scope: DynamoDbCollection(
                resources.clients, tables, resources.jobs, name, scope
            ),
        )

    def audit(self) -> list[Finding]:
        return audit(self.resources)

    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.audit()]

    def repair(self) -> list[Repaired]:
        """Repair all findings, and check that another audit finds only those that were not repaired."""
        repaired = repair(self.audit(), self.resources)
        remaining = [each.finding for each in repaired if not each.mended]
        assert self.audit() == remaining
        return repaired

    def accept(self, command: Command, *, key: str | None = None) -> Job:
        """Store a queued job without sending its message."""
        job = new_job(command, "alice", key, now(), self.resources.job_retention)
        assert self.stores.jobs.put_new(job, now()) is None
        return job

    def wait_since(self, ago: timedelta, text: str = SMALL) -> Job:
        """Store a job that was accepted before its time, which passed so long ago; its command is in no bucket."""
        time, item_id = now() - ago, str(uuid.uuid4())
        document = {"name": f"name {item_id}", "description": text}
        command = CreateItem(item_id, document, not_before=rfc3339(time))
        job = new_job(command, "alice", None, time - timedelta(hours=3), self.resources.job_retention)
        job = replace(add_message(job, command, "test"), updated_at=rfc3339(now()))
        assert self.stores.jobs.put_new(job, now()) is None
        return job

    def apply(self, command: Command) -> Job:
        """Apply the command as the worker does, and return its job."""
        job = self.accept(command)
        apply_command(command, QueueMessage.of(job, command, "test"), self.stores)
        return self.job(job)

    def create(self, name: str | None = None, text: str = SMALL) -> StoredItem:
        item_id = str(uuid.uuid4())
        self.apply(CreateItem(item_id, {"name": name or f"name {item_id}", "description": text}))
        return self.item(item_id)

    def do(self, operation: str, collection: str, **members: Any) -> ItemRef:
        """Apply a command to a collection of the shop, and return the document's place."""
        raw = {"operation": operation, "collection": collection, **members}
        command = parse_command(raw, new_item_id=str(uuid.uuid4()), registry=self.stores.registry, owner="alice")
        self.apply(command)
        return command.item

    def document(self, ref: ItemRef) -> StoredItem:
        """Return the row of a document of any collection."""
        stored = self.stores.items_of(ref.collection, ref.scope).get(ref.item_id)
        assert stored is not None
        return stored

    def put_row(self, table: str, **values: str | None) -> None:
        """Put a row as it is."""
        row = {name: {"S": value} for name, value in values.items() if value is not None}
        self.resources.clients.dynamodb.put_item(TableName=self.resources.table(table), Item=row)

    def delete_row(self, table: str, *key: str) -> None:
        resources = self.resources
        resources.clients.dynamodb.delete_item(TableName=resources.table(table), Key=key_of(table, *key))

    def item(self, item_id: str) -> StoredItem:
        item = self.stores.items.get(item_id)
        assert item is not None
        return item

    def job(self, job: Job) -> Job:
        stored = self.stores.jobs.get(job.job_id)
        assert stored is not None
        return stored

    def fail(self, job: Job, kept: KeptCommand | None = None) -> None:
        self.stores.jobs.fail(job.ref, {"type": "urn:jobpipe:problem:internal-error"}, now(), kept)

    def send(self, job: Job, command: Command) -> None:
        queue = SqsCommands(self.resources.clients, self.resources.queue_urls[0])
        queue.send(seal(QueueMessage.of(job, command, "test")))

    def send_another_message(self) -> None:
        """Put a message of another command on the commands queue."""
        self.resources.clients.sqs.send_message(
            QueueUrl=self.resources.queue_urls[0],
            MessageBody="{}",
            MessageGroupId="g",
            MessageDeduplicationId=uuid.uuid4().hex,
        )

    def exists(self, key: str) -> bool:
        return self.stores.documents.get_by_key(key) is not None

    def lock(self, name: str, item_id: str) -> None:
        row = {"name": {"S": name}, "item_id": {"S": item_id}}
        self.resources.clients.dynamodb.put_item(TableName=self.resources.names_table, Item=row)

    def unlock(self, name: str) -> None:
        self.resources.clients.dynamodb.delete_item(TableName=self.resources.names_table, Key={"name": {"S": name}})

    def set_job(self, job: Job, **values: Any) -> None:
        """Change attributes of the job's row directly."""
        self.resources.clients.dynamodb.update_item(
            TableName=self.resources.jobs_table,
            Key={"job_id": {"S": job.job_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
        )

    def expire(self, job: Job) -> None:
        self.set_job(job, expires_at={"N": "1000"})

    def remove_versions(self, key: str) -> None:
        """Delete all versions and delete markers under the prefix."""
        s3, bucket = self.resources.clients.s3, self.resources.documents_bucket
        answer: Any = s3.list_object_versions(Bucket=bucket, Prefix=key)
        for each in [*answer.get("Versions", []), *answer.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])

    def empty(self) -> None:
        """Delete all data."""
        dynamodb, names = self.resources.clients.dynamodb, self.resources
        for table, key in (
            (names.jobs_table, "job_id"),
            (names.items_table, "item_id"),
            (names.names_table, "name"),
            (names.collections_table, "partition item_id"),
            (names.lookups_table, "value entry"),
        ):
            for row in dynamodb.scan(TableName=table)["Items"]:
                dynamodb.delete_item(TableName=table, Key={name: row[name] for name in key.split()})
        self.remove_versions("")
        for url in self.resources.queue_urls:
            self.resources.clients.sqs.purge_queue(QueueUrl=url)


def claim_of(job: Job) -> str:
    return f"claims/{job.job_id}/{job.generation}/{job.fingerprint}.json"


def new_create() -> CreateItem:
    item_id = str(uuid.uuid4())
    return CreateItem(item_id, {"name": f"name {item_id}", "description": "d"})


def one(findings: list[Finding]) -> Finding:
    (finding,) = findings
    return finding


def lose_claim(store: Audited) -> str:
    job = store.accept(new_create())
    store.stores.documents.put(claim_of(job), "{}")
    store.fail(job, KeptCommand(claim=claim_of(job)))
    store.stores.documents.delete([claim_of(job)])
    return job.job_id


def claim_to_wait(job: Job) -> str:
    """Return the key under which the command of a job waits."""
    assert job.waiting is not None
    assert job.waiting.claim is not None
    return job.waiting.claim
