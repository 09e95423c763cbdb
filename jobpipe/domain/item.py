"""An item as it is stored: a row that points to the committed document."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from jobpipe.domain import json_text
from jobpipe.domain.job_ref import JobRef

INLINE_BYTES = 1024
"""Documents up to this size also stand in the row, and in the job's: a read needs no S3.

A transactional write costs two units a kilobyte of each row: docs/decisions/0022 says how many reads that is worth.
"""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """One object in the bucket, in the version that was put: readable after its deletion too, for a while."""

    key: str
    version_id: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One row of the items table."""

    item_id: str
    version: str  # changes with every commit; quoted, it is the ETag
    name: str  # as in the document
    document: DocumentRef  # write-once: each version has a key of its own
    inline: str | None  # the document as JSON text, if it is small
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339


@dataclass(frozen=True, slots=True)
class MalformedItem:
    """A row of which no item can be made. Nothing here writes such a one."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A part of the list, and where the next one starts."""

    items: list[StoredItem | MalformedItem]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Created:
    """A change that brings an item into being."""

    new: StoredItem


@dataclass(frozen=True, slots=True)
class Replaced:
    """A change from one version of an item to the next."""

    old: StoredItem
    new: StoredItem


@dataclass(frozen=True, slots=True)
class Removed:
    """A change that ends an item."""

    old: StoredItem


Change = Created | Replaced | Removed


def new_version() -> str:
    """A version that no item ever had."""
    return secrets.token_hex(8)


def document_prefix(item_id: str, job: JobRef) -> str:
    """Where all documents lie that the attempts of this life of a job put, committed or not."""
    return f"items/{item_id}/{job.job_id}/{job.generation}/"


def document_key(item_id: str, job: JobRef, version: str) -> str:
    """The key of one version. Two attempts of one job never share a key: a late put cannot hide a committed one."""
    return f"{document_prefix(item_id, job)}{version}.json"


def inline(document_text: str) -> str | None:
    """The text, if it is small enough to stand in a row."""
    return document_text if len(document_text.encode()) <= INLINE_BYTES else None


def item_json(item_id: str, document_text: str) -> str:
    """The item as a caller sees it, the id first. A document is never the empty object, it has a name."""
    return f'{{"id":{json_text.encode(item_id)},{document_text[1:]}'
