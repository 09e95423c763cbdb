"""What each command does: read → decide → put the document → one transaction → delete what it superseded.

Rules that need only what was read are checked before the put, which is the most expensive call. A handler raises a
Refusal if a rule fails; after any other exception, the job stays unfinished and its message is delivered again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands import (
    Command,
    CreateItem,
    DeleteItem,
    MergePatch,
    ReadItem,
    RunOperation,
    SetFields,
    UpsertItem,
)
from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.item import Change, Created, Removed, Replaced, StoredItem, inline, new_version
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import Document, check_size, merge_patch, set_fields
from jobpipe.domain.errors import (
    InvalidRequest,
    ItemChanged,
    NameTaken,
    NotFound,
    NotUnique,
    ValueLocked,
    VersionMismatch,
)
from jobpipe.domain.item_reader import read_document, read_item
from jobpipe.domain.job import Success
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.ports import ItemStore
from jobpipe.domain.queue_message import QueueMessage
from jobpipe.domain.violations import pointer
from jobpipe.runtime.metrics import SUCCEEDED, meter
from jobpipe.stores.aws_stores import Stores


@dataclass(slots=True)  # not frozen, which would make it slower for each command
class Context:
    """What the handlers need besides the command."""

    job: JobRef
    item: ItemRef
    owner: str  # of the job; empty in messages for `items`, which do not have it
    at: str  # when the command was accepted, or its retry asked for (RFC 3339)
    collection: Collection
    items: ItemStore  # of the collection
    stores: Stores

    def read(self) -> tuple[StoredItem, str]:
        """Return the item's row and its document's text, or raise NotFound."""
        return read_item(self.items, self.stores.documents, self.item.item_id, title=self.collection.title)

    def not_found(self) -> NotFound:
        """Return the refusal of a command for an item that does not exist."""
        return NotFound(f"There is no {self.collection.title.lower()} {self.item.item_id}.")


def handle(command: Command, message: QueueMessage, stores: Stores) -> None:
    """Apply the command and end the job as succeeded."""
    collection = stores.registry.get(message.collection)
    if collection is None:
        raise InvalidRequest(f"This release has no collection {message.collection!r}.")
    if message.collection != ITEMS and message.scope != collection.scope(message.owner):
        # A release changed who sees the documents, and so where they are: nobody would see this change.
        raise InvalidRequest(f"The access of the collection {collection.name} is not what it was.")
    items = stores.items_of(message.collection, message.scope)
    context = Context(message.job, message.item, message.owner, message.at, collection, items, stores)
    handler = COMMAND_HANDLERS[type(command)]
    try:
        handler(command, context)
    except ItemChanged:
        if message.collection == ITEMS:
            raise
        # `make reindex` has written locks or entries of the document meanwhile, which it does once.
        handler(command, context)


def create(command: CreateItem, context: Context) -> None:
    """Create the item and lock its unique values."""
    document = _checked_new(command.document, context)
    key = context.collection.key
    if key is not None and context.items.get(context.item.item_id) is not None:
        detail = f"Another {context.collection.title.lower()} has this {key}."
        raise NotUnique(detail, pointer=pointer((None, key)), existing=context.item.item_id)
    _create(document, context)


def read(command: ReadItem, context: Context) -> None:  # noqa: ARG001
    """Return the item as it is after all commands that were accepted before."""
    item, _ = context.read()
    context.stores.jobs.succeed(context.job, _success(item), now())
    meter.add(SUCCEEDED, collection=context.item.collection)


def set_item_fields(command: SetFields, context: Context) -> None:
    """Set the fields that a PUT names; the others stay as they are."""
    _update(command.if_match, lambda document: set_fields(document, command.changes), context)


def merge_item_patch(command: MergePatch, context: Context) -> None:
    """Apply the merge patch (RFC 7396) of a PATCH."""
    _update(command.if_match, lambda document: merge_patch(document, command.changes), context)


def upsert(command: UpsertItem, context: Context) -> None:
    """Create the document, or set its fields if it exists; its id derives from its key, so this is in its order."""
    document = _checked_new(command.document, context)
    item = context.items.get(context.item.item_id)
    if item is None:
        return _create(document, context)
    old, text = read_document(context.stores.documents, item)
    before = json_text.decode(text)
    return _replace(old, context.collection.check_changed(before, set_fields(before, document)), context)


def run_operation(command: RunOperation, context: Context) -> None:
    """Call the user's function for the document, and store the document that it returns."""
    context.collection.check_members(command.operation, command.arguments)
    old, text = context.read()
    _check_version(command.if_match, old)
    # The function gets values of its own, all fractions as Decimals, so that it can calculate with them exactly.
    members = json_text.decode_with_decimals(json_text.encode(command.arguments))
    answer = context.collection.run(command.operation, json_text.decode_with_decimals(text), members, context.at)
    changed = answer[0] if isinstance(answer, tuple) and answer else answer
    if not isinstance(changed, dict):
        raise TypeError(f"the operation {command.operation} returned no document")
    new = context.collection.check_changed(json_text.decode(text), json_text.decode(json_text.encode(changed)))
    _replace(old, new, context)


