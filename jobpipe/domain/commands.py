r"""The five commands, and their raw form: what `POST /jobs` takes and the queue carries.

    {"operation": "create", "item": {…}}
    {"operation": "read",   "item_id": "…"}
    {"operation": "update", "item_id": "…", "set": {…}, "if_match": "\"…\""}
    {"operation": "update", "item_id": "…", "merge": {…}, "if_match": "\"…\""}
    {"operation": "delete", "item_id": "…", "if_match": "\"…\""}

A new operation needs a class in COMMANDS here, a handler in the worker's COMMAND_HANDLERS, and a test
(docs/how-to/add-an-operation.md). All else, such as the OpenAPI document, follows from the class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeVar

from jobpipe.domain import etags, json_text
from jobpipe.domain.errors import InvalidRequest, NameTaken, NotFound, Refusal, TooLarge, VersionMismatch
from jobpipe.domain.item_rules import (
    Document,
    check_fields_to_set,
    check_item_id,
    check_merge_patch,
    check_new_document,
)
from jobpipe.domain.violations import Violations

T = TypeVar("T")
Raw = dict[str, Any]
Schema = dict[str, Any]
Members = Mapping[str, Schema]
Refusals = tuple[type[Refusal], ...]


def ref(name: str) -> Schema:
    """Return a reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


IF_MATCH: Schema = {
    "type": ["string", "null"],
    "maxLength": etags.MAX_IF_MATCH_LENGTH,
    "pattern": f"^(?:{etags.IF_MATCH.pattern})$",
    "description": "As the header If-Match.",
}


