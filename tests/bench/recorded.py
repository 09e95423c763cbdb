"""The AWS calls of the product's own code, recorded without making them: what bare loops and Celery then repeat."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from api_lambda.chalicelib.services import Services
from api_lambda.chalicelib.submitting.submit import submit
from jobpipe.domain.commands import Command, CreateItem, SetFields
from jobpipe.domain.job import Job
from jobpipe.domain.queue_message import QueueMessage, seal
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import Stores, open_stores
from jobpipe.stores.dynamodb_batches import DynamoDbBatches
from jobpipe.stores.sqs_backlog import QueueUrls, SqsBacklog
from jobpipe.stores.sqs_commands import SqsCommands
from tests.bench.aws_calls import Call
from tests.bench.laboratory import RETENTION
from tests.helpers.deployed import Stage
from worker_lambda.chalicelib.command_handlers import handle

OWNER = "bench"
BATCH_OF_ROWS, BATCH_OF_MESSAGES = 25, 10


@dataclass
class _Service:
    """A client that notes calls and answers as an AWS that agrees."""

    name: str
    calls: list[Call]
    rows: dict[str, Any]  # what was put, by item

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
    """The product's stores on clients that only take notes."""

    stage: Stage
    _calls: list[Call] = field(default_factory=list)
    _rows: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = self.stage.resources
        settings = Settings(
            jobs_table=named["jobs_table"],
            items_table=named["items_table"],
            names_table=named["names_table"],
            documents_bucket=named["documents_bucket"],
            commands_queue_url=named["commands_queue_url"],
            parked_queue_url=named["parked_queue_url"],
            dead_letters_queue_url=named["dead_letters_queue_url"],
            worker_timeout=5,
            job_retention=RETENTION,
            longest_wait=0,
        )
        clients = AwsClients(make=lambda service, **_: _Service(service, self._calls, self._rows))
        self._stores: Stores = open_stores(settings, clients)
        queue = SqsCommands(clients, settings.commands_queue_url)
        self._services = Services(
            jobs=self._stores.jobs,
            items=self._stores.items,
            documents=self._stores.documents,
            queue=queue,
            job_retention=settings.job_retention,
            batches=DynamoDbBatches(clients, settings.jobs_table),
            backlog=SqsBacklog(
                clients,
                QueueUrls(settings.commands_queue_url, settings.dead_letters_queue_url, settings.parked_queue_url),
            ),
        )

    def accept(self, command: Command) -> tuple[Job, list[Call]]:
        """The job of a command, and the calls that accept it."""
        with self._noting() as calls:
            job = submit(command, owner=OWNER, idempotency_key=None, request_id="bench", services=self._services)
        return job, calls

    def apply(self, command: Command, job: Job) -> list[Call]:
        """The calls that apply a command."""
        with self._noting() as calls:
            handle(command, job.ref, self._stores)
        return calls

    def page(self, limit: int) -> Call:
        """The one call of a page of the list."""
        with self._noting() as calls:
            self._stores.items.page(limit, None)
        assert len(calls) == 1, calls
        return calls[0]

    @contextmanager
    def _noting(self) -> Iterator[list[Call]]:
        self._calls.clear()
        calls: list[Call] = []
        yield calls
        calls += self._calls


def commands(items: int, run: str) -> list[Command]:
    """Two jobs for each item: its creation, and behind all of those an update."""
    ids = [str(uuid.uuid4()) for _ in range(items)]
    created = [CreateItem(item_id, document(f"{run} {n}")) for n, item_id in enumerate(ids)]
    return [*created, *(SetFields(item_id, {"price": n + 1}, None) for n, item_id in enumerate(ids))]


def document(name: str) -> dict[str, Any]:
    """An item of a usual size."""
    return {"name": name, "description": "An item like those that people have in their catalogues.", "price": 12.5}


def fill(stage: Stage, recorder: Recorder, wanted: list[Command], *, queued: bool) -> list[Job]:
    """Accepts commands in bulk: the rows that the API would put and, if queued, the messages it would send."""
    jobs: list[Job] = []
    rows: list[Any] = []
    messages: list[Any] = []
    for command in wanted:
        job, calls = recorder.accept(command)
        jobs.append(job)
        rows.append({"PutRequest": {"Item": next(call[2]["Item"] for call in calls if call[1] == "put_item")}})
        envelope = seal(QueueMessage.of(job.ref, command, "bench"))
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
        left = dynamodb.batch_write_item(RequestItems={table: rows[start : start + BATCH_OF_ROWS]})
        assert not left["UnprocessedItems"]
    for start in range(0, len(messages) if queued else 0, BATCH_OF_MESSAGES):
        sent = sqs.send_message_batch(
            QueueUrl=stage.resources["commands_queue_url"], Entries=messages[start : start + BATCH_OF_MESSAGES]
        )
        assert not sent.get("Failed")
    return jobs
