"""Confirms suspects by consistent reads, because the audit's tables are not a snapshot of a running stage.

Each method of Confirm returns a finding only if all of it was true at one moment between the reads. The comments
say why: mostly because keys, versions and generations are used once and never come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from botocore.exceptions import ClientError

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, AttemptsSpent
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.limits import QUEUE_RETENTION
from jobpipe.runtime.aws import error_code
from scripts.audit.attributes import MalformedRowError
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
    NeverStored,
    OrphanClaim,
    OrphanDocument,
    Overdue,
    has_name,
    subject_of,
)
from scripts.audit.object_keys import parse_claim_key, parse_document_key, parse_waiting_key
from scripts.audit.resources import Backlog, Resources
from scripts.audit.rows import check_row

OVERDUE = timedelta(hours=1)
"""A scheduled job is a finding this long after its time; a release takes a minute."""
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_NOT_WRITING = {"read", "delete"}  # operations that commit no document; a collection may have others that do


@dataclass(frozen=True, slots=True)
class Confirm:
    """Confirms the suspects of each check. Boolean columns are numbers in SQLite."""

    resources: Resources
    now: datetime
    backlog: Backlog | None = None  # None before a repair, which is safe whatever messages wait

    def malformed_row(self, table: str, *keys: str) -> Finding | None:
        key = [each for each in keys if each]
        row = self.resources.row(table, *key)
        try:
            if row is not None:
                check_row(table, row)
        except MalformedRowError as error:
            return MalformedRow(" ".join(key), table, str(error))
        return None

    def dangling_pointer(self, item_id: str, key: str, collection: str = ITEMS, scope: str = "") -> Finding | None:
        # Read the bucket first and the row second: no process may delete the document while the row points to it.
        if self._exists(key):
            return None
        ref = ItemRef(collection, scope, item_id)
        item = self.resources.document(ref)
        if item is None or item.document.key != key:
            return None
        is_deleted = item.document.version_id in versions(self.resources, key).hidden
        return DanglingPointer(subject_of(ref), ref, item, is_deleted)

    def orphan_document(self, key: str, superseded: int) -> Finding | None:
        # Read the job first: once it cannot commit the document, it never will again. Read the row second and the
        # bucket last, because a worker may have deleted the document meanwhile.
        parsed = parse_document_key(key)
        if parsed is None:
            return OrphanDocument(key, None) if self._exists(key) else None
        ref, job_id, generation = parsed
        job = self.resources.job(job_id)
        why = self._why_not_committed(job, generation)
        if why is None:
            return None
        may_be_deleted = self._message_may_clean_up(job)
        item = self.resources.document(ref)
        if (item is not None and item.document.key == key) or not self._exists(key):
            return None
        if may_be_deleted:
            self._count_not_judged("orphan documents")
            return None
        only_copy = not superseded and self._may_be_the_only_copy(key, job, item)
        return OrphanDocument(key, why, bool(superseded), only_copy)

    def lock_without_item(self, name: str) -> Finding | None:
        # Read the lock twice and the item between. A lock and its item are put in one transaction, so the item did
        # not have the name while the lock existed, unless it was renamed and renamed back.
        holder = self.resources.lock_holder(name)
        if holder is None:
            return None
        item = self.resources.item(holder)
        if has_name(item, name) or self.resources.lock_holder(name) != holder:
            return None
        return LockWithoutItem(name, holder, item)

    def item_without_lock(self, item_id: str) -> Finding | None:
        # Read the row twice and the lock between: versions never come back, so the row did not change meanwhile.
        item = self.resources.item(item_id)
        if item is None:
            return None
        holder = self.resources.lock_holder(name_key(item.name))
        if holder == item_id or self.resources.item(item_id) != item:
            return None
        other = None if holder is None else self.resources.item(holder)
        if has_name(other, name_key(item.name)):
            return NameHeldTwice(name_key(item.name), tuple(each for each in (item, other) if each), holder)
        return ItemWithoutLock(item_id, item, holder)

    def name_held_twice(self, name: str, *item_ids: str) -> Finding | None:
        items = [self.resources.item(item_id) for item_id in item_ids]
        sharing = tuple(item for item in items if item is not None and has_name(item, name))
        # Read the first item again, to see that it had the name while the second item was read.
        if len(sharing) < len(item_ids) or self.resources.item(item_ids[0]) != items[0]:
            return None
        return NameHeldTwice(name, sharing, self.resources.lock_holder(name))

    def unfinished_job(self, job_id: str, generation: str, updated_at: str, has_document: int) -> Finding | None:
        # Read the length of the queues before the job: if they are empty, no message can end it. A job that is
        # older than any message can be is stuck, whatever is in the queues.
        overdue = updated_at <= rfc3339(self.now - 2 * QUEUE_RETENTION)  # once on the queue, once as a dead letter
        if not overdue and self._messages_wait():
            self._count_not_judged("unfinished jobs")
            return None
        job = self.resources.job(job_id)
        if job is None or job.status.done or job.generation != generation or job.is_expired(self.now):
            return None
        if overdue and job.updated_at != updated_at:
            return None
        traces = _traces(job, has_document=bool(has_document))
        if traces is None and self.resources.was_answered(job, None):
            traces = "the API's log has its 202"
        if traces is None:
            return NeverAnswered(job_id, job, "no worker saw it and no 202 is known", self.now, overdue)
        return Lost(job_id, job, traces, self.now, overdue, command_claim(self.resources, job))

    def overdue_job(self, job_id: str) -> Finding | None:
        # Read the bucket last: only a release deletes the command of a waiting job, and ends the waiting.
        job = self.resources.job(job_id)
        if job is None or job.status is not Status.SCHEDULED or job.is_expired(self.now) or job.not_before is None:
            return None
        if job.not_before > rfc3339(self.now - OVERDUE):
            return None
        key = None if job.waiting is None else job.waiting.claim
        if key is not None and not self._exists(key) and not self.resources.was_answered(job, None):
            return NeverStored(job_id, job, "its command was never stored", self.now, overdue=True)
        return Overdue(job_id, job)

    def orphan_command(self, key: str) -> Finding | None:
        # Read the job first: once it does not wait, it never will again.
        parsed = parse_waiting_key(key)
        if parsed is None:
            return OrphanClaim(key, None) if self._exists(key) else None
        job = self.resources.job(parsed[0])
        if (job is not None and job.waiting is not None) or not self._exists(key):
            return None
        return OrphanClaim(key, "its job is no longer scheduled")

    def orphan_claim(self, key: str) -> Finding | None:
        # Read the job first: if it does not need the claim check now, it never will again. A new request makes new
        # keys, and a retry uses the claim check that the failed job keeps.
        parsed = parse_claim_key(key)
        if parsed is None:
            return OrphanClaim(key, None) if self._exists(key) else None
        job = self.resources.job(parsed[0])
        if job is None or job.is_expired(self.now) or job.needs_claim(key):
            return None  # without its job, the bucket's lifecycle deletes the claim check
        may_be_deleted = self._message_may_clean_up(job)
        if not self._exists(key):
            return None
        if may_be_deleted:
            self._count_not_judged("orphan claims")
            return None
        return OrphanClaim(key, f"its job has {job.status.value} and does not keep it")

    def missing_claim(self, job_id: str, key: str) -> Finding | None:
        # Read the bucket first: a job is ended before its claim check is deleted.
        if self._exists(key):
            return None
        job = self.resources.job(job_id)
        if job is None or job.is_expired(self.now) or not job.status.done or not job.needs_claim(key):
            return None
        return MissingClaim(job_id, job, key, deleted=bool(versions(self.resources, key).hidden))

    def _may_be_the_only_copy(self, key: str, job: Job | None, item: StoredItem | None) -> bool:
        """Return whether the document may have been committed, and its item has no other document.

        The latter means that the item's row, or the document that the row points to, is lost. If the job has not
        recorded which document it committed, the documents of its other attempts are spared too.
        """
        if job is not None and not job.is_expired(self.now):
            if job.status is not Status.SUCCEEDED or job.operation in _NOT_WRITING:
                return False
            if job.result_document is not None and job.result_document.key != key:
                return False
        elif item is None:
            return False  # nothing shows that the document was committed
        return item is None or (item.inline is None and not self._exists(item.document.key))

    def _why_not_committed(self, job: Job | None, generation: str) -> str | None:
        """Return why the job can no longer commit a document of this generation, or None if it can."""
        if job is None or job.is_expired(self.now):
            return "and its job has expired"
        if job.generation != generation:
            return "and its job was retried"
        return f"and its job has {job.status.value}" if job.status.done else None

    def _message_may_clean_up(self, job: Job | None) -> bool:
        """Return whether the job ended without its message, which may still be in a queue and will clean up.

        A cancellation ends a job like this, and so does a dead letter if the same command was sent twice.
        """
        if job is None or job.is_expired(self.now):
            return False
        is_exhausted = (job.error or {}).get("type") == PROBLEM_TYPE_PREFIX + AttemptsSpent.slug
        return (job.status is Status.CANCELLED or (job.status.done and is_exhausted)) and self._messages_wait()

    def _messages_wait(self) -> bool:
        return self.backlog is not None and self.backlog.messages > 0

    def _count_not_judged(self, what: str) -> None:
        if self.backlog is not None:
            self.backlog.not_judged[what] += 1

    def _exists(self, key: str) -> bool:
        try:
            self.resources.clients.s3.head_object(Bucket=self.resources.documents_bucket, Key=key)
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return False
            raise
        return True


@dataclass(frozen=True, slots=True)
class Versions:
    """The ids of a deleted key's delete markers, and of the versions that they hide."""

    markers: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


