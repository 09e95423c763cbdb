"""The handlers of commands: each reads the document and decides how the command changes it, and writes nothing.

A handler raises a Refusal if a rule fails. All rules that need only the data read so far are checked here, before
the document is put, which is the most expensive call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import (
    Command,
    CreateItem,
    DeleteItem,
    MergePatch,
    ReadItem,
    RunOperation,
    SetFields,
    UpsertItem,
)
from jobpipe.domain.commands.label import label_in
from jobpipe.domain.commands.not_after import check_in_time
from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import Document, merge_patch, set_fields
from jobpipe.domain.errors import InvalidRequest, NotFound, NotUnique, VersionMismatch
from jobpipe.domain.events.emitted_events import encode_emitted
from jobpipe.domain.item_reader import read_document, read_item
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.queue_message import QueueMessage
from jobpipe.domain.violations import pointer
from jobpipe.stores.aws_stores import Stores

if TYPE_CHECKING:
    from jobpipe.domain.ports import DocumentStore, ItemRows


@dataclass(slots=True)  # not frozen, which would make it slower for each command
class Write:
    """Store this document as a new one, or in place of the version `old`."""

    document: Document
    old: StoredItem | None = None
    emitted_events: str | None = None  # the events that the operation emitted (emitted_events.py)


@dataclass(slots=True)
class Remove:
    """Delete the document, whose version is `old`."""

    old: StoredItem


@dataclass(slots=True)
class Show:
    """Change nothing; the result is this version of the document."""

    item: StoredItem


Decision = Write | Remove | Show


@dataclass(slots=True)
class Context:
    """What the handlers need in addition to the command."""

    job: JobRef
    item: ItemRef
    owner: str  # of the job; empty for `items`, whose messages do not name it
    at: str  # the time at which the command was accepted or its retry requested (RFC 3339)
    collection: Collection
    items: ItemRows  # of the collection
    documents: DocumentStore
    emits: bool = False  # whether the stage sends events
    stored: tuple[StoredItem, str | None] | None = None  # the stored document that was read: its row and its text

    def read(self) -> tuple[StoredItem, str]:
        """Return the item's row and the text of its document, or raise NotFound."""
        self.stored = found = read_item(self.items, self.documents, self.item.item_id, title=self.collection.title)
        return found

    def stored_label(self) -> str | None:
        """Return the label of the stored document, if it was read."""
        if self.stored is None:
            return None
        row, text = self.stored
        if self.collection.name == ITEMS:
            return label_in({"name": row.name}, self.collection)
        return None if text is None else label_in(json_text.decode(text), self.collection)

    def not_found(self) -> NotFound:
        """Return the refusal of a command for an item that does not exist."""
        return NotFound(f"There is no {self.collection.title.lower()} {self.item.item_id}.")


def open_context(message: QueueMessage, stores: Stores, items: ItemRows | None = None) -> Context:
    """Return the context of the message's command; raise InvalidRequest if no handler can apply the command.

    `items` finds the document's row, by default in the store of the collection.
    """
    collection = stores.registry.get(message.collection)
    if collection is None:
        raise InvalidRequest(f"This release has no collection {message.collection!r}.")
    if message.collection != ITEMS and message.scope != collection.scope(message.owner):
        # A release changed who sees the documents, and so where they are stored: nobody would see this change.
        raise InvalidRequest(f"The access of the collection {collection.name} has changed.")
    if items is None:
        items = stores.items_of(message.collection, message.scope)
    return Context(message.job, message.item, message.owner, message.at, collection, items, stores.documents)


def decide(command: Command, context: Context) -> Decision:
    """Return how the command changes its document, or raise a Refusal."""
    check_in_time(command.not_after, now())
    return COMMAND_HANDLERS[type(command)](command, context)


def create(command: CreateItem, context: Context) -> Decision:
    """Create the item."""
    document = _check_new(command.document, context)
    key = context.collection.key
    if key is not None and context.items.get(context.item.item_id) is not None:
        raise not_unique(context.collection, key, document[key], context.item.item_id)
    return Write(document)


