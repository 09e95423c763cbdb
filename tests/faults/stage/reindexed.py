"""A stage on the emulator in this process, with workers of an old and a new release, and `make reindex`."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ReadTimeoutError

import scripts.reindex.__main__ as program
from infra.stage.collection_rows import BUILDING, CollectionRow, CollectionRows
from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command, CreateItem, DeleteItem, SetFields
from jobpipe.domain.commands.command_parsing import bind_to_collection
from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.errors import Refusal
from jobpipe.domain.item_reader import document_text
from jobpipe.domain.jobs.job import new_job
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.aws_stores import Stores
from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from scripts.reindex.__main__ import Summary, reindex
from scripts.stage.collections import FolderCollection, folder_collection
from scripts.stage.documents import Documents, Tables
from tests.faults.stage.emulator import Emulator, open_emulator
from tests.faults.stage.lambdas import Inline, open_client
from tests.helpers.memory import RETENTION
from tests.helpers.shop import SHOP, shop
from worker_lambda.chalicelib.apply_command import apply_command


class Killed(BaseException):
    """The process of the command was killed."""


@dataclass
class Reindexed:
    """`orders` and `subscriptions` of the shop; the old release had no unique and no indexed fields."""

    emulator: Emulator
    collection: str = "orders"

    def __post_init__(self) -> None:
        self.clients, self.operator = cached_clients(), cached_clients("operator")
        outputs = self.emulator.outputs
        self.tables = Tables(outputs["CollectionsTable"], outputs["LookupsTable"], outputs["JobsTable"])
        self.jobs = DynamoDbJobs(self.clients, self.tables.jobs, RETENTION)
        self.bucket = S3Documents(self.clients, outputs["DocumentsBucket"])
        self.new = shop()
        declared = [each for each in self.new if isinstance(each, DeclaredCollection)]
        self.old = Registry({each.name: replace(each, unique=(), indexes=()) for each in declared})
        self.rows = CollectionRows(self.clients.dynamodb, self.tables.collections)
        self.folder: FolderCollection = cached_folder(self.collection)

    def begin_building(self) -> CollectionRow:
        """Write the row as the deployment of the new release does."""
        rules = self.folder.rules
        return self.rows.put(self.collection, None, rules, dict.fromkeys(rules.look_ups, BUILDING))

    def create(self, registry: Registry, document: dict[str, Any], owner: str = "alice") -> str:
        collection = registry.get(self.collection)
        assert collection is not None
        item_id = collection.derived_id(document, collection.scope(owner)) or str(uuid.uuid4())
        self.run(registry, CreateItem(item_id, document), owner)
        return item_id

    def change(self, registry: Registry, item_id: str, owner: str = "alice", **fields: Any) -> None:
        self.run(registry, SetFields(item_id, fields), owner)

    def delete(self, registry: Registry, item_id: str, owner: str = "alice") -> None:
        self.run(registry, DeleteItem(item_id), owner)

    def run(self, registry: Registry, command: Command, owner: str) -> None:
        """Run a command as the worker of this release does; raise Refusal if it is refused."""
        collection = registry.get(self.collection)
        assert collection is not None
        placed = bind_to_collection(command, collection, owner)
        job = new_job(placed, owner, None, now(), RETENTION)
        self.jobs.put_new(job, now())
        apply_command(placed, QueueMessage.of(job, placed, "request"), self.stores(registry))

    def stores(self, registry: Registry) -> Stores:
        tables = (self.tables.collections, self.tables.lookups)
        outputs = self.emulator.outputs
        return Stores(
            jobs=self.jobs,
            items=DynamoDbItems(self.clients, outputs["ItemsTable"], outputs["NamesTable"], self.jobs),
            documents=self.bucket,
            registry=registry,
            open_collection=lambda name, scope: DynamoDbCollection(self.clients, tables, self.jobs, name, scope),
        )

    def reindex(self, calls: Calls | None = None, limit: int = 100) -> Summary:
        """Run `make reindex`, whose calls of AWS may be disturbed."""
        clients = self.operator
        read = Documents(clients, self.tables, self.collection, self.folder.own)
        rows = CollectionRows(clients.dynamodb, self.tables.collections)
        row = program.stored_row(rows, self.folder, "local")
        bucket = S3Documents(clients, self.emulator.outputs["DocumentsBucket"])
        with ExitStack() as stack:
            stack.enter_context(patch.object(program, "ThreadPoolExecutor", Inline))
            stack.enter_context(patch("time.sleep"))
            if calls is not None:
                stack.enter_context(calls.of(clients))
            return reindex(program.rebuild_of(read, bucket, self.folder, rows, row), rows, row, limit)

    @property
    def states(self) -> dict[str, str]:
        row = self.rows.get(self.collection)
        assert row is not None
        return dict(row.states)

    def documents(self) -> Iterator[tuple[str, StoredItem]]:
        """Yield each document's scope and row."""
        for page in Documents(self.clients, self.tables, self.collection, self.folder.own).pages():
            for found in page.found:
                assert isinstance(found.row, StoredItem)
                yield found.scope, found.row

    def check(self, *, complete: bool) -> None:
        """Check that rows and look-ups agree and, if `complete`, that they are what the documents say."""
        lookups = self.clients.dynamodb.scan(TableName=self.tables.lookups)["Items"]
        stored = Counter((each["value"]["S"], each["entry"]["S"], each["item_id"]["S"]) for each in lookups)
        said: Counter[tuple[str, str, str]] = Counter()
        for scope, row in self.documents():
            said.update((f"u#{value}", "lock", row.item_id) for value in row.locks.values())
            place = f"{row.updated_at}#{row.item_id}"
            said.update((f"x#{value}", place, row.item_id) for value in row.entries.values())
            if complete:
                text = document_text(self.bucket, row)
                assert text is not None
                document, checks = json_text.decode(text), self.folder.checks
                assert (row.locks, row.entries) == (
                    checks.locks(document, scope),
                    checks.entries(document, scope),
                )
        assert stored == said
        keys = set(self.bucket.keys(f"collections/{self.collection}/"))
        assert keys == {row.document.key for _, row in self.documents()}


