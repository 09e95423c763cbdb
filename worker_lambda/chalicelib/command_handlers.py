"""What each command does: read → decide → put the document → one transaction → delete what it superseded.

Rules that can be checked from what was read are checked before the put, the dearest call of all. A rule that
fails raises a Refusal; every other exception leaves the job unfinished and the message to come again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import Command, CreateItem, DeleteItem, MergePatch, ReadItem, SetFields
from jobpipe.domain.errors import NameLocked, NameTaken, NotFound, VersionMismatch
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
    """Put the first version and lock its name."""
    new = _put_version(command.item_id, command.document, job, stores)
    _commit(Created(new), job, _showing(new), stores)


def read(command: ReadItem, job: JobRef, stores: Stores) -> None:
    """Show the item as all that was accepted before has left it."""
    item, _ = read_item(stores.items, stores.documents, command.item_id)
    stores.jobs.succeed(job, _showing(item), now())
    meter.add(SUCCEEDED)


def set_item_fields(command: SetFields, job: JobRef, stores: Stores) -> None:
    """A PUT: these fields, the others as they were."""
    _update(command, command.if_match, lambda document: set_fields(document, command.fields), job, stores)


def merge_item_patch(command: MergePatch, job: JobRef, stores: Stores) -> None:
    """A PATCH: RFC 7396."""
    _update(command, command.if_match, lambda document: merge_patch(document, command.patch), job, stores)


def delete(command: DeleteItem, job: JobRef, stores: Stores) -> None:
    """Remove row and name lock, then the document."""
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
    """Commit the document as `change` leaves it."""
    old, text = read_item(stores.items, stores.documents, command.item_id)
    _check_version(if_match, old)
    new = _put_version(command.item_id, change(json_text.decode(text)), job, stores, old.created_at)
    _commit(Replaced(old, new), job, _showing(new, superseded=old.document.key), stores)
    stores.documents.delete([old.document.key])


def _check_version(if_match: str | None, item: StoredItem) -> None:
    if not etags.matches(if_match, item.version):
        raise VersionMismatch(f"Item {item.item_id} is in version {etags.etag(item.version)}.")


def _put_version(
    item_id: str, document: Document, job: JobRef, stores: Stores, created_at: str | None = None
) -> StoredItem:
    """The row of a version whose document is in the bucket, and which nobody can see before it is committed."""
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


def _showing(item: StoredItem, superseded: str | None = None) -> Success:
    """A success that shows the item in this version."""
    return Success(
        result=item.inline,
        result_document=None if item.inline is not None else item.document,
        result_version=item.version,
        superseded=superseded,
    )


def _commit(change: Change, job: JobRef, success: Success, stores: Stores) -> None:
    try:
        stores.items.commit(change, job, success, now())
    except NameLocked:
        if isinstance(change, Removed):
            raise
        stores.documents.delete([change.new.document.key])  # cancelled for good, so nothing points to it
        raise NameTaken(f"Another item is named {change.new.name!r}.") from None
    meter.add(SUCCEEDED)  # whatever becomes of the clean-up