@dataclass(frozen=True, slots=True)
class Command:
    """What one job does to one item, and how the command is described, parsed and stored."""

    operation: ClassVar[str]
    distinguishing_member: ClassVar[str | None] = None
    """The member of the raw form that distinguishes this command from others of the same operation."""
    needs: ClassVar[Members]
    """The members that the raw form must have, with their schemas."""
    may_have: ClassVar[Members] = {}
    """The further members that the raw form may have."""
    refusals: ClassVar[Refusals] = ()
    """The problems with which the job can fail."""

    item_id: str

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:
        """Return the command of a raw form without unknown members; raise InvalidRequest if it is invalid."""
        raise NotImplementedError

    def to_raw(self) -> Raw:
        """Return the raw form."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class CreateItem(Command):
    """Create an item of this document, under an id that was assigned when the command was accepted."""

    operation: ClassVar[str] = "create"
    needs: ClassVar[Members] = {"item": ref("NewItem")}
    refusals: ClassVar[Refusals] = (NameTaken,)

    document: Document

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:
        return cls(item_id, _inside(raw, "item", check_new_document))

    def to_raw(self) -> Raw:
        return {"operation": self.operation, "item": self.document}


@dataclass(frozen=True, slots=True)
class ReadItem(Command):
    """Read the item after all commands that were accepted for it before."""

    operation: ClassVar[str] = "read"
    needs: ClassVar[Members] = {"item_id": ref("ItemId")}
    refusals: ClassVar[Refusals] = (NotFound,)

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:  # noqa: ARG003  # it holds only the id
        return cls(item_id)

    def to_raw(self) -> Raw:
        return {"operation": self.operation, "item_id": self.item_id}


@dataclass(frozen=True, slots=True)
class _Update(Command):
    operation: ClassVar[str] = "update"
    distinguishing_member: ClassVar[str]
    may_have: ClassVar[Members] = {"if_match": IF_MATCH}
    refusals: ClassVar[Refusals] = (NotFound, NameTaken, VersionMismatch, TooLarge)

    changes: Document
    if_match: str | None = None

    @staticmethod
    def check_changes(changes: Any, /) -> Document:
        """Return the changes; raise InvalidRequest if they cannot be applied to any item."""
        raise NotImplementedError

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:
        found = Violations()
        changes = found.collect(_inside, raw, cls.distinguishing_member, cls.check_changes)
        if_match = found.collect(_if_match, raw)
        found.check()
        return cls(item_id, changes, if_match)

    def to_raw(self) -> Raw:
        raw = {"operation": self.operation, "item_id": self.item_id, self.distinguishing_member: self.changes}
        return _with_precondition(raw, self.if_match)


@dataclass(frozen=True, slots=True)
class SetFields(_Update):
    """Set these top-level fields of the item; the others stay as they are."""

    distinguishing_member: ClassVar[str] = "set"
    needs: ClassVar[Members] = {"item_id": ref("ItemId"), "set": ref("FieldsToSet")}
    check_changes = staticmethod(check_fields_to_set)


@dataclass(frozen=True, slots=True)
class MergePatch(_Update):
    """Apply an RFC 7396 merge patch to the item."""

    distinguishing_member: ClassVar[str] = "merge"
    needs: ClassVar[Members] = {"item_id": ref("ItemId"), "merge": ref("MergePatch")}
    check_changes = staticmethod(check_merge_patch)


@dataclass(frozen=True, slots=True)
class DeleteItem(Command):
    """Remove the item and free its name."""

    operation: ClassVar[str] = "delete"
    needs: ClassVar[Members] = {"item_id": ref("ItemId")}
    may_have: ClassVar[Members] = {"if_match": IF_MATCH}
    refusals: ClassVar[Refusals] = (NotFound, VersionMismatch)

    if_match: str | None = None

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str) -> Self:
        return cls(item_id, _if_match(raw))

    def to_raw(self) -> Raw:
        return _with_precondition({"operation": self.operation, "item_id": self.item_id}, self.if_match)


COMMANDS: tuple[type[Command], ...] = (
    CreateItem,
    ReadItem,
    SetFields,
    MergePatch,
    DeleteItem,
)
"""All commands that POST /jobs takes and the queue carries."""

OPERATIONS = tuple(dict.fromkeys(command.operation for command in COMMANDS))


def parse_command(raw: Any, *, new_item_id: str) -> Command:
    """Return the command of a raw form, or raise InvalidRequest; a create gets `new_item_id`."""
    if not isinstance(raw, dict):
        raise InvalidRequest("A command must be a JSON object.")
    kind = _kind_of(raw)
    found = Violations()
    for member in raw:
        if member != "operation" and member not in kind.needs and member not in kind.may_have:
            found.add(f"A command to {kind.operation} must not have a member {member[:80]!r}.")
    item_id = found.collect(_inside, raw, "item_id", check_item_id) if "item_id" in kind.needs else new_item_id
    command = found.collect(kind.from_raw, raw, item_id)
    found.check()
    return command


def _kind_of(raw: Raw) -> type[Command]:
    operation = raw.get("operation")
    if operation is None:
        raise InvalidRequest("A command needs an operation.", pointer="#/operation")
    kinds = [command for command in COMMANDS if command.operation == operation]
    if not kinds:
        raise InvalidRequest(f"The operation must be one of {', '.join(OPERATIONS)}.", pointer="#/operation")
    matching = [command for command in kinds if command.distinguishing_member in raw]
    if len(matching) > 1:
        members = [command.distinguishing_member for command in matching]
        raise InvalidRequest(
            f"An {operation} must have {' or '.join(map(str, members))}, not both.", pointer=f"#/{members[-1]}"
        )
    return (matching or kinds)[0]


def with_item_id(command: CreateItem, item_id: str) -> CreateItem:
    """Return the same create under the id that was assigned when it was first accepted."""
    return replace(command, item_id=item_id)


def fingerprint(command: Command) -> str:
    """Return a digest of operation, item, precondition and body that does not depend on the order of members.

    The item id of a create is not included, since each request assigns a new one.
    """
    return hashlib.sha256(json_text.encode(command.to_raw(), sort_keys=True).encode()).hexdigest()


def _need(raw: Raw, member: str) -> Any:
    if member not in raw:
        raise InvalidRequest(f"A command to {raw['operation']} needs {member}.", pointer=f"#/{member}")
    return raw[member]


def _inside(raw: Raw, member: str, check: Callable[[Any], T]) -> T:
    """Return the result of the check for the member; the pointer of a Refusal starts at the member."""
    value = _need(raw, member)
    try:
        return check(value)
    except Refusal as refusal:
        raise refusal.inside(f"#/{member}") from None


def _if_match(raw: Raw) -> str | None:
    return _inside(raw, "if_match", etags.check_if_match) if "if_match" in raw else None


def _with_precondition(raw: Raw, if_match: str | None) -> Raw:
    return raw if if_match is None else {**raw, "if_match": if_match}
