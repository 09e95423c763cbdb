"""What each command does: read → decide → put the document → one transaction → delete what it superseded.

Rules that need only what was read are checked before the put, which is the most expensive call. A handler raises a
Refusal if a rule fails; after any other exception, the job stays unfinished and its message is delivered again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import Command, CreateItem, DeleteItem, MergePatch, ReadItem, SetFields
from jobpipe.domain.errors import ValueLocked, NameTaken, NotFound, VersionMismatch
from jobpipe.domain.item import Change, Created, Removed, Replaced, StoredItem, document_key, inline, new_version
from jobpipe.domain.item_reader import read_item
from jobpipe.domain.item_rules import Document, check_size, merge_patch, set_fields
from jobpipe.domain.job import Success
from jobpipe.domain.job_ref import JobRef
from jobpipe.runtime.metrics import SUCCEEDED, meter
from jobpipe.stores.aws_stores import Stores


def handle(command: Command, job: JobRef, stores: Stores) -> None:
    """Apply the command and end the job as succeeded."""
    COMMAND_HANDLERS[type(command)](command, job, stores)


def create(command: CreateItem, job: JobRef, stores: Stores) -> None:
    """Create the item and lock its name."""
    new = _put_version(command.item_id, command.document, job, stores)
    _commit(Created(new), job, _success(new), stores)


def read(command: ReadItem, job: JobRef, stores: Stores) -> None:
    """Return the item as it is after all commands that were accepted before."""
    item, _ = read_item(stores.items, stores.documents, command.item_id)
    stores.jobs.succeed(job, _success(item), now())
    meter.add(SUCCEEDED)


def set_item_fields(command: SetFields, job: JobRef, stores: Stores) -> None:
    """Set the fields that a PUT names; the others stay as they are."""
    _update(command, command.if_match, lambda document: set_fields(document, command.changes), job, stores)


def merge_item_patch(command: MergePatch, job: JobRef, stores: Stores) -> None:
    """Apply the merge patch (RFC 7396) of a PATCH."""
    _update(command, command.if_match, lambda document: merge_patch(document, command.changes), job, stores)


def delete(command: DeleteItem, job: JobRef, stores: Stores) -> None:
    """Delete row and name lock, then the document."""
    old = stores.items.get(command.item_id)
    if old is None:
        raise NotFound(f"There is no item {command.item_id}.")
    _check_version(command.if_match, old)
    _commit(Removed(old), job, Success(superseded=old.document.key), stores)
    stores.documents.delete([old.document.key])


COMMAND_HANDLERS: dict[type[Command], Callable[[Any, JobRef, Stores], None]] = {
    CreateItem: create,
    ReadItem: read,
    SetFields: set_item_fields,
    MergePatch: merge_item_patch,
    DeleteItem: delete,
}


def _update(
    command: Command, if_match: str | None, change: Callable[[Document], Document], job: JobRef, stores: Stores
) -> None:
    """Apply `change` to the item's document and commit the result."""
    old, text = read_item(stores.items, stores.documents, command.item_id)
    _check_version(if_match, old)
    new = _put_version(command.item_id, change(json_text.decode(text)), job, stores, old.created_at)
    _commit(Replaced(old, new), job, _success(new, superseded=old.document.key), stores)
    stores.documents.delete([old.document.key])


def _check_version(if_match: str | None, item: StoredItem) -> None:
    if not etags.matches(if_match, item.version):
        raise VersionMismatch(f"Item {item.item_id} is in version {etags.etag(item.version)}.")


def _put_version(
    item_id: str, document: Document, job: JobRef, stores: Stores, created_at: str | None = None
) -> StoredItem:
    """Put the document and return the row that refers to it; neither is visible before the row is committed."""
    text = json_text.encode(document)
    check_size(text)
    version, at = new_version(), rfc3339(now())
    return StoredItem(
        item_id=item_id,
        version=version,
        name=document["name"],
        document=stores.documents.put(document_key(item_id, job, version), text),
        inline=inline(text),
        created_at=created_at or at,
        updated_at=at,
    )


def _success(item: StoredItem, superseded: str | None = None) -> Success:
    """Return a success whose result is the item in this version."""
    return Success(
        result=item.inline,
        result_document=None if item.inline is not None else item.document,
        result_version=item.version,
        superseded=superseded,
    )


def _commit(change: Change, job: JobRef, success: Success, stores: Stores) -> None:
    try:
        stores.items.commit(change, job, success, now())
    except ValueLocked:
        if isinstance(change, Removed):
            raise
        stores.documents.delete([change.new.document.key])  # the transaction was cancelled, so nothing refers to it
        raise NameTaken(f"Another item is named {change.new.name!r}.") from None
    meter.add(SUCCEEDED)  # counted before the clean-up, which may fail
