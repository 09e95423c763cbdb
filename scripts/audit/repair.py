"""What --repair does to each kind of finding. Each is safe whatever the Lambdas do meanwhile, and safe to repeat.

Where something has changed since the audit looked, the finding is left alone: the next audit sees what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from jobpipe.domain.clock import now as current_time
from jobpipe.domain.item import StoredItem
from jobpipe.domain.item_rules import name_key
from jobpipe.runtime.aws import Conflict, error_code, outages, settle_conflicts
from scripts.audit.confirm import Confirm, versions
from scripts.audit.findings import (
    KINDS,
    DanglingPointer,
    Finding,
    ItemWithoutLock,
    LockWithoutItem,
    MissingClaim,
    OrphanClaim,
    OrphanDocument,
    StuckJob,
)
from scripts.audit.places import Places
from scripts.audit.rows import MalformedRowError
from scripts.audit.stuck import end_stuck, may_be_at_work

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef

_CONFLICTS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of one finding."""

    finding: Finding
    mended: bool
    note: str


def repair(
    findings: Iterable[Finding],
    places: Places,
    *,
    now: datetime | None = None,
    on_repaired: Callable[[Repaired], None] = lambda _: None,
) -> list[Repaired]:
    """Mend what can be mended safely, stale locks before missing ones."""
    repairs, done = Repairs(places, now or current_time()), []
    for finding in sorted(findings, key=lambda each: KINDS.index(type(each))):
        try:
            done.append(repairs.mend(finding))
        except MalformedRowError as why:
            done.append(Repaired(finding, mended=False, note=f"left alone: a row cannot be read, {why}"))
        on_repaired(done[-1])
    return done


