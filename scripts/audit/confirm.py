"""Looks at each suspect again, by consistent reads: the tables of an audit are no snapshot of a live system.

Each function returns a finding only if at one moment between its reads all of it was true. What makes that so is
said in each: mostly that keys, versions and generations are used once and never come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, AttemptsSpent
from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.domain.job import Job, Status
from jobpipe.domain.limits import QUEUE_RETENTION
from jobpipe.runtime.aws import error_code
from scripts.audit.backlog import Backlog
from scripts.audit.findings import (
    DanglingPointer,
    Finding,
    ItemWithoutLock,
    LockWithoutItem,
    Lost,
    MalformedRow,
    MissingClaim,
    NameHeldTwice,
    NeverAnswered,
    OrphanClaim,
    OrphanDocument,
    has_name,
)
from scripts.audit.keys import parse_claim_key, parse_document_key
from scripts.audit.places import Places
from scripts.audit.rows import MalformedRowError, check_row

_ABSENT = {"404", "NoSuchKey", "NotFound"}
_COMMITTING = {"create", "update"}


@dataclass(frozen=True, slots=True)
class Confirm:
    """The second look at the suspects of each check."""

    places: Places
    now: datetime
    backlog: Backlog | None = None  # None: what waits does not matter, because what is confirmed can do no harm

    def malformed_row(self, table: str, key: str) -> Finding | None:
        # One read suffices: it shows the row as it is now.
        row = self.places.row(table, key)
        try:
            if row is not None:
                check_row(table, row)
        except MalformedRowError as why:
            return MalformedRow(key, table, str(why))
        return None

    def dangling_pointer(self, item_id: str, key: str) -> Finding | None:
        # The bucket first, the row second: as long as the row points to the key, nobody may have deleted it.
        if self._is_there(key):
            return None
        item = self.places.item(item_id)
        if item is None or item.document.key != key:
            return None
        return DanglingPointer(item_id, item, deleted=item.document.version_id in versions(self.places, key).hidden)

    def orphan_document(self, key: str, *, superseded: bool) -> Finding | None:
        # The job first: once its life is over, what it did not commit never will be. The row second, the bucket
        # last: a worker may have cleaned up meanwhile.
        parsed = parse_document_key(key)
        if parsed is None:
            return OrphanDocument(key, None) if self._is_there(key) else None
        item_id, job_id, generation = parsed
        job = self.places.job(job_id)
        why = self._why_over(job, generation)
        if why is None:
            return None
        waits = self._clean_up_may_come(job)
        item = self.places.item(item_id)
        if (item is not None and item.document.key == key) or not self._is_there(key):
            return None
        if waits:
            self._leave("orphan documents")
            return None
        only_copy = not superseded and self._may_be_the_only_copy(key, job, item)
        return OrphanDocument(key, why, superseded, only_copy)

    def lock_without_item(self, name: str) -> Finding | None:
        holder = self.places.lock_holder(name)
        if holder is None:
            return None
        item = self.places.item(holder)
        # The lock twice and the item between: a lock is put in one transaction with its item, so an item that was
        # without its lock's name while the lock stood is a finding, but for a rename there and back.
        if has_name(item, name) or self.places.lock_holder(name) != holder:
            return None
        return LockWithoutItem(name, holder, item)

    def item_without_lock(self, item_id: str) -> Finding | None:
        # The row twice and the lock between: a version never comes back, so the row was that all the time.
        item = self.places.item(item_id)
        if item is None:
            return None
        holder = self.places.lock_holder(name_key(item.name))
        if holder == item_id or self.places.item(item_id) != item:
            return None
        other = None if holder is None else self.places.item(holder)
        if has_name(other, name_key(item.name)):
            return NameHeldTwice(name_key(item.name), tuple(each for each in (item, other) if each), holder)
        return ItemWithoutLock(item_id, item, holder)

    def name_held_twice(self, name: str, *item_ids: str) -> Finding | None:
        items = [self.places.item(item_id) for item_id in item_ids]
        sharing = tuple(item for item in items if item is not None and has_name(item, name))
        # The first once more: it had the name while the second was read.
        if len(sharing) < len(item_ids) or self.places.item(item_ids[0]) != items[0]:
            return None
        return NameHeldTwice(name, sharing, self.places.lock_holder(name))

    def unfinished_job(
        self, job_id: str, generation: str, updated_at: str, *, has_document: bool
    ) -> Finding | None:
        # The queues are seen empty before the read, so nothing is left that could end this life of the job; or no
        # message can be as old as it, whatever they hold. While they hold anything, the others are not even read.
        overdue = updated_at <= rfc3339(self.now - 2 * QUEUE_RETENTION)  # once on the queue, once as a dead letter
        if not overdue and self._messages_wait():
            self._leave("unfinished jobs")
            return None
        job = self.places.job(job_id)
        if job is None or job.status.done or job.generation != generation or job.is_expired(self.now):
            return None
        if overdue and job.updated_at != updated_at:
            return None
        traces = _traces(job, has_document=has_document)
        if traces is None and self.places.was_answered(job, None):
            traces = "the API's log has its 202"
        if traces is None:
            return NeverAnswered(job_id, job, "no worker saw it and no 202 is known", self.now, overdue)
        return Lost(job_id, job, traces, self.now, overdue, command_claim(self.places, job))

    def orphan_claim(self, key: str) -> Finding | None:
        # The job first: a claim check that it does not need any more it will never need again, since every life
        # that begins with a request has keys of its own, and a retry takes what the failed job keeps.
        parsed = parse_claim_key(key)
        if parsed is None:
            return OrphanClaim(key, None) if self._is_there(key) else None
        job = self.places.job(parsed[0])
        if job is None or job.is_expired(self.now) or job.needs_claim(key):
            return None  # gone since: left to the bucket's lifecycle
        waits = self._clean_up_may_come(job)
        if not self._is_there(key):
            return None
        if waits:
            self._leave("orphan claims")
            return None
        return OrphanClaim(key, f"its job has {job.status.value} and does not keep it")

    def missing_claim(self, job_id: str, key: str) -> Finding | None:
        # The bucket first: whoever deletes the claim check of a job has ended its last life before.
        if self._is_there(key):
            return None
        job = self.places.job(job_id)
        if job is None or job.is_expired(self.now) or not job.status.done or not job.needs_claim(key):
            return None
        return MissingClaim(job_id, job, key, deleted=bool(versions(self.places, key).hidden))

    def _may_be_the_only_copy(self, key: str, job: Job | None, item: StoredItem | None) -> bool:
        """Whether the document may have been committed while no later document of its item exists.

        This happens if the item's row is lost, or the document that the row points to. A document that a job
        superseded is not needed. A job may not know a document that another attempt put beside the committed one,
        so such a document is spared too.
        """
        if job is not None and not job.is_expired(self.now):
            if job.status is not Status.SUCCEEDED or job.operation not in _COMMITTING:
                return False
            if job.result_document is not None and job.result_document.key != key:
                return False
        elif item is None:
            return False  # there is no sign that it was committed
        return item is None or (item.inline is None and not self._is_there(item.document.key))

    def _why_over(self, job: Job | None, generation: str) -> str | None:
        if job is None or job.is_expired(self.now):
            return "and its job is gone"
        if job.generation != generation:
            return "and its job lives anew"
        return f"and its job has {job.status.value}" if job.status.done else None

    def _clean_up_may_come(self, job: Job | None) -> bool:
        """Whether the job was ended over its message's head, which may wait and will clean up when it comes.

        By a cancel, or by a dead letter while the same command, sent twice, stays away for its backoff.
        """
        if job is None or job.is_expired(self.now):
            return False
        given_up = job.error is not None and job.error.get("type") == PROBLEM_TYPE_PREFIX + AttemptsSpent.slug
        return (job.status is Status.CANCELLED or (job.status.done and given_up)) and self._messages_wait()

    def _messages_wait(self) -> bool:
        return self.backlog is not None and self.backlog.messages > 0

    def _leave(self, what: str) -> None:
        """Count it as not judged: what waits may yet deal with it."""
        if self.backlog is not None:
            self.backlog.not_judged[what] += 1

    def _is_there(self, key: str) -> bool:
        try:
            self.places.clients.s3.head_object(Bucket=self.places.documents_bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
        return True


@dataclass(frozen=True, slots=True)
class Versions:
    """What stands under a deleted key: the delete markers on top, and the versions that they hide."""

    markers: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def versions(places: Places, key: str) -> Versions:
    """The markers and versions of one key; none if it is not deleted."""
    answer = places.clients.s3.list_object_versions(Bucket=places.documents_bucket, Prefix=key)
    markers = [each for each in answer.get("DeleteMarkers", []) if each["Key"] == key]
    if not any(each["IsLatest"] for each in markers):
        return Versions()
    hidden = [each["VersionId"] for each in answer.get("Versions", []) if each["Key"] == key]
    return Versions(tuple(each["VersionId"] for each in markers), tuple(hidden))


def command_claim(places: Places, job: Job) -> str | None:
    """A claim check that holds the job's command: the one of this life of it, else of an earlier one.

    By the fingerprint, which names it: an earlier job of the same id may have left that of another command.
    """
    keys = places.documents.keys(f"claims/{job.job_id}/")
    its_own = [key for key in keys if key.endswith(f"/{job.fingerprint}.json") and parse_claim_key(key)]
    return min(its_own, key=lambda key: (f"/{job.generation}/" not in key, key), default=None)


def _traces(job: Job, *, has_document: bool) -> str | None:
    """What shows that a worker had the job's message, or that an operator or caller retried it."""
    traces = {
        f"{job.attempts} attempts": job.attempts > 0,
        "an attempt began": job.running_attempt is not None,
        f"{job.retries} retries": job.retries > 0,
        "an attempt was interrupted": job.error is not None,
        "a worker put a document": has_document,
    }
    shown = [trace for trace, there in traces.items() if there]
    return ", ".join(shown) if shown else None
