"""The table of jobs, its lists, and batches, in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobEnded, Problem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import Job, JobPage, KeptCommand, Status, Success, expiry_of_queued_job
from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter
from jobpipe.domain.jobs.scheduled import MOST_COUNTED, DueEntry, DuePage
from tests.helpers.memory import RETENTION

# What the lists and batches do not read from the rows of their jobs.
NOT_READ: dict[str, Any] = dict.fromkeys(
    ("result", "result_document", "result_version", "old_document_key", "emitted_events", "kept", "dismissed_at")
)


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

    def list_jobs(
        self,
        owner: str,
        status: Status,
        limit: int,
        after: str | None,
        at: datetime,
        *,
        job_filter: JobFilter = EVERY_JOB,
    ) -> JobPage:
        with self.lock:
            listed = [
                (f"{status.value}#{_listed_at(job)}#{job.job_id}", job)
                for job in self.rows.values()
                if job.owner == owner and job.status is status and job.dismissed_at is None
            ]
        return page_of_jobs(listed, limit, after, at, job_filter)

    def list_jobs_of_all_owners(
        self, status: Status, limit: int, after: str | None, at: datetime, *, job_filter: JobFilter = EVERY_JOB
    ) -> JobPage:
        with self.lock:
            listed = [
                (f"lists|{job.job_id}|{job.owner}#0|{job.status.value}#{job.updated_at}", job)
                for job in self.rows.values()
                if job.status is status and job.dismissed_at is None
            ]
        return page_of_jobs(listed, limit, after, at, job_filter)

    def begin_attempt(self, ref: JobRef, charged: int, at: datetime) -> None:
        with self.lock:
            self.write(
                replace(self._live(ref, at), attempts=charged, running_attempt=charged + 1, updated_at=rfc3339(at))
            )

    def record_interruption(
        self,
        ref: JobRef,
        problem: Problem,
        charged: int,
        interruptions: int,
        at: datetime,
        *,
        label: str | None = None,
    ) -> None:
        with self.lock:
            job = replace(self._live(ref, at), status=Status.RETRYING, error=problem, label=label, attempts=charged)
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
        label: str | None = None,
    ) -> None:
        with self.lock:
            self.write(replace(self.failed(ref, at, attempt=charge_attempt), error=problem, kept=kept, label=label))

    def cancel(self, ref: JobRef, at: datetime, *, make_due: bool = False) -> Job:
        with self.lock:
            job = self._ended(ref, Status.CANCELLED, at, attempt=False)
            waiting = job.waiting if make_due else None
            due_now = None if waiting is None else replace(waiting, due=f"{rfc3339(at)}#")
            return self.write(replace(job, waiting=due_now))

    def requeue(self, ref: JobRef, retry_of: str, at: datetime, *, not_after: str | None = None) -> Job:
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
                    label=None,
                    kept=None,
                    running_attempt=None,
                    interruptions=0,
                    not_after=not_after or job.not_after,
                    dismissed_at=None,
                )
            )

    def dismiss(self, ref: JobRef, at: datetime) -> Job:
        with self.lock:
            job = self.rows.get(ref.job_id)
            if job is None or job.status is not Status.FAILED or job.ref != ref or job.is_expired(at):
                raise JobEnded
            return self.write(replace(job, dismissed_at=rfc3339(at)))

    def give_task_token(self, job: Job, token: str, at: datetime) -> Job:
        with self.lock:
            now = self.rows.get(job.job_id)
            if now is None or now.created_at != job.created_at or now.is_expired(at):
                raise JobEnded
            return self.write(replace(now, task_token=token))

    def succeeded(self, ref: JobRef, success: Success, at: datetime) -> Job:
        return replace(
            self._ended(ref, Status.SUCCEEDED, at, attempt=True),
            result=success.result,
            result_document=success.result_document,
            result_version=success.result_version,
            old_document_key=success.old_document_key,
            emitted_events=success.emitted_events,
        )

    def failed(self, ref: JobRef, at: datetime, *, attempt: bool = True) -> Job:
        return self._ended(ref, Status.FAILED, at, attempt=attempt)

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
            label=None,
        )

    def write(self, job: Job) -> Job:
        self.rows[job.job_id] = job
        return job


class MemorySchedule:
    """Schedule."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs

    def due(self, shard: str, since: str, until: str, limit: int, after: DueEntry | None = None) -> DuePage:
        assert since <= until, "DynamoDB refuses such a range"
        with self._jobs.lock:
            waiting = [(job.waiting, job.job_id) for job in self._jobs.rows.values() if job.waiting is not None]
        found = sorted((each.due, job_id) for each, job_id in waiting if each.shard == shard)
        left = [
            place
            for place in found
            if since <= place[0] <= until and (after is None or place > (after.due, after.job_id))
        ]
        entries = [DueEntry(job_id, due) for due, job_id in left[:limit]]
        return DuePage(entries, entries[-1] if len(left) >= limit else None)

    def jobs(self, job_ids: Sequence[str]) -> dict[str, Job]:
        assert len(set(job_ids)) == len(job_ids) <= 100
        return {job_id: self._jobs.rows[job_id] for job_id in job_ids if job_id in self._jobs.rows}

    def mark_queued(self, job: Job, at: datetime) -> bool:
        with self._jobs.lock:
            now = self._there(job)
            if now is None or now.waiting is None or now.status is not Status.SCHEDULED:
                return False
            waiting = now.waiting if now.waiting.claim is not None else None
            self._jobs.write(replace(now, status=Status.QUEUED, updated_at=rfc3339(at), waiting=waiting))
            return True

    def forget(self, job: Job) -> None:
        with self._jobs.lock:
            now = self._there(job)
            if now is not None:
                self._jobs.write(replace(now, waiting=None))

    def _there(self, job: Job) -> Job | None:
        """Return the job as it is now, if it is still at its place."""
        now = self._jobs.rows.get(job.job_id)
        if now is None or job.waiting is None or now.waiting is None:
            return None
        return now if now.waiting.due == job.waiting.due else None


