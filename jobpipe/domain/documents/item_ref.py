"""How commands, messages and stores refer to a document of a collection."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from jobpipe.domain.job_ref import JobRef

ITEMS = "items"
"""The built-in collection, which is the default of a command."""

COLLECTION_NAME = re.compile("[a-z][a-z0-9-]{0,31}")

_GROUP_ID = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")
_DIGEST_LENGTH = 40


@dataclass(frozen=True, slots=True)
class ItemRef:
    """One document: its collection, its scope and its id.

    The scope is the owner where callers see only what they created (`access = "own"`), and empty elsewhere. The
    same id in another collection or scope is another document.
    """

    collection: str
    scope: str
    item_id: str

    @property
    def group_id(self) -> str:
        """The message group in SQS, which keeps the order of the document's commands.

        SQS refuses some characters. No item has an id with them, but commands for such an id must fail in order,
        too.
        """
        if self.collection == ITEMS:
            plain = _GROUP_ID.fullmatch(self.item_id)
            return self.item_id if plain else hashlib.sha256(self.item_id.encode()).hexdigest()
        # An item's id may be any text. The hash keeps callers from choosing the group of another collection's
        # document.
        digest = hashlib.sha256(f"{self.collection}#{self.scope}#{self.item_id}".encode()).hexdigest()
        return f"{self.collection}:{digest[:_DIGEST_LENGTH]}"

    def document_prefix(self, job: JobRef) -> str:
        """Return the prefix of all documents, committed or not, that this generation of the job puts."""
        if self.collection == ITEMS:
            return f"items/{self.item_id}/{job.job_id}/{job.generation}/"
        scope = f"{self.scope}/" if self.scope else ""
        return f"collections/{self.collection}/{scope}{self.item_id}/{job.job_id}/{job.generation}/"

    def document_key(self, job: JobRef, version: str) -> str:
        """Return the key of one version.

        Attempts never share a key, so that a late put cannot hide a committed document.
        """
        return f"{self.document_prefix(job)}{version}.json"
