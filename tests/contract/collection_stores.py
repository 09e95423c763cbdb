"""Both stores of a collection for the contract tests: in memory, and DynamoDB's on the emulator in this process."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from jobpipe.domain.commands.command import UpsertItem
from jobpipe.domain.documents.item import Change, DocumentRef, StoredItem, new_version
from jobpipe.domain.jobs.job import Job, Success, new_job
from jobpipe.domain.ports import CollectionStore, JobStore
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.documents.dynamodb_collections import DynamoDbCollection
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from tests.contract.stores import NOW
from tests.faults.stage.emulator import open_emulator
from tests.faults.stage.lambdas import open_client
from tests.helpers.memory import RETENTION
from tests.helpers.memory.documents import MemoryCollections
from tests.helpers.memory.jobs import MemoryJobs

KINDS = ("memory", "aws")


@dataclass
class Shelf:
    """The stores of all collections and scopes, with the jobs beside them."""

    jobs: JobStore
    open: Callable[[str, str], CollectionStore]
    name: str = field(default_factory=lambda: f"c{secrets.token_hex(6)}")  # of a collection that no other test has

    def store(self, scope: str = "") -> CollectionStore:
        """Return the test's own collection."""
        return self.open(self.name, scope)

    def job(self) -> Job:
        """Store a job that waits for its end."""
        command = UpsertItem("0", {}, collection="orders")
        new = new_job(command, "alice", secrets.token_hex(8), NOW, RETENTION)
        assert self.jobs.put_new(new, NOW) is None
        return new

    def commit(self, change: Change, scope: str = "", job: Job | None = None) -> Job:
        """Commit a change, by default for a job of its own."""
        job = job or self.job()
        self.store(scope).commit(change, job.ref, Success(result="{}"), NOW)
        return job


@cache
def emulated() -> tuple[AwsClients, Any]:
    """Return clients of the emulator in this process, configured as in the Lambdas, and the stack's outputs."""
    emulator = open_emulator()
    return AwsClients(make=lambda service, **_: open_client(service, emulator)), emulator.outputs


@contextmanager
def opened(kind: str) -> Iterator[Shelf]:
    """Open the stores of this kind."""
    if kind == "memory":
        memory = MemoryJobs()
        yield Shelf(memory, MemoryCollections(memory).open)
        return
    open_emulator().reset()
    clients, names = emulated()
    jobs = DynamoDbJobs(clients, names["JobsTable"], RETENTION)
    tables = (names["CollectionsTable"], names["LookupsTable"])
    yield Shelf(jobs, lambda name, scope: DynamoDbCollection(clients, tables, jobs, name, scope))


def document(
    at: str = "2026-11-22T12:00:00.000Z",
    *,
    item_id: str | None = None,
    locks: dict[str, str] | None = None,
    entries: dict[str, str] | None = None,
    inline: str | None = '{"a":1}',
) -> StoredItem:
    """Return a row of a document."""
    version = new_version()
    return StoredItem(
        item_id=item_id or str(uuid.uuid4()),
        version=version,
        name="",
        document=DocumentRef(f"collections/c/{version}.json", f"version-{version}"),
        inline=inline,
        created_at="2026-11-22T12:00:00.000Z",
        updated_at=at,
        owner="alice",
        locks=locks or {},
        entries=entries or {},
    )


def changed(old: StoredItem, at: str | None = None, **values: Any) -> StoredItem:
    """Return the next version of a row."""
    return replace(old, version=new_version(), updated_at=at or old.updated_at, **values)
