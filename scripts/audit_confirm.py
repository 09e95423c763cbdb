"""Looks at each suspect again, by consistent reads: the tables of an audit are no snapshot of a live system.

Each function returns a finding only if at one moment between its reads all of it was true. What makes that so is
said in each: mostly that keys, versions and generations are used once and never come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError

from jobpipe.aws import error_code
from jobpipe.item_rules import name_key
from jobpipe.job import Job
from scripts.audit_findings import (
    DanglingPointer,
    Finding,
    ItemWithoutLock,
    LockWithoutItem,
    Lost,
    MissingClaim,
    NameHeldTwice,
    NeverAnswered,
    OrphanClaim,
    OrphanDocument,
    has_name,
)
from scripts.audit_places import Places
from scripts.audit_tables import parse_claim_key, parse_document_key

_ABSENT = {"404", "NoSuchKey", "NotFound"}


@dataclass(frozen=True, slots=True)
class Confirm:
    """The second look at the suspects of each check."""

    places: Places
    now: datetime

    def dangling_pointer(self, item_id: str, key: str) -> Finding | None:
        # The bucket first, the row second: as long as the row points to the key, nobody may have deleted it.
        if self._is_there(key):
            return None
        item = self.places.items.get(item_id)
        if item is None or item.document.key != key:
            return None
        return DanglingPointer(item_id, item, deleted=item.document.version_id in versions(self.places, key).hidden)

    def orphan_document(self, key: str) -> Finding | None:
        # The job first: once its life is over, what it did not commit never will be. The row second, the bucket
        # last: a worker may have cleaned up meanwhile.
        parsed = parse_document_key(key)
        why = None
        if parsed is not None:
            item_id, job_id, generation = parsed
            why = self._why_over(job_id, generation)
            item = self.places.items.get(item_id)
            if why is None or (item is not None and item.document.key == key):
                return None
        return OrphanDocument(key, why) if self._is_there(key) else None

    def lock_without_item(self, name: str) -> Finding | None:
        holder = self.places.lock_holder(name)
        if holder is None:
            return None
        item = self.places.items.get(holder)
        # The lock twice and the item between: a lock is put in one transaction with its item, so an item that was
        # without its lock's name while the lock stood is a finding, but for a rename there and back.
        if has_name(item, name) or self.places.lock_holder(name) != holder:
            return None
        return LockWithoutItem(name, holder, item)

    def item_without_lock(self, item_id: str) -> Finding | None:
        # The row twice and the lock between: a version never comes back, so the row was that all the time.
        item = self.places.items.get(item_id)
        if item is None:
            return None
        holder = self.places.lock_holder(name_key(item.name))
        if holder == item_id or self.places.items.get(item_id) != item:
            return None
        other = None if holder is None else self.places.items.get(holder)
        if has_name(other, name_key(item.name)):
            return NameHeldTwice(name_key(item.name), tuple(each for each in (item, other) if each), holder)
        return ItemWithoutLock(item_id, item, holder)

    def name_held_twice(self, name: str, *item_ids: str) -> Finding | None:
        items = [self.places.items.get(item_id) for item_id in item_ids]
        sharing = tuple(item for item in items if item is not None and has_name(item, name))
        # The first once more: it had the name while the second was read.
        if len(sharing) < len(item_ids) or self.places.items.get(item_ids[0]) != items[0]:
            return None
        return NameHeldTwice(name, sharing, self.places.lock_holder(name))

    def unfinished_job(self, job_id: str, generation: str, *, has_document: bool) -> Finding | None:
        # The queues were seen empty before this read, so nothing is left that could end this life of the job.
        job = self.places.jobs.get(job_id)
        if job is None or job.status.done or job.generation != generation or job.is_expired(self.now):
            return None
        traces = _traces(job, has_document=has_document)
        if traces is None and self.places.was_answered(job):
            traces = "the API's log has its 202"
        if traces is None:
            return NeverAnswered(job_id, job, "no worker saw it and no 202 is known")
        return Lost(job_id, job, traces)

    def orphan_claim(self, key: str) -> Finding | None:
        # The job first: a claim check that it does not need any more it will never need again, since every life
        # that begins with a request has keys of its own, and a retry takes what the failed job keeps.
        parsed = parse_claim_key(key)
        why = None
        if parsed is not None:
            why = self._why_not_needed(key, parsed[0])
            if why is None:
                return None
        return OrphanClaim(key, why) if self._is_there(key) else None

    def missing_claim(self, job_id: str, key: str) -> Finding | None:
        # The bucket first: whoever deletes the claim check of a job has ended its last life before.
        if self._is_there(key):
            return None
        job = self.places.jobs.get(job_id)
        if job is None or job.is_expired(self.now) or job.kept is None or job.kept.claim != key:
            return None
        return MissingClaim(job_id, job, key, deleted=bool(versions(self.places, key).hidden))

    def _why_over(self, job_id: str, generation: str) -> str | None:
        job = self.places.jobs.get(job_id)
        if job is None or job.is_expired(self.now):
            return "and its job is gone"
        if job.generation != generation:
            return "and its job lives anew"
        return f"and its job has {job.status.value}" if job.status.done else None

    def _why_not_needed(self, key: str, job_id: str) -> str | None:
        job = self.places.jobs.get(job_id)
        if job is None or job.is_expired(self.now) or not job.status.done:
            return None  # gone since: left to the bucket's lifecycle
        kept = job.kept is not None and job.kept.claim == key
        return None if kept else f"its job has {job.status.value} and does not keep it"

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


def _traces(job: Job, *, has_document: bool) -> str | None:
    """What shows that a worker had the job's message, or that an operator or caller retried it."""
    traces = {
        f"{job.attempts} attempts": job.attempts > 0,
        "an attempt began": job.began is not None,
        f"{job.retries} retries": job.retries > 0,
        "an attempt was interrupted": job.error is not None,
        "a worker put a document": has_document,
    }
    shown = [trace for trace, there in traces.items() if there]
    return ", ".join(shown) if shown else None