def not_unique(collection: Collection, field: str, value: Any, existing: str | None) -> NotUnique:
    """Return the refusal of a value that another document has."""
    shown = repr(value) if isinstance(value, str) else json_text.encode(value)
    detail = f"Another {collection.title.lower()} has the {field} {shown}."
    return NotUnique(detail, pointer=pointer((None, field)), existing=existing)


def read(command: ReadItem, context: Context) -> Decision:  # noqa: ARG001
    """Show the item as it is after all commands that were accepted earlier."""
    item, _ = context.read()
    return Show(item)


def set_item_fields(command: SetFields, context: Context) -> Decision:
    """Set the fields that a PUT names, and leave the others unchanged."""
    return _update(command.if_match, lambda document: set_fields(document, command.changes), context)


def merge_item_patch(command: MergePatch, context: Context) -> Decision:
    """Apply the merge patch (RFC 7396) of a PATCH."""
    return _update(command.if_match, lambda document: merge_patch(document, command.changes), context)


def upsert(command: UpsertItem, context: Context) -> Decision:
    """Create the document, or set its fields if it exists. The id derives from the key, so the order is kept."""
    document = _check_new(command.document, context)
    item = context.items.get(context.item.item_id)
    if item is None:
        return Write(document)
    old, text = read_document(context.documents, item)
    before = json_text.decode(text)
    return Write(context.collection.check_changed(before, set_fields(before, document)), old)


def run_operation(command: RunOperation, context: Context) -> Decision:
    """Call the user's function for the document; decide to store the document and the events that it returns."""
    context.collection.check_members(command.operation, command.arguments)
    old, text = context.read()
    _check_version(command.if_match, old)
    # The function gets copies of the values, with fractions as Decimals, so that it can calculate exactly.
    members = json_text.decode_with_decimals(json_text.encode(command.arguments))
    returned = context.collection.run(command.operation, json_text.decode_with_decimals(text), members, context.at)
    changed, *events = returned if isinstance(returned, tuple) and returned else (returned,)
    if not isinstance(changed, dict):
        raise TypeError(f"the operation {command.operation} returned no document")
    new = context.collection.check_changed(json_text.decode(text), json_text.decode(json_text.encode(changed)))
    # Stages without events check the emitted events too, so that enabling events changes no outcome.
    emitted = encode_emitted(events, context.collection.name, command.operation)
    return Write(new, old, emitted if context.emits else None)


def delete(command: DeleteItem, context: Context) -> Decision:
    """Delete the item."""
    old = context.items.get(command.item_id)
    if old is None:
        raise context.not_found()
    context.stored = (old, old.inline)
    _check_version(command.if_match, old)
    return Remove(old)


COMMAND_HANDLERS: dict[type[Command], Callable[[Any, Context], Decision]] = {
    CreateItem: create,
    ReadItem: read,
    SetFields: set_item_fields,
    MergePatch: merge_item_patch,
    DeleteItem: delete,
    UpsertItem: upsert,
    RunOperation: run_operation,
}


def _check_new(document: Document, context: Context) -> Document:
    # Items were checked when the message was decoded; of other documents only the form was checked.
    if context.item.collection == ITEMS:
        return document
    checked = context.collection.check_new(document)
    derived = context.collection.derived_id(checked, context.item.scope)
    if derived not in {None, context.item.item_id}:
        # A release changed the key: a look-up or upsert by the new key would not find the document under this id.
        raise InvalidRequest(f"The key of the collection {context.collection.name} has changed.")
    return checked


def _update(if_match: str | None, change: Callable[[Document], Document], context: Context) -> Decision:
    """Apply `change` to the item's document."""
    old, text = context.read()
    _check_version(if_match, old)
    document = json_text.decode(text)
    return Write(context.collection.check_changed(document, change(document)), old)


def _check_version(if_match: str | None, item: StoredItem) -> None:
    if not etags.matches(if_match, item.version):
        raise VersionMismatch(f"Item {item.item_id} is in version {etags.etag(item.version)}.")