@cache
def cached_clients(process: str = "worker") -> AwsClients:
    """Return the clients of a process: making them would take most of the time."""

    def answer(service: str, request: AWSPreparedRequest) -> AWSResponse | None:
        calls: Calls | None = getattr(clients, "calls", None)
        return calls.send(service, request) if calls else None

    clients = AwsClients(make=lambda service, **_: open_client(service, open_emulator(), answer))
    return clients


@cache
def cached_folder(collection: str) -> FolderCollection:
    return folder_collection(SHOP, collection)


def fresh_stage(collection: str = "orders") -> Reindexed:
    """Return an empty stage."""
    emulator = open_emulator()
    emulator.reset()
    return Reindexed(emulator, collection)


class Calls:
    """Counts the calls of a run; the nth one can fail, or something can happen before it."""

    def __init__(
        self, emulator: Emulator, at: int = 0, fault: str = "", before: Callable[[], Any] = lambda: None
    ) -> None:
        self.count = 0
        self._emulator, self._at, self._fault, self._before = emulator, at, fault, before

    @contextmanager
    def of(self, clients: Any) -> Iterator[None]:
        """Disturb these clients in the block."""
        clients.calls = self
        try:
            yield
        finally:
            clients.calls = None

    def send(self, service: str, request: AWSPreparedRequest) -> AWSResponse | None:
        """Count a call; return None if the emulator is to answer it."""
        self.count += 1
        if self.count != self._at:
            return None
        self._before()
        if self._fault == "killed before":
            raise Killed
        if self._fault in {"killed after", "answer lost"}:
            self._emulator.answer(service, request)
            if self._fault == "killed after":
                raise Killed
            raise ReadTimeoutError(endpoint_url=request.url)
        return None


def refused(run: Callable[[], None]) -> bool:
    """Return whether the worker refuses the command."""
    try:
        run()
    except Refusal:
        return True
    return False