def versions(resources: Resources, key: str) -> Versions:
    """Return the delete markers and hidden versions of a key, which are empty if the key is not deleted."""
    response = resources.clients.s3.list_object_versions(Bucket=resources.documents_bucket, Prefix=key)
    markers = [each for each in response.get("DeleteMarkers", []) if each["Key"] == key]
    if not any(each["IsLatest"] for each in markers):
        return Versions()
    hidden = [each["VersionId"] for each in response.get("Versions", []) if each["Key"] == key]
    return Versions(tuple(each["VersionId"] for each in markers), tuple(hidden))


def command_claim(resources: Resources, job: Job) -> str | None:
    """Return the key of a claim check with the job's command, of this generation or else of an earlier one.

    The key must name the command's fingerprint, since an earlier job of the same id may have left another command.
    """
    keys = resources.documents.keys(f"claims/{job.job_id}/")
    same_command = [key for key in keys if key.endswith(f"/{job.fingerprint}.json") and parse_claim_key(key)]
    return min(same_command, key=lambda key: (f"/{job.generation}/" not in key, key), default=None)


def _traces(job: Job, *, has_document: bool) -> str | None:
    """Return a text on the traces of a receipt of the job's message, or of a retry; None if there are none."""
    traces = {
        f"{job.attempts} attempts": job.attempts > 0,
        "an attempt began": job.running_attempt is not None,
        f"{job.retries} retries": job.retries > 0,
        "an attempt was interrupted": job.error is not None,
        "a worker put a document": has_document,
    }
    return ", ".join(trace for trace, is_there in traces.items() if is_there) or None