@dataclass
class MemoryScheduledCount:
    """ScheduledCount; a count of nothing lasts until it expects some."""

    jobs: MemoryJobs
    most: int = MOST_COUNTED
    _has_found_nothing: bool = False

    def read(self) -> int:
        with self.jobs.lock:
            count = sum(job.waiting is not None for job in self.jobs.rows.values())
        self._has_found_nothing = self._has_found_nothing or not count
        return 0 if self._has_found_nothing else min(self.most, count)

    def expect_some(self) -> None:
        self._has_found_nothing = False


def _listed_at(job: Job) -> str | None:
    return job.not_before if job.status is Status.SCHEDULED else job.updated_at


def page_of_jobs(
    listed: list[tuple[str, Job]],
    limit: int,
    after: str | None,
    at: datetime,
    job_filter: JobFilter,
    *,
    with_batch: bool = False,
) -> JobPage:
    """Return up to `limit` jobs after the place `after`, latest first, and leave out the expired ones of them."""
    listed = sorted(listed, key=lambda each: each[0], reverse=True)
    left = [(key, job) for key, job in listed if (after is None or key < after) and job_filter.matches(job)]
    shown = left[:limit]
    unread = {**NOT_READ, "task_token": None, **({} if with_batch else {"batch_id": None})}
    jobs = [replace(job, **unread, interruptions=0) for _, job in shown if not job.is_expired(at)]
    return JobPage(jobs, shown[-1][0] if len(left) > limit else None)


class MemoryRecentJobs:
    """RecentJobs."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self._jobs = jobs

    def page(self, owner: str, job_filter: JobFilter, limit: int, after: str | None, at: datetime) -> JobPage:
        with self._jobs.lock:
            listed = [
                (f"all#{job.created_at}#{job.job_id}", job)
                for job in self._jobs.rows.values()
                if job.owner == owner
            ]
        return page_of_jobs(listed, limit, after, at, job_filter, with_batch=True)


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
        return {
            job_id: replace(self._jobs.rows[job_id], **NOT_READ) for job_id in job_ids if job_id in self._jobs.rows
        }
