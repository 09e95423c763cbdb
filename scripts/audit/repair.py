"""Repairs findings. Each repair is safe whatever the Lambdas do meanwhile, and can be repeated.

A finding that has changed since the audit is skipped. The next audit finds the new state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.clock import now as current_time
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.errors import InternalError, JobEnded, ProblemError, Unavailable
from jobpipe.domain.jobs.claim_check import WAITING_PREFIX
from jobpipe.domain.jobs.job import KeptCommand
from jobpipe.runtime.aws import aws_call, error_code, settle_conflicts
from scripts.audit.attributes import MalformedRowError
from scripts.audit.confirm import Confirm, command_claim, versions
from scripts.audit.findings import (
    DanglingPointer,
    Finding,
    ItemWithoutLock,
    LockWithoutItem,
    Lost,
    MissingClaim,
    OrphanClaim,
    OrphanDocument,
    StuckJob,
)
from scripts.audit.kinds import KINDS
from scripts.audit.repair_lookups import LookupRepairs
from scripts.audit.resources import Resources, key_of
from scripts.audit.writes import all_or_nothing, unchanged

_SEND_AGAIN = " Send it again, with another Idempotency-Key if it had one."


@dataclass(frozen=True, slots=True)
class Repaired:
    """The result of repairing a finding."""

    finding: Finding
    mended: bool
    note: str


class LeftAlone(Exception):
    """The finding must not be repaired now; the message says why."""


def repair(
    findings: Iterable[Finding],
    resources: Resources,
    *,
    now: datetime | None = None,
    on_repaired: Callable[[Repaired], None] = lambda _: None,
) -> list[Repaired]:
    """Repair what can be repaired safely, in the order of KINDS."""
    repairs, done = _Repairs(resources, now or current_time()), []
    for finding in sorted(findings, key=lambda each: KINDS.index(type(each))):
        done.append(_repair(finding, repairs))
        on_repaired(done[-1])
    return done


def _repair(finding: Finding, repairs: _Repairs) -> Repaired:
    if finding.remedy is None:
        return Repaired(finding, mended=False, note="cannot be repaired safely")
    try:
        mended = repairs.apply(finding)
    except MalformedRowError as error:
        return Repaired(finding, mended=False, note=f"left alone: a row cannot be read, {error}")
    except LeftAlone as reason:
        return Repaired(finding, mended=False, note=f"left alone: {reason}")
    return Repaired(finding, mended, "done" if mended else "left alone: it has changed meanwhile")


@dataclass(frozen=True, slots=True)
class _Repairs:
    """The repairs of findings. A repair returns False if the finding has changed since the audit."""

    resources: Resources
    now: datetime

    def apply(self, finding: Finding) -> bool:
        match finding:
            case DanglingPointer(deleted=deleted):
                mended = self._undelete_document(finding) if deleted else self._put_document_from_row(finding)
            case OrphanDocument():
                mended = self._delete_document(finding)
            case LockWithoutItem():
                mended = self._delete_lock(finding)
            case ItemWithoutLock():
                mended = self._put_lock(finding)
            case StuckJob():
                mended = self._fail_job(finding)
            case OrphanClaim():
                mended = self._delete_claim(finding)
            case MissingClaim():
                mended = self._undelete_claim(finding)
            case _:
                mended = LookupRepairs(self.resources).apply(finding)
        return mended

    def _undelete_document(self, finding: DanglingPointer) -> bool:
        # List the markers before reading the row. A worker deletes a document after it has committed a later one,
        # so these markers are wrong while the row points to this document. A later marker stays.
        item = finding.item
        markers = versions(self.resources, item.document.key).markers
        if self.resources.document(finding.ref) != item:
            return False
        return self._remove_markers(item.document.key, markers)

    def _put_document_from_row(self, finding: DanglingPointer) -> bool:
        # The key and the item's version stay the same, so that a worker that has read the row before can commit,
        # and then deletes this document as superseded:
        #
        #   audit    put K (S3 version 2) ── row: K in version 2, if the item is still in version v ── succeeds
        #   worker       read row (v, K) ──────────────────────── commit w if v, record K as superseded ── delete K
        #
        # If the worker is faster, the condition fails and K is deleted here, since no row will name it again.
        item = finding.item
        assert item.inline is not None  # noqa: S101 - otherwise there is no remedy
        table, *key = self.resources.place(finding.ref)
        ref = self.resources.documents.put(item.document.key, item.inline)
        update: Any = {
            "TableName": self.resources.table(table),
            "Key": key_of(table, *key),
            "UpdateExpression": "SET document_version = :new",
            "ConditionExpression": "#version = :version AND document_key = :key AND document_version = :old",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {
                ":new": {"S": ref.version_id},
                ":old": {"S": item.document.version_id},
                ":version": {"S": item.version},
                ":key": {"S": ref.key},
            },
        }
        if _condition_holds(lambda: self.resources.clients.dynamodb.update_item(**update)):
            return True
        current = self.resources.document(finding.ref)
        # If the row names the key, another repair was faster and has put the same document.
        if current is None or current.document.key != ref.key:
            self.resources.documents.delete([ref.key])
        return False

    def _delete_document(self, finding: OrphanDocument) -> bool:
        # Only this generation of the job could make a row point to the document, and it no longer can. The bucket
        # keeps the deleted version for a while.
        confirmed = Confirm(self.resources, self.now).orphan_document(finding.subject, finding.superseded)
        if confirmed is None or confirmed.remedy is None:
            return False
        self.resources.documents.delete([finding.subject])
        return True

    def _delete_lock(self, finding: LockWithoutItem) -> bool:
        # Since the audit the item may have been renamed to this name, or another item may have taken the lock. The
        # transaction requires that neither has happened.
        return all_or_nothing(
            self.resources,
            unchanged(self.resources, ItemRef(ITEMS, "", finding.holder), finding.item),
            {
                "Delete": {
                    "TableName": self.resources.names_table,
                    "Key": {"name": {"S": finding.subject}},
                    "ConditionExpression": "item_id = :holder",
                    "ExpressionAttributeValues": {":holder": {"S": finding.holder}},
                }
            },
        )

    def _put_lock(self, finding: ItemWithoutLock) -> bool:
        # The transaction fails if the item was renamed or deleted, or if another item has taken the name.
        item = finding.item
        return all_or_nothing(
            self.resources,
            unchanged(self.resources, ItemRef(ITEMS, "", item.item_id), item),
            {
                "Put": {
                    "TableName": self.resources.names_table,
                    "Item": {"name": {"S": name_key(item.name)}, "item_id": {"S": item.item_id}},
                    "ConditionExpression": "attribute_not_exists(item_id)",
                }
            },
        )

    def _fail_job(self, finding: StuckJob) -> bool:
        self._check_stuck(finding)
        # The job fails only if it is unfinished in the same generation. A message that arrives later finds the job
        # ended and changes nothing. The transaction of a worker that runs it now is refused, or refuses this write.
        job = finding.job
        claim = command_claim(self.resources, job) if isinstance(finding, Lost) else None
        kept = None if claim is None else KeptCommand(claim=claim)
        self.resources.document(job.item)  # raises if the row is malformed, before anything is changed
        try:
            problem = _problem(finding, claim).to_problem()
            self.resources.jobs.fail(job.ref, problem, self.now, kept=kept, charge_attempt=False)
        except JobEnded:
            return False
        # Clean up after the end, as workers do. The row is read after the listing, so it names what is committed.
        keys = self.resources.documents.keys(job.item.document_prefix(job.ref))
        item = self.resources.document(job.item) if keys else None
        spared = {claim, None if item is None else item.document.key}
        claims = self.resources.documents.keys(f"claims/{job.job_id}/")
        self.resources.documents.delete(key for key in [*keys, *claims] if key not in spared)
        return True

    def _check_stuck(self, finding: StuckJob) -> None:
        """Raise LeftAlone if the job may have a message again."""
        # A replay with the job's Idempotency-Key sends its message and returns 202 without changing the row:
        #
        #   replay   send ──→ 202            (too early: the queues show the message, or the job has ended)
        #   audit         look at queues ── look at log ──────────── fail
        #   replay                               send ──→ 202        (too late: the job is failed, though promised)
        #
        # A replay can still be missed between the last look at the commands queue and the fail, a few calls later.
        # Since AWS counts messages late, one of the minute before can be missed too, until the log shows its 202.
        messages = self.resources.waiting_messages()
        if messages:
            raise LeftAlone(f"about {messages} messages wait")
        # A lost job got its 202 before; only a 202 since the audit matters.
        if self.resources.was_answered(finding.job, finding.seen if isinstance(finding, Lost) else None):
            raise LeftAlone("it got a 202 since the audit")

    def _delete_claim(self, finding: OrphanClaim) -> bool:
        # If the job does not need the claim check now, it never will again: see Confirm.orphan_claim.
        confirm = Confirm(self.resources, self.now)
        confirmed = confirm.orphan_command if finding.subject.startswith(WAITING_PREFIX) else confirm.orphan_claim
        if confirmed(finding.subject) is None:
            return False
        self.resources.documents.delete([finding.subject])
        return True

    def _undelete_claim(self, finding: MissingClaim) -> bool:
        # List the markers before reading the job: they are wrong while the job needs the claim check. A retry that
        # ends meanwhile puts another marker, which stays.
        markers = versions(self.resources, finding.key).markers
        job = self.resources.job(finding.subject)
        if job is None or not job.needs_claim(finding.key):
            return False
        return self._remove_markers(finding.key, markers)

    def _remove_markers(self, key: str, markers: Iterable[str]) -> bool:
        found = False
        for marker in markers:
            self.resources.clients.s3.delete_object(
                Bucket=self.resources.documents_bucket, Key=key, VersionId=marker
            )
            found = True
        return found


def _problem(finding: StuckJob, claim: str | None) -> ProblemError:
    if not isinstance(finding, Lost):
        return Unavailable("The command was never accepted." + _SEND_AGAIN)
    return InternalError("The message was lost; retry the job." if claim else "The command was lost." + _SEND_AGAIN)


def _condition_holds(write: Callable[[], object]) -> bool:
    """Do the write, and return whether its condition held."""

    def try_once() -> None:
        with aws_call("DynamoDB"):
            write()

    try:
        settle_conflicts(try_once)
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True
