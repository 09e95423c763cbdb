r"""The five commands, and their raw form: what `POST /jobs` takes and the queue carries.

    {"operation": "create", "item": {…}}
    {"operation": "read",   "item_id": "…"}
    {"operation": "update", "item_id": "…", "set": {…}, "if_match": "\"…\""}
    {"operation": "update", "item_id": "…", "merge": {…}, "if_match": "\"…\""}
    {"operation": "delete", "item_id": "…", "if_match": "\"…\""}

A new operation is a class here with `from_raw` and `to_raw`, and a handler in the worker's command_handlers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from jobpipe import etags, json_text
from jobpipe.errors import InvalidRequest, Refusal
from jobpipe.item_rules import (
    Document,
    check_fields_to_set,
    check_item_id,
    check_merge_patch,
    check_new_document,
)

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CreateItem:
    """Make an item of this document, under an id that was assigned when the command was accepted."""

    operation: ClassVar[str] = "create"
    item_id: str
    document: Document

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:
        _only(raw, "item")
        return cls(item_id, _inside(raw, "item", check_new_document))

    def to_raw(self) -> Raw:
        return {"operation": self.operation, "item": self.document}


@dataclass(frozen=True, slots=True)
class ReadItem:
    """Read the item after all that was accepted for it before."""

    operation: ClassVar[str] = "read"
    item_id: str

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        _only(raw, "item_id")
        return cls(check_item_id(_need(raw, "item_id")))

    def to_raw(self) -> Raw:
        return {"operation": self.operation, "item_id": self.item_id}


@dataclass(frozen=True, slots=True)
class SetFields:
    """Set these top-level fields of the item, leave the others."""

    operation: ClassVar[str] = "update"
    item_id: str
    fields: Document
    if_match: str | None = None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        _only(raw, "item_id", "set", "if_match")
        return cls(
            check_item_id(_need(raw, "item_id")),
            _inside(raw, "set", check_fields_to_set),
            etags.check_if_match(raw.get("if_match")),
        )

    def to_raw(self) -> Raw:
        return _with_precondition(
            {"operation": self.operation, "item_id": self.item_id, "set": self.fields}, self.if_match
        )


@dataclass(frozen=True, slots=True)
class MergePatch:
    """Apply an RFC 7396 merge patch to the item."""

    operation: ClassVar[str] = "update"
    item_id: str
    patch: Document
    if_match: str | None = None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        _only(raw, "item_id", "merge", "if_match")
        return cls(
            check_item_id(_need(raw, "item_id")),
            _inside(raw, "merge", check_merge_patch),
            etags.check_if_match(raw.get("if_match")),
        )

    def to_raw(self) -> Raw:
        return _with_precondition(
            {"operation": self.operation, "item_id": self.item_id, "merge": self.patch}, self.if_match
        )


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """Remove the item and free its name."""

    operation: ClassVar[str] = "delete"
    item_id: str
    if_match: str | None = None

    @classmethod
    def from_raw(cls, raw: Raw) -> Self:
        _only(raw, "item_id", "if_match")
        return cls(check_item_id(_need(raw, "item_id")), etags.check_if_match(raw.get("if_match")))

    def to_raw(self) -> Raw:
        return _with_precondition({"operation": self.operation, "item_id": self.item_id}, self.if_match)


Command = CreateItem | ReadItem | SetFields | MergePatch | DeleteItem

OPERATIONS = ("create", "read", "update", "delete")


def parse_command(raw: Any, *, new_item_id: str) -> Command:
    """The command of a raw form, or InvalidRequest; a create gets `new_item_id`."""
    if not isinstance(raw, dict):
        raise InvalidRequest("A command must be a JSON object.")
    match raw.get("operation"):
        case "create":
            return CreateItem.from_raw(raw, new_item_id)
        case "read":
            return ReadItem.from_raw(raw)
        case "update" if "set" in raw and "merge" in raw:
            raise InvalidRequest("An update must have set or merge, not both.", pointer="#/merge")
        case "update" if "merge" in raw:
            return MergePatch.from_raw(raw)
        case "update":
            return SetFields.from_raw(raw)
        case "delete":
            return DeleteItem.from_raw(raw)
        case None:
            raise InvalidRequest("A command needs an operation.", pointer="#/operation")
        case _:
            raise InvalidRequest(f"The operation must be one of {', '.join(OPERATIONS)}.", pointer="#/operation")


def with_item_id(command: CreateItem, item_id: str) -> CreateItem:
    """The same create under the id that its first acceptance assigned."""
    return replace(command, item_id=item_id)


def fingerprint(command: Command) -> str:
    """A digest of operation, item, precondition and body; the order of names in an object does not matter.

    A create's item id is not part of it: it is assigned anew with every request, and the first one counts.
    """
    return hashlib.sha256(json_text.encode(command.to_raw(), sort_keys=True).encode()).hexdigest()


def _only(raw: Raw, *members: str) -> None:
    for member in raw:
        if member != "operation" and member not in members:
            raise InvalidRequest(
                f"A command to {raw['operation']} must not have a member {member[:80]!r}.",
                pointer="#",
            )


def _need(raw: Raw, member: str) -> Any:
    if member not in raw:
        raise InvalidRequest(f"A command to {raw['operation']} needs {member}.", pointer=f"#/{member}")
    return raw[member]


def _inside(raw: Raw, member: str, check: Callable[[Any], Document]) -> Document:
    """The member as the check leaves it; a refusal points into the member."""
    value = _need(raw, member)
    try:
        return check(value)
    except Refusal as refusal:
        pointer = f"#/{member}{(refusal.pointer or '#')[1:]}"
        raise type(refusal)(refusal.detail, pointer=pointer) from None


def _with_precondition(raw: Raw, if_match: str | None) -> Raw:
    return raw if if_match is None else {**raw, "if_match": if_match}
