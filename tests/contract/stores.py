"""The stores under test, and helpers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, new_job
from jobpipe.domain.ports import BatchStore, DocumentStore, ItemStore, JobStore
from tests.helpers.memory import RETENTION

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Stores:
    jobs: JobStore
    items: ItemStore
    documents: DocumentStore
    batches: BatchStore


def job(stores: Stores, key: str | None = None, *, not_after: str | None = None) -> Job:
    command = CreateItem("i", {"name": "n", "description": "d"}, not_after=not_after)
    new = new_job(command, "alice", key, NOW, RETENTION)
    assert stores.jobs.put_new(new, NOW) is None
    return new


def ref(stored: Job) -> JobRef:
    return JobRef(stored.job_id, stored.generation)
