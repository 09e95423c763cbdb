"""The stores of jobpipe.domain.ports in memory; tests/contract checks that they behave like AWS."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from jobpipe.domain.backlog import Backlog
from jobpipe.domain.batch import Batch
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.documents.item import (
    Change,
    Created,
    DocumentRef,
    IndexPage,
    ItemPage,
    MalformedItem,
    Removed,
    Replaced,
    StoredItem,
)
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import ItemChanged, JobEnded, Problem, ProblemError, ValueLocked
from jobpipe.domain.job import Job, JobPage, KeptCommand, Status, Success, expiry_of_queued_job
from jobpipe.domain.job_filter import EVERY_JOB, JobFilter
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import Envelope
from jobpipe.domain.send_rounds import MAX_CALL_BYTES, MAX_MESSAGES

RETENTION = timedelta(days=7)


class MemoryJobs:
    """JobStore."""

    def __init__(self) -> None:
        self.rows: dict[str, Job] = {}
        self.lock = threading.RLock()

    def put_new(self, job: Job, at: datetime) -> Job | None:
        with self.lock:
            earlier = self.rows.get(job.job_id)
            if earlier is not None and not earlier.is_expired(at):
                return earlier
            self.write(job)
            return None

    def get(self, job_id: str) -> Job | None:
        return self.rows.get(job_id)

    def failed_or_retrying(
        self,
        owner: str,
        status: Status,
        limit: int,
        after: str | None,
        at: datetime,
        *,
        wanted: JobFilter = EVERY_JOB,
    ) -> JobPage:
        with self.lock:
            listed = [
                (f"{status.value}#{job.updated_at}#{job.job_id}", job)
                for job in self.rows.values()
                if job.owner == owner and job.status is status
            ]
        return page_of_jobs(listed, limit, after, at, wanted)

    def failed_or_retrying_of_all(
        self, status: Status, limit: int, after: str | None, at: datetime, *, wanted: JobFilter = EVERY_JOB
    ) -> JobPage:
        with self.lock:
            listed = [
                (f"lists|{job.job_id}|{job.owner}#0|{job.status.value}#{job.updated_at}", job)
                for job in self.rows.values()
                if job.status is status
            ]
        return page_of_jobs(listed, limit, after, at, wanted)

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        with self.lock:
            self.write(
                replace(self._live(ref, at), attempts=charged, running_attempt=charged + 1, updated_at=rfc3339(at))
            )

    def record_interruption(
        self, ref: JobRef, problem: Problem, charged: int, interruptions: int, at: datetime
    ) -> None:
        with self.lock:
            job = replace(self._live(ref, at), status=Status.RETRYING, error=problem, attempts=charged)
            self.write(replace(job, interruptions=interruptions, running_attempt=None, updated_at=rfc3339(at)))

    def succeed(self, ref: JobRef, success: Success, at: datetime) -> None:
        with self.lock:
            self.write(self.succeeded(ref, success, at))

    def fail(
        self,
        ref: JobRef,
        problem: Problem,
        at: datetime,
        kept: KeptCommand | None = None,
        *,
        charge_attempt: bool = True,
    ) -> None:
        with self.lock:
            self.write(
                replace(self._ended(ref, Status.FAILED, at, attempt=charge_attempt), error=problem, kept=kept)
            )

    def cancel(self, ref: JobRef, at: datetime) -> Job:
        with self.lock:
            return self.write(self._ended(ref, Status.CANCELLED, at, attempt=False))

    def requeue(self, ref: JobRef, retry_of: str, at: datetime) -> Job:
        with self.lock:
            job = self.rows.get(ref.job_id)
            if job is not None and job.is_unfinished(ref, at):
                return job
            if job is None or job.status is not Status.FAILED or job.generation != retry_of or job.is_expired(at):
                raise JobEnded
            return self.write(
                replace(
                    job,
                    status=Status.QUEUED,
                    generation=ref.generation,
                    attempts=0,
                    retries=job.retries + 1,
                    updated_at=rfc3339(at),
                    expires_at=expiry_of_queued_job(at, RETENTION),
                    error=None,
                    kept=None,
                    running_attempt=None,
                    interruptions=0,
                )
            )

    def succeeded(self, ref: JobRef, success: Success, at: datetime) -> Job:
        return replace(
            self._ended(ref, Status.SUCCEEDED, at, attempt=True),
            result=success.result,
            result_document=success.result_document,
            result_version=success.result_version,
            superseded=success.superseded,
        )

    def _live(self, ref: JobRef, at: datetime) -> Job:
        job = self.rows.get(ref.job_id)
        if job is None or not job.is_unfinished(ref, at):
            raise JobEnded
        return job

    def _ended(self, ref: JobRef, status: Status, at: datetime, *, attempt: bool) -> Job:
        job = self._live(ref, at)
        return replace(
            job,
            status=status,
            attempts=job.attempts + attempt,
            updated_at=rfc3339(at),
            expires_at=int((at + RETENTION).timestamp()),
            running_attempt=None,
            interruptions=0,
            error=None,
        )

    def write(self, job: Job) -> Job:
        self.rows[job.job_id] = job
        return job


def page_of_jobs(
    listed: list[tuple[str, Job]], limit: int, after: str | None, at: datetime, wanted: JobFilter
) -> JobPage:
    """Return the jobs from the last place before `after` on, of which expired ones count but are not shown."""
    listed = [(key, job) for key, job in sorted(listed, key=lambda each: each[0], reverse=True)]
    left = [(key, job) for key, job in listed if (after is None or key < after) and wanted.matches(job)]
    hidden: dict[str, Any] = dict.fromkeys(
        ("result", "result_document", "result_version", "superseded", "kept"), None
    )
    shown = left[:limit]
    jobs = [replace(job, **hidden, interruptions=0) for _, job in shown if not job.is_expired(at)]
    return JobPage(jobs, shown[-1][0] if len(left) > limit else None)


class MemoryRecentJobs:
    """RecentJobs."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs

    def page(self, owner: str, wanted: JobFilter, limit: int, after: str | None, at: datetime) -> JobPage:
        with self._jobs.lock:
            listed = [
                (f"all#{job.created_at}#{job.job_id}", job)
                for job in self._jobs.rows.values()
                if job.owner == owner
            ]
        return page_of_jobs(listed, limit, after, at, wanted)


