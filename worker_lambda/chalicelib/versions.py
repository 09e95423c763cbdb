"""What the worker stores for a decision: the row of the next version, and the result of the job."""

from __future__ import annotations

from collections.abc import Callable

from jobpipe.domain import json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.documents.field_values import value_of
from jobpipe.domain.documents.item import DocumentRef, StoredItem, inline, new_version
from jobpipe.domain.documents.item_ref import ITEMS
from jobpipe.domain.documents.item_rules import check_size
from jobpipe.domain.errors import NameTaken, NotUnique, ValueLocked
from jobpipe.domain.jobs.job import Success

from .command_handlers import Context, Write, not_unique


def defer_put(key: str, _: str) -> DocumentRef:
    """Return a reference to a document that will be put later."""
    return DocumentRef(key, "")


def next_version(write: Write, context: Context, put: Callable[[str, str], DocumentRef]) -> tuple[StoredItem, str]:
    """Return the row of the next version and the text of its document, after `put` has stored the text.

    Raise TooLarge, and store nothing, if the text is longer than a document may be.
    """
    text = json_text.encode(write.document)
    check_size(text)
    version, at, item, old = new_version(), rfc3339(now()), context.item, write.old
    row = StoredItem(
        item_id=item.item_id,
        version=version,
        name=write.document["name"] if item.collection == ITEMS else "",
        document=put(item.document_key(context.job, version), text),
        inline=inline(text),
        created_at=at if old is None else old.created_at,
        updated_at=at,
        owner=context.owner if old is None else old.owner,
        locks=context.collection.locks(write.document, item.scope),
        entries=context.collection.entries(write.document, item.scope),
    )
    return row, text


def success_with(
    item: StoredItem, old_document_key: str | None = None, emitted_events: str | None = None
) -> Success:
    """Return a success whose result is this version.

    `old_document_key` belongs to the replaced document; `emitted_events` are the events of an operation.
    """
    return Success(
        result=item.inline,
        result_document=None if item.inline is not None else item.document,
        result_version=item.version,
        old_document_key=old_document_key,
        emitted_events=emitted_events,
    )


def value_taken(new: StoredItem, locked: ValueLocked, context: Context) -> NameTaken | NotUnique:
    """Return the refusal of a version with a unique value that another document has."""
    if context.item.collection == ITEMS:
        return NameTaken(f"Another item is named {new.name!r}.", pointer="#/name", existing=locked.existing)
    return not_unique(context.collection, locked.field, value_of(new.locks[locked.field]), locked.existing)
