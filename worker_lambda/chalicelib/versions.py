"""What is stored for a decision: the row of the next version, and the result of the job."""

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


def put_later(key: str, _: str) -> DocumentRef:
    """Return a reference to a document that is not put yet."""
    return DocumentRef(key, "")


def next_version(write: Write, context: Context, put: Callable[[str, str], DocumentRef]) -> tuple[StoredItem, str]:
    """Return the row of the next version, and its document's text, which `put` has stored.

    Raise TooLarge if the text is longer than a document may be; then nothing is stored.
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


def success_with(item: StoredItem, superseded: str | None = None, emitted: str | None = None) -> Success:
    """Return a success whose result is this version.

    `superseded` is the key of the document that it replaced, `emitted` are the events that are told of it.
    """
    return Success(
        result=item.inline,
        result_document=None if item.inline is not None else item.document,
        result_version=item.version,
        old_document_key=superseded,
        emitted_events=emitted,
    )


def taken(new: StoredItem, locked: ValueLocked, context: Context) -> NameTaken | NotUnique:
    """Return the refusal of a version one of whose unique values is another document's."""
    if context.item.collection == ITEMS:
        return NameTaken(f"Another item is named {new.name!r}.", pointer="#/name", existing=locked.existing)
    return not_unique(context.collection, locked.field, value_of(new.locks[locked.field]), locked.existing)