def delete(command: DeleteItem, context: Context) -> None:
    """Delete row and locks, then the document."""
    old = context.items.get(command.item_id)
    if old is None:
        raise context.not_found()
    _check_version(command.if_match, old)
    _commit(Removed(old), Success(superseded=old.document.key), context)
    context.stores.documents.delete([old.document.key])


COMMAND_HANDLERS: dict[type[Command], Callable[[Any, Context], None]] = {
    CreateItem: create,
    ReadItem: read,
    SetFields: set_item_fields,
    MergePatch: merge_item_patch,
    DeleteItem: delete,
    UpsertItem: upsert,
    RunOperation: run_operation,
}


def _checked_new(document: Document, context: Context) -> Document:
    # The decoding of a message has checked items; it checks only the form of other documents.
    if context.item.collection == ITEMS:
        return document
    checked = context.collection.check_new(document)
    derived = context.collection.derived_id(checked, context.item.scope)
    if derived not in {None, context.item.item_id}:
        # A release changed the key: no look-up or upsert by the new one would find the document under this id.
        raise InvalidRequest(f"The key of the collection {context.collection.name} is not what it was.")
    return checked


def _create(document: Document, context: Context) -> None:
    new = _put_version(document, context, owner=context.owner)
    _commit(Created(new), _success(new), context)


def _update(if_match: str | None, change: Callable[[Document], Document], context: Context) -> None:
    """Apply `change` to the item's document and commit the result."""
    old, text = context.read()
    _check_version(if_match, old)
    document = json_text.decode(text)
    _replace(old, context.collection.check_changed(document, change(document)), context)


def _replace(old: StoredItem, document: Document, context: Context) -> None:
    new = _put_version(document, context, owner=old.owner, created_at=old.created_at)
    _commit(Replaced(old, new), _success(new, superseded=old.document.key), context)
    context.stores.documents.delete([old.document.key])


def _check_version(if_match: str | None, item: StoredItem) -> None:
    if not etags.matches(if_match, item.version):
        raise VersionMismatch(f"Item {item.item_id} is in version {etags.etag(item.version)}.")


def _put_version(document: Document, context: Context, *, owner: str, created_at: str | None = None) -> StoredItem:
    """Put the document and return the row that refers to it; neither is visible before the row is committed."""
    text = json_text.encode(document)
    check_size(text)
    version, at, item = new_version(), rfc3339(now()), context.item
    return StoredItem(
        item_id=item.item_id,
        version=version,
        name=document["name"] if item.collection == ITEMS else "",
        document=context.stores.documents.put(item.document_key(context.job, version), text),
        inline=inline(text),
        created_at=created_at or at,
        updated_at=at,
        owner=owner,
        locks=context.collection.locks(document, item.scope),
        entries=context.collection.entries(document, item.scope),
    )


def _success(item: StoredItem, superseded: str | None = None) -> Success:
    """Return a success whose result is the item in this version."""
    return Success(
        result=item.inline,
        result_document=None if item.inline is not None else item.document,
        result_version=item.version,
        superseded=superseded,
    )


def _commit(change: Change, success: Success, context: Context) -> None:
    try:
        context.items.commit(change, context.job, success, now())
    except ValueLocked as locked:
        if isinstance(change, Removed):
            raise
        # The transaction was cancelled, so nothing refers to the document.
        context.stores.documents.delete([change.new.document.key])
        raise _taken(change.new, locked, context) from None
    except ItemChanged:
        if context.item.collection != ITEMS and not isinstance(change, Removed):
            context.stores.documents.delete([change.new.document.key])  # another attempt puts its own
        raise
    meter.add(SUCCEEDED, collection=context.item.collection)  # counted before the clean-up, which may fail


def _taken(new: StoredItem, locked: ValueLocked, context: Context) -> NameTaken | NotUnique:
    if context.item.collection == ITEMS:
        return NameTaken(f"Another item is named {new.name!r}.", pointer="#/name", existing=locked.existing)
    return NotUnique(
        f"Another {context.collection.title.lower()} has this {locked.field}.",
        pointer=pointer((None, locked.field)),
        existing=locked.existing,
    )