@dataclass(frozen=True, slots=True)
class Repairs:
    """The repair of each kind."""

    places: Places
    now: datetime

    def mend(self, finding: Finding) -> Repaired:
        """One finding."""
        if finding.remedy is None:
            return Repaired(finding, mended=False, note="cannot be mended safely")
        match finding:
            case DanglingPointer():
                mended = self.dangling_pointer(finding)
            case OrphanDocument():
                mended = self.orphan_document(finding)
            case LockWithoutItem():
                mended = self.lock_without_item(finding)
            case ItemWithoutLock():
                mended = self.item_without_lock(finding)
            case StuckJob():
                why = may_be_at_work(finding, self.places)
                if why is not None:
                    return Repaired(finding, mended=False, note=f"left alone: {why}")
                mended = end_stuck(finding, self.places, self.now)
            case OrphanClaim():
                mended = self.orphan_claim(finding)
            case MissingClaim():
                mended = self.missing_claim(finding)
            case _:
                raise TypeError(finding)
        return Repaired(finding, mended, "done" if mended else "left alone: it has changed meanwhile")

    def dangling_pointer(self, finding: DanglingPointer) -> bool:
        return self._undelete_document(finding.item) if finding.deleted else self._put_from_row(finding.item)

    def orphan_document(self, finding: OrphanDocument) -> bool:
        # Its life of a job is over and no row points to it. Neither can change back: a generation never returns,
        # and a row can be made to point to a key only by that life. The version itself stays for the undo window.
        now = Confirm(self.places, self.now).orphan_document(finding.subject, superseded=finding.superseded)
        if now is None or now.remedy is None:
            return False
        self.places.documents.delete([finding.subject])
        return True

    def lock_without_item(self, finding: LockWithoutItem) -> bool:
        # Between the audit and now the item may have been renamed to this very name, and other items may have
        # taken over the lock: the transaction holds both to what was read.
        return self._transact(
            _as_it_was(self.places.items_table, finding.holder, finding.item),
            {
                "Delete": {
                    "TableName": self.places.names_table,
                    "Key": {"name": {"S": finding.subject}},
                    "ConditionExpression": "item_id = :holder",
                    "ExpressionAttributeValues": {":holder": {"S": finding.holder}},
                }
            },
        )

    def item_without_lock(self, finding: ItemWithoutLock) -> bool:
        # A rename or delete of the item meanwhile, or another item that took the free name, cancels it.
        item = finding.item
        return self._transact(
            _as_it_was(self.places.items_table, item.item_id, item),
            {
                "Put": {
                    "TableName": self.places.names_table,
                    "Item": {"name": {"S": name_key(item.name)}, "item_id": {"S": item.item_id}},
                    "ConditionExpression": "attribute_not_exists(item_id)",
                }
            },
        )

    def orphan_claim(self, finding: OrphanClaim) -> bool:
        # See Confirm.orphan_claim: what is not needed now never will be.
        if Confirm(self.places, self.now).orphan_claim(finding.subject) is None:
            return False
        self.places.documents.delete([finding.subject])
        return True

    def missing_claim(self, finding: MissingClaim) -> bool:
        # The markers are listed before the job is read: while it needs the claim check, none of them is meant. A
        # retry that ends meanwhile puts another marker on top, which stays.
        markers = versions(self.places, finding.key).markers
        job = self.places.job(finding.subject)
        if job is None or not job.needs_claim(finding.key):
            return False
        return self._remove_markers(finding.key, markers)

    def _undelete_document(self, item: StoredItem) -> bool:
        # The markers are listed before the row is read: a worker deletes a document after it has committed what
        # replaces it, so while the row points there none of these markers is meant. One that is put later is on
        # top of them and stays.
        markers = versions(self.places, item.document.key).markers
        if self.places.item(item.item_id) != item:
            return False
        return self._remove_markers(item.document.key, markers)

    def _put_from_row(self, item: StoredItem) -> bool:
        # Under the same key and item version, so that a worker which read the row before this commits as it would
        # have, and deletes this document as the one that it superseded:
        #
        #   audit    put K (S3 version 2) ── row: K in version 2, if it is still in item version v ── succeeds
        #   worker       read row (v, K) ──────────────────────── commit w if v, note K as superseded ── delete K
        #
        # And if the worker is faster, the condition fails and K is deleted here, for no row will name it again.
        assert item.inline is not None  # noqa: S101 - or there is no remedy
        ref = self.places.documents.put(item.document.key, item.inline)
        update: Any = {
            "TableName": self.places.items_table,
            "Key": {"item_id": {"S": item.item_id}},
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
        if self._takes_effect(lambda: self.places.clients.dynamodb.update_item(**update)):
            return True
        there = self.places.item(item.item_id)
        if there is None or there.document.key != ref.key:  # else another repair was faster, with the same document
            self.places.documents.delete([ref.key])
        return False

    def _remove_markers(self, key: str, markers: Iterable[str]) -> bool:
        found = False
        for marker in markers:
            self.places.clients.s3.delete_object(Bucket=self.places.documents_bucket, Key=key, VersionId=marker)
            found = True
        return found

    def _transact(self, *writes: TransactWriteItemTypeDef) -> bool:
        return self._takes_effect(
            lambda: self.places.clients.dynamodb.transact_write_items(TransactItems=list(writes))
        )

    @staticmethod
    def _takes_effect(write: Callable[[], object]) -> bool:
        """Whether the write's conditions held."""

        def attempt() -> None:
            try:
                with outages("DynamoDB"):
                    write()
            except ClientError as error:
                if _reasons(error) & _CONFLICTS or error_code(error) == "TransactionConflictException":
                    raise Conflict from error
                raise

        try:
            settle_conflicts(attempt)
        except ClientError as error:
            if "ConditionalCheckFailed" in {error_code(error).removesuffix("Exception"), *_reasons(error)}:
                return False
            raise
        return True


def _reasons(error: ClientError) -> set[str]:
    return {str(reason.get("Code")) for reason in error.response.get("CancellationReasons", [])}


def _as_it_was(table: str, item_id: str, item: StoredItem | None) -> TransactWriteItemTypeDef:
    """The item is in the version that was read, or still does not exist."""
    if item is None:
        return {
            "ConditionCheck": {
                "TableName": table,
                "Key": {"item_id": {"S": item_id}},
                "ConditionExpression": "attribute_not_exists(item_id)",
            }
        }
    return {
        "ConditionCheck": {
            "TableName": table,
            "Key": {"item_id": {"S": item_id}},
            "ConditionExpression": "#version = :read",
            "ExpressionAttributeNames": {"#version": "version"},
            "ExpressionAttributeValues": {":read": {"S": item.version}},
        }
    }
