"""An item or a document of another collection as it is stored: a row that refers to the committed document."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from jobpipe.domain import json_text

INLINE_BYTES = 1024
"""The size of the largest document that is also stored in the rows of its item and job, so that reads need no S3.

A transactional write costs two units for each kilobyte of a row (docs/decisions/0022).
"""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """One version of an object in the bucket. It can be read for a while after the object is deleted."""

    key: str
    version_id: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """One row of the items table, or of the table of the other collections."""

    item_id: str
    version: str  # changes with every commit; in quotes, it is the ETag
    name: str  # of an item, as in its document; empty in other collections
    document: DocumentRef  # write-once: each version has a key of its own
    inline: str | None  # the document as JSON text, if it is small
    created_at: str  # RFC 3339
    updated_at: str  # RFC 3339
    owner: str = ""  # the caller that created the document; empty for items
    locks: Mapping[str, str] = field(default_factory=dict)  # the value keys of its unique fields, by field
    entries: Mapping[str, str] = field(default_factory=dict)  # the value keys of its indexed fields, by field


@dataclass(frozen=True, slots=True)
class MalformedItem:
    """A row that is not a valid item. jobpipe writes no such rows."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ItemPage:
    """A page of the list, and the id after which the next page starts."""

    items: list[StoredItem | MalformedItem]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class IndexPage:
    """A page of an index, and the place after which the next page starts."""

    items: list[StoredItem]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class Created:
    """A change that creates an item."""

    new: StoredItem


@dataclass(frozen=True, slots=True)
class Replaced:
    """A change from one version of an item to the next."""

    old: StoredItem
    new: StoredItem


@dataclass(frozen=True, slots=True)
class Removed:
    """A change that deletes an item."""

    old: StoredItem


Change = Created | Replaced | Removed


def old_and_new(change: Change | None) -> tuple[StoredItem | None, StoredItem | None]:
    """Return the versions before and after a change."""
    match change:
        case Created(new):
            return None, new
        case Replaced(old, new):
            return old, new
        case Removed(old):
            return old, None
        case None:
            return None, None


def new_version() -> str:
    """Return a new random version."""
    return secrets.token_hex(8)


def inline(document_text: str) -> str | None:
    """Return the text if it is small enough to be stored in a row."""
    return document_text if len(document_text.encode()) <= INLINE_BYTES else None


def item_json(item_id: str, document_text: str) -> str:
    """Return the document as a caller sees it, the id first."""
    comma = "" if document_text == "{}" else ","
    return f'{{"id":{json_text.encode(item_id)}{comma}{document_text[1:]}'
