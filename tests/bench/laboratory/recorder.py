"""Record the AWS calls of jobpipe's code without making them. The bare loop and Celery make them later."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from api_lambda.chalicelib.services import Services
from api_lambda.chalicelib.submitting.submit import submit
from jobpipe.domain.commands.command import Command, CreateItem, SetFields
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import Stores, open_stores
from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches
from jobpipe.stores.jobs.dynamodb_scheduled_count import DynamoDbScheduledCount
from jobpipe.stores.queues.sqs_backlog import QueueUrls, SqsBacklog
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.stage.dynamodb_index_states import DynamoDbIndexStates
from tests.bench.laboratory.environment import RETENTION
from tests.bench.peers.aws_calls import Call
from tests.helpers.deployed import Stage
from worker_lambda.chalicelib.apply_command import apply_command

OWNER = "bench"
BATCH_OF_ROWS, BATCH_OF_MESSAGES = 25, 10


@dataclass
class _RecordingClient:
    """A client that records calls and answers as if they had succeeded."""

    name: str
    calls: list[Call]
    rows: dict[str, Any]  # the rows that were put, by item id

    def __getattr__(self, operation: str) -> Any:
        def call(**parameters: Any) -> Any:
            if "Body" in parameters:
                parameters["Body"] = parameters["Body"].decode()
            self.calls.append([self.name, operation, parameters])
            return self._answer(operation, parameters)

        return call

    def _answer(self, operation: str, parameters: Any) -> Any:
        if operation == "put_object":
            return {"VersionId": str(uuid.uuid4())}
        if operation == "scan":
            return {"Items": []}
        if operation == "get_item":
            return {"Item": self.rows[parameters["Key"]["item_id"]["S"]]}
        for write in parameters.get("TransactItems", []):
            row = write.get("Put", {}).get("Item", {})
            if "document_key" in row:
                self.rows[row["item_id"]["S"]] = row
        return {}


@dataclass
class Recorder:
    """jobpipe's stores with clients that only record calls."""

    stage: Stage
    _calls: list[Call] = field(default_factory=list)
    _rows: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        resources = self.stage.resources
        settings = Settings(
            jobs_table=resources["jobs_table"],
            items_table=resources["items_table"],
            names_table=resources["names_table"],
            collections_table=resources["collections_table"],
            lookups_table=resources["lookups_table"],
            documents_bucket=resources["documents_bucket"],
            commands_queue_url=resources["commands_queue_url"],
            parked_queue_url=resources["parked_queue_url"],
            dead_letters_queue_url=resources["dead_letters_queue_url"],
            worker_timeout=5,
            job_retention=RETENTION,
            longest_wait=0,
        )
        clients = AwsClients(make=lambda service, **_: _RecordingClient(service, self._calls, self._rows))
        self._stores: Stores = open_stores(settings, clients)
        queue = SqsCommands(clients, settings.commands_queue_url)
        self._services = Services(
            jobs=self._stores.jobs,
            items=self._stores.items,
            documents=self._stores.documents,
            queue=queue,
            job_retention=settings.job_retention,
            batches=lambda: DynamoDbBatches(clients, settings.jobs_table),
            backlog=lambda: SqsBacklog(
                clients,
                QueueUrls(settings.commands_queue_url, settings.dead_letters_queue_url, settings.parked_queue_url),
            ),
            scheduled=lambda: DynamoDbScheduledCount(clients, settings.jobs_table),
            index_states=lambda: DynamoDbIndexStates(clients, settings.collections_table),
        )

    def accept(self, command: Command) -> tuple[Job, list[Call]]:
        """Return the job of a command, and the calls that accept it."""
        with self._recording() as calls:
            job = submit(command, owner=OWNER, idempotency_key=None, request_id="bench", services=self._services)
        return job, calls

    def apply(self, command: Command, job: Job) -> list[Call]:
        """Return the calls that apply a command."""
        with self._recording() as calls:
            apply_command(command, QueueMessage.of(job, command, "bench"), self._stores)
        return calls

    def page(self, limit: int) -> Call:
        """Return the one call of a page of `GET /items`."""
        with self._recording() as calls:
            self._stores.items.page(limit, None)
        assert len(calls) == 1, calls
        return calls[0]

    @contextmanager
    def _recording(self) -> Iterator[list[Call]]:
        self._calls.clear()
        calls: list[Call] = []
        yield calls
        calls += self._calls


def commands(items: int, run: str) -> list[Command]:
    """Return a create of each item, followed by an update of each."""
    ids = [str(uuid.uuid4()) for _ in range(items)]
    created = [CreateItem(item_id, document(f"{run} {n}")) for n, item_id in enumerate(ids)]
    return [*created, *(SetFields(item_id, {"price": n + 1}, None) for n, item_id in enumerate(ids))]


def document(name: str) -> dict[str, Any]:
    """Return a document of a usual size."""
    return {"name": name, "description": "An item like those that people have in their catalogues.", "price": 12.5}


def fill(stage: Stage, recorder: Recorder, accepted: list[Command], *, queued: bool) -> list[Job]:
    """Write the rows, and if `queued` the messages, of accepted commands in bulk; return their jobs."""
    jobs: list[Job] = []
    rows: list[Any] = []
    messages: list[Any] = []
    for command in accepted:
        job, calls = recorder.accept(command)
        jobs.append(job)
        rows.append({"PutRequest": {"Item": next(call[2]["Item"] for call in calls if call[1] == "put_item")}})
        envelope = seal(QueueMessage.of(job, command, "bench"))
        messages.append(
            {
                "Id": str(len(messages) % BATCH_OF_MESSAGES),
                "MessageBody": envelope.body,
                "MessageGroupId": envelope.group_id,
                "MessageDeduplicationId": envelope.deduplication_id,
            }
        )
    dynamodb, sqs = stage.aws("dynamodb"), stage.aws("sqs")
    for start in range(0, len(rows), BATCH_OF_ROWS):
        table = stage.resources["jobs_table"]
        response = dynamodb.batch_write_item(RequestItems={table: rows[start : start + BATCH_OF_ROWS]})
        assert not response["UnprocessedItems"]
    for start in range(0, len(messages) if queued else 0, BATCH_OF_MESSAGES):
        response = sqs.send_message_batch(
            QueueUrl=stage.resources["commands_queue_url"], Entries=messages[start : start + BATCH_OF_MESSAGES]
        )
        assert not response.get("Failed")
    return jobs
