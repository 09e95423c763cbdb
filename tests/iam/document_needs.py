"""The needs of the grants for documents, which are the same for items and for documents of other collections."""

from __future__ import annotations

from dataclasses import dataclass

from tests.iam.need import Key, Need, Scenario, fails, is_retried
from tests.iam.scenarios import api, collections, dead_letters, worker


@dataclass(frozen=True)
class _Documents:
    """One kind of documents: its words in the effects, the Sids of its grants, and its scenarios."""

    one: str
    a_document: str
    others: str  # what follows the word documents
    in_a_batch: str
    in_batches: str
    locked: str  # a document that has locks
    relocks: str  # what it is when its locks change
    relocked_twice: str
    sids: tuple[str, str, str]  # of its rows, its locks and its objects, for the worker
    sids_of_reads: tuple[str, str]  # of its rows and its objects, for the other roles
    sid_of_clean_up: str
    get: Scenario
    get_a_large_one: Scenario
    get_an_expired_version: Scenario
    read: Scenario
    create: Scenario
    delete: Scenario
    change: Scenario
    change_a_large_one: Scenario
    change_an_expired_version: Scenario
    change_twice: Scenario
    create_and_delete: Scenario
    relock: Scenario
    relock_twice: Scenario
    end_a_dead_letter: Scenario

    def needs(self) -> dict[Key, Need]:
        """Return the needs of the grants for these documents, which are the same for all kinds."""
        rows, locks, objects = self.sids
        read_rows, read_objects = self.sids_of_reads
        no_one, large = f"no {self.one} is", f"{self.a_document} of more than 1 KB cannot be"
        expired = "once lifecycle has expired the version that its row names"
        left_behind = "failed, returned, documents 1"
        return {
            ("APIRole", read_rows, "dynamodb:GetItem"): fails(self.get, f"no {self.one} can be read"),
            ("APIRole", read_objects, "s3:GetObjectVersion"): fails(self.get_a_large_one, f"{large} read"),
            ("APIRole", read_objects, "s3:GetObject"): fails(
                self.get_an_expired_version, f"{self.a_document} cannot be read {expired}"
            ),
            ("WorkerRole", rows, "dynamodb:GetItem"): is_retried(self.read, f"{no_one} read, changed or deleted"),
            ("WorkerRole", rows, "dynamodb:PutItem"): is_retried(self.create, f"{no_one} created or changed"),
            ("WorkerRole", rows, "dynamodb:DeleteItem"): is_retried(self.delete, f"{no_one} deleted"),
            ("WorkerRole", rows, "dynamodb:BatchGetItem"): Need(
                self.change_twice,
                "succeeded, versions 2",
                "succeeded, versions 3",
                f"commands for {self.in_batches} that exist are not committed together, and have calls of their"
                " own",
            ),
            ("WorkerRole", rows, "dynamodb:ConditionCheckItem"): Need(
                self.create_and_delete,
                "succeeded, versions 0",
                "succeeded, versions 1",
                f"{self.in_a_batch} that one batch creates and deletes is put, and each command has calls of its"
                " own",
            ),
            ("WorkerRole", locks, "dynamodb:PutItem"): is_retried(
                self.relock, f"no {self.locked} is created or {self.relocks}"
            ),
            ("WorkerRole", locks, "dynamodb:DeleteItem"): is_retried(
                self.relock, f"no {self.locked} is {self.relocks} or deleted"
            ),
            ("WorkerRole", locks, "dynamodb:ConditionCheckItem"): Need(
                self.relock_twice,
                "succeeded, versions 2",
                "succeeded, versions 4",
                f"{self.relocked_twice} is put three times",
            ),
            ("WorkerRole", objects, "s3:PutObject"): is_retried(self.create, f"{no_one} created or changed"),
            ("WorkerRole", objects, "s3:GetObjectVersion"): is_retried(self.change_a_large_one, f"{large} changed"),
            ("WorkerRole", objects, "s3:GetObject"): is_retried(
                self.change_an_expired_version, f"{self.a_document} cannot be changed {expired}"
            ),
            ("WorkerRole", objects, "s3:DeleteObject"): Need(
                self.change,
                "succeeded, documents 1",
                "succeeded, returned, documents 2",
                f"superseded documents{self.others} are not deleted, and their messages are redelivered",
            ),
            ("DeadLettersRole", read_rows, "dynamodb:GetItem"): Need(
                self.end_a_dead_letter,
                "failed, documents 0",
                left_behind,
                f"the committed documents{self.others} are unknown, so none is cleaned up",
            ),
            ("DeadLettersRole", self.sid_of_clean_up, "s3:DeleteObject"): Need(
                self.end_a_dead_letter,
                "failed, documents 0",
                left_behind,
                f"documents{self.others} that interrupted attempts have put are not deleted",
            ),
        }


ITEMS = _Documents(
    one="item",
    a_document="an item",
    others="",
    in_a_batch="an item",
    in_batches="items",
    locked="item",
    relocks="renamed",
    relocked_twice="an item that one batch renames twice",
    sids=("CommitItems", "LockNames", "KeepDocuments"),
    sids_of_reads=("ReadItems", "ReadDocuments"),
    sid_of_clean_up="CleanUpDocuments",
    get=api.get_an_item,
    get_a_large_one=api.get_a_large_item,
    get_an_expired_version=api.get_an_item_whose_version_has_expired,
    read=worker.read,
    create=worker.create,
    delete=worker.delete,
    change=worker.patch_an_item,
    change_a_large_one=worker.patch_a_large_item,
    change_an_expired_version=worker.patch_an_item_whose_version_has_expired,
    change_twice=worker.patch_an_item_twice_in_a_batch,
    create_and_delete=worker.create_and_delete_in_a_batch,
    relock=worker.rename,
    relock_twice=worker.rename_twice_in_a_batch,
    end_a_dead_letter=dead_letters.end_a_job_after_an_interrupted_attempt,
)
OTHERS = _Documents(
    one="document of another collection",
    a_document="a document of another collection",
    others=" of other collections",
    in_a_batch="a document",
    in_batches="documents",
    locked="document with a unique or indexed field",
    relocks="changed",
    relocked_twice="a document whose unique value one batch changes twice",
    sids=("CommitDocuments", "LockValues", "KeepCollectionDocuments"),
    sids_of_reads=("ReadCollections", "ReadCollectionDocuments"),
    sid_of_clean_up="CleanUpCollectionDocuments",
    get=collections.get_an_order,
    get_a_large_one=collections.get_a_large_order,
    get_an_expired_version=collections.get_an_order_whose_version_has_expired,
    read=collections.read,
    create=collections.create,
    delete=collections.delete,
    change=collections.change_an_order,
    change_a_large_one=collections.change_a_large_order,
    change_an_expired_version=collections.change_an_order_whose_version_has_expired,
    change_twice=collections.change_an_order_twice_in_a_batch,
    create_and_delete=collections.create_and_delete_in_a_batch,
    relock=collections.change_a_unique_value,
    relock_twice=collections.change_a_unique_value_twice_in_a_batch,
    end_a_dead_letter=collections.end_a_dead_letter_after_an_interrupted_attempt,
)