class MemoryBatches:
    """BatchStore."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self.rows: dict[str, Batch] = {}

    def put_new(self, batch: Batch, jobs: Sequence[Job], at: datetime) -> Batch | None:
        with self._jobs.lock:
            earlier = self.rows.get(batch.batch_id)
            if earlier is not None and not earlier.is_expired(at):
                return earlier
            self.rows[batch.batch_id] = batch
            self._write(jobs[: batch.stored])
            return None

    def put_rest(self, batch: Batch, jobs: Sequence[Job]) -> bool:
        with self._jobs.lock:
            there = self.rows.get(batch.batch_id)
            if there is None or (there.seed, there.stored) != (batch.seed, batch.stored):
                return False
            self.rows[batch.batch_id] = replace(there, stored=len(jobs))
            self._write(jobs[batch.stored :])
            return True

    def _write(self, jobs: Sequence[Job]) -> None:
        assert len(jobs) < 100, "a transaction has at most 100 writes, one of them for the batch"
        for job in jobs:
            self._jobs.write(job)

    def get(self, batch_id: str) -> Batch | None:
        return self.rows.get(batch_id)

    def jobs(self, job_ids: Sequence[str]) -> dict[str, Job]:
        assert len(set(job_ids)) == len(job_ids) <= 100, "DynamoDB returns at most 100 rows, each once"
        hidden: dict[str, Any] = dict.fromkeys(
            ("result", "result_document", "result_version", "superseded", "kept"), None
        )
        return {
            job_id: replace(self._jobs.rows[job_id], **hidden) for job_id in job_ids if job_id in self._jobs.rows
        }


class MemoryItems:
    """CollectionStore for one collection in one scope."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self.jobs = jobs
        self.rows: dict[str, StoredItem] = {}
        self.names: dict[str, str] = {}  # the ids of items by the keys of their names
        self.locks: dict[str, str] = {}  # the ids of documents by their unique values
        self.malformed: set[str] = set()  # ids of rows that cannot be read as items, as after a manual edit

    def get(self, item_id: str) -> StoredItem | None:
        return self.rows.get(item_id)

    def page(self, limit: int, after: str | None) -> ItemPage:
        ids = sorted(each for each in {*self.rows, *self.malformed} if after is None or each > after)
        shown = ids[:limit]
        items = [MalformedItem(each) if each in self.malformed else self.rows[each] for each in shown]
        return ItemPage(items, shown[-1] if len(ids) > limit else None)

    def holder(self, value_key: str) -> str | None:
        return self.locks.get(value_key)

    def indexed(self, value_key: str, limit: int, after: str | None) -> IndexPage:
        entries = sorted(
            (
                (f"{row.updated_at}#{row.item_id}", row)
                for row in self.rows.values()
                if value_key in row.entries.values()
            ),
            key=lambda entry: entry[0],
            reverse=True,
        )
        left = [(entry, row) for entry, row in entries if after is None or entry < after]
        return IndexPage([row for _, row in left[:limit]], left[limit - 1][0] if len(left) > limit else None)

    def commit(self, change: Change, ref: JobRef, success: Success, at: datetime) -> None:
        with self.jobs.lock:
            job = self.jobs.succeeded(ref, success, at)
            match change:
                case Created(new):
                    self._require(new.item_id not in self.rows)
                    self._lock(None, new)
                    self.rows[new.item_id] = new
                case Replaced(old, new):
                    self._require_version(old)
                    self._lock(old, new)
                    self.rows[new.item_id] = new
                case Removed(old):
                    self._require_version(old)
                    self._lock(old, None)
                    del self.rows[old.item_id]
            self.jobs.write(job)

    def _require(self, holds: bool) -> None:
        if not holds:
            raise ItemChanged

    def _require_version(self, old: StoredItem) -> None:
        stored = self.rows.get(old.item_id)
        self._require(stored is not None and stored.version == old.version)

    def _lock(self, old: StoredItem | None, new: StoredItem | None) -> None:
        """Exchange the locks, all or nothing; an item has its name's, a document those of its unique fields."""
        for held, kind in ((self.names, _names), (self.locks, _unique_values)):
            before, after = kind(old), kind(new)
            for field_name, value in after.items():
                if new is not None and held.get(value, new.item_id) != new.item_id:
                    raise ValueLocked(field_name, held[value])
            for value in before.values():
                del held[value]
            for value in after.values():
                assert new is not None
                held[value] = new.item_id


def _names(item: StoredItem | None) -> dict[str, str]:
    return {"name": name_key(item.name)} if item is not None and item.name else {}


def _unique_values(item: StoredItem | None) -> dict[str, str]:
    return dict(item.locks) if item is not None else {}


class MemoryCollections:
    """Opens the store of each collection in each scope."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs
        self.opened: dict[tuple[str, str], MemoryItems] = {}
        self.building: set[tuple[str, str]] = set()  # collections and fields whose look-ups are not ready

    def open(self, collection: str, scope: str) -> MemoryItems:
        return self.opened.setdefault((collection, scope), MemoryItems(self._jobs))


@dataclass
class MemoryIndexStates:
    """IndexStates: everything is ready that is not being built."""

    registry: Registry
    collections: MemoryCollections

    def ready(self, collection: str) -> frozenset[str]:
        declared = self.registry.get(collection)
        assert declared is not None
        fields = (*declared.unique, *declared.indexes)
        return frozenset(each for each in fields if (collection, each) not in self.collections.building)


class MemoryDocuments:
    """DocumentStore, versioned."""

    def __init__(self) -> None:
        self.current: dict[str, str] = {}
        self.latest: dict[str, str] = {}  # ids of the current versions
        self.versions: dict[tuple[str, str], str] = {}

    def put(self, key: str, text: str) -> DocumentRef:
        version_id = f"v{len(self.versions)}"
        self.current[key] = text
        self.latest[key] = version_id
        self.versions[key, version_id] = text
        return DocumentRef(key, version_id)

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        text = self.versions.get((ref.key, ref.version_id))
        if text is not None:
            return ref, text
        current = self.current.get(ref.key)
        return None if current is None else (DocumentRef(ref.key, self.latest[ref.key]), current)

    def get_by_key(self, key: str) -> str | None:
        return self.current.get(key)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.current.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self.current if key.startswith(prefix))


@dataclass
class MemoryQueue:
    """BatchQueue and ReceivedMessages with SQS's FIFO rules: deduplication, and order within a group."""

    waiting: list[tuple[str, Envelope, int]] = field(default_factory=list)  # message id, envelope, receive count
    seen: set[str] = field(default_factory=set)
    sent: int = 0
    sent_ms: dict[str, int] = field(default_factory=dict)  # by message id
    postponed: list[tuple[str, int]] = field(default_factory=list)  # message id, seconds
    calls: list[list[str]] = field(default_factory=list)  # the groups of the messages of each send_batch

    def delete(self, receipts: Sequence[str]) -> None:
        gone = {receipt.rpartition("/")[0] for receipt in receipts}
        self.waiting = [entry for entry in self.waiting if entry[0] not in gone]

    def postpone(self, receipts: Sequence[tuple[str, int]]) -> None:
        self.postponed += [(receipt.rpartition("/")[0], seconds) for receipt, seconds in receipts]

    def send(self, envelope: Envelope) -> None:
        self.sent += 1
        if envelope.deduplication_id not in self.seen:
            self.seen.add(envelope.deduplication_id)
            self.waiting.append((f"m{self.sent}", envelope, 0))
            self.sent_ms[f"m{self.sent}"] = int(now().timestamp() * 1000)

    def send_batch(self, envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        assert 1 <= len(envelopes) <= MAX_MESSAGES, "a call has 1 to 10 messages"
        assert sum(len(each.body.encode()) for each in envelopes) <= MAX_CALL_BYTES, "the call is too large"
        self.calls.append([each.group_id for each in envelopes])
        for each in envelopes:
            self.send(each)
        return {}

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """Return the first messages as an event of Lambda; they stay queued until `acknowledge`."""
        self.waiting = [(i, e, n + 1 if k < most else n) for k, (i, e, n) in enumerate(self.waiting)]
        return [
            {
                "messageId": message_id,
                "receiptHandle": f"{message_id}/{count}",
                "body": envelope.body,
                "attributes": {
                    "MessageGroupId": envelope.group_id,
                    "ApproximateReceiveCount": str(count),
                    "SentTimestamp": str(self.sent_ms.get(message_id, 0)),
                },
            }
            for message_id, envelope, count in self.waiting[:most]
        ]

    def acknowledge(self, records: list[dict[str, Any]], answer: dict[str, Any]) -> None:
        """Delete the received messages that are not reported as failed."""
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        done = {record["messageId"] for record in records} - failed
        self.waiting = [entry for entry in self.waiting if entry[0] not in done]


@dataclass
class MemoryBacklog:
    """BacklogGauge; no message is ever in flight, and the first one sent is the oldest."""

    queue: MemoryQueue
    parked: MemoryParked

    def read(self) -> Backlog:
        sent = [self.queue.sent_ms.get(message_id, 0) for message_id, _, _ in self.queue.waiting]
        oldest = max(0.0, now().timestamp() - min(sent) / 1000) if sent else 0.0
        return Backlog(len(sent), 0, 0, oldest, 0, len(self.parked.messages))


@dataclass
class MemoryParked:
    """ParkedMessages."""

    messages: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # body, attributes

    def park(self, body: str, attributes: dict[str, str]) -> None:
        self.messages.append((body, attributes))
