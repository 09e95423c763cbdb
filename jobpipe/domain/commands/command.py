r"""The commands, and their raw form: what `POST /jobs` takes and the queue carries.

    {"operation": "create", "item": {…}}
    {"operation": "read",   "item_id": "…"}
    {"operation": "update", "item_id": "…", "set": {…}, "if_match": "\"…\""}
    {"operation": "update", "item_id": "…", "merge": {…}, "if_match": "\"…\""}
    {"operation": "delete", "item_id": "…", "if_match": "\"…\""}

Commands for other collections than `items` name their collection, and have two more operations:

    {"operation": "upsert", "collection": "orders", "item": {…}}
    {"operation": "ship",   "collection": "orders", "item_id": "…", "carrier": "dhl"}

Each command may have a time before which, and one after which, it must not take effect:

    {"operation": "read", "item_id": "…", "not_before": "2026-11-22T20:00:00Z", "not_after": "2026-11-22T20:57:44Z"}

A caller may also give the token of a task that waits for the job and is answered when the job has ended. The token
belongs to the job, so neither messages nor fingerprints have it.

    {"operation": "read", "item_id": "…", "task_token": "AAAAKgAAAAIAAAAA…"}

A new command for all collections needs a class in COMMANDS here, a handler in the worker's COMMAND_HANDLERS, and a
test (docs/how-to/add-a-command.md). Everything else, such as the OpenAPI document, follows from the class.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Protocol, Self, TypeVar

from jobpipe.domain import etags, json_text
from jobpipe.domain.commands import not_after, not_before, task_token
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import Document
from jobpipe.domain.errors import (
    InvalidRequest,
    NameTaken,
    NotFound,
    NotUnique,
    Refusal,
    TooLarge,
    VersionMismatch,
)
from jobpipe.domain.violations import Violations

T = TypeVar("T")
Raw = dict[str, Any]
Schema = dict[str, Any]
Members = Mapping[str, Schema]
Refusals = tuple[type[Refusal], ...]


class Rules(Protocol):
    """The checks of a collection for the content of its commands; each may raise InvalidRequest."""

    def check_new(self, document: Any, /) -> Document:
        """Return the document of a create or an upsert."""

    def check_fields(self, fields: Any, /) -> Document:
        """Return the fields of a set."""

    def check_patch(self, patch: Any, /) -> Document:
        """Return the merge patch."""


def ref(name: str) -> Schema:
    """Return a reference to a schema of the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


IF_MATCH: Schema = {
    "type": ["string", "null"],
    "maxLength": etags.MAX_IF_MATCH_LENGTH,
    "pattern": f"^(?:{etags.IF_MATCH.pattern})$",
    "description": "As the header If-Match.",
}


NOT_AFTER: Schema = {
    "type": "string",
    "format": "date-time",
    "description": (
        "The time after which the command must not take effect; its job then fails as too-late. It must be in the "
        f"future, within {not_after.LONGEST_DAYS} days."
    ),
}
NOT_BEFORE: Schema = {
    "type": "string",
    "format": "date-time",
    "description": (
        "The time before which the command must not take effect; until then its job is `scheduled`. It must be"
        f" within {not_before.LONGEST_DAYS} days, and earlier than `not_after`."
        " A time that has passed makes no difference."
    ),
    "examples": ["2026-01-01T08:00:00Z"],
}
TASK_TOKEN: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": task_token.MAX_LENGTH,
    "writeOnly": True,
    "description": (
        "The token of a Step Functions task, which is answered when the job has ended. It is not part of the"
        " command: the last token given for a job is answered, even if the job has ended already."
        " It is never shown. Only a stage with the parameter TaskTokens accepts it."
    ),
}
COMMON_MEMBERS: Members = {
    not_before.MEMBER: NOT_BEFORE,
    not_after.MEMBER: NOT_AFTER,
    task_token.MEMBER: TASK_TOKEN,
}
"""The members that the raw form of every command may have."""


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
    collection: str = field(default=ITEMS, kw_only=True)
    scope: str = field(default="", kw_only=True)  # the scope of the item in the collection; not in the raw form
    not_before: str | None = field(default=None, kw_only=True)  # the earliest time of its effect (RFC 3339)
    not_after: str | None = field(default=None, kw_only=True)  # the latest time of its effect (RFC 3339)
    # The token of the task that waits for the job of a caller's command; not in the raw form.
    task_token: str | None = field(default=None, kw_only=True, repr=False)

    @property
    def item(self) -> ItemRef:
        """Return the reference to the command's item."""
        return ItemRef(self.collection, self.scope, self.item_id)

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:
        """Return the command of a raw form that has no unknown members; raise InvalidRequest if it is invalid."""
        raise NotImplementedError

    def members(self) -> Raw:
        """Return the members of the raw form that not every command has."""
        raise NotImplementedError

    def to_raw(self) -> Raw:
        """Return the raw form."""
        collection = {} if self.collection == ITEMS else {"collection": self.collection}
        times = {not_before.MEMBER: self.not_before, not_after.MEMBER: self.not_after}
        given = {member: time for member, time in times.items() if time is not None}
        return {"operation": self.operation, **collection, **self.members(), **given}


@dataclass(frozen=True, slots=True)
class CreateItem(Command):
    """Create an item with this document, under the id that was assigned when the command was accepted."""

    operation: ClassVar[str] = "create"
    needs: ClassVar[Members] = {"item": ref("NewItem")}
    refusals: ClassVar[Refusals] = (NameTaken,)

    document: Document

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:
        return cls(item_id, check_member(raw, "item", rules.check_new))

    def members(self) -> Raw:
        return {"item": self.document}


class ReadItem(Command):
    """Read the item after all commands that were accepted for it before."""

    __slots__ = ()  # the fields and methods are inherited

    operation: ClassVar[str] = "read"
    needs: ClassVar[Members] = {"item_id": ref("ItemId")}
    refusals: ClassVar[Refusals] = (NotFound,)

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:  # noqa: ARG003  # a read has only an id
        return cls(item_id)

    def members(self) -> Raw:
        return {"item_id": self.item_id}


@dataclass(frozen=True, slots=True)
class _Update(Command):
    operation: ClassVar[str] = "update"
    distinguishing_member: ClassVar[str]
    may_have: ClassVar[Members] = {"if_match": IF_MATCH}
    refusals: ClassVar[Refusals] = (NotFound, NameTaken, VersionMismatch, TooLarge)

    changes: Document
    if_match: str | None = None

    @staticmethod
    def check_changes(rules: Rules, changes: Any) -> Document:
        """Return the changes; raise InvalidRequest if they cannot be applied to any item."""
        raise NotImplementedError

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:
        found = Violations()
        check = partial(cls.check_changes, rules)
        changes = found.collect(check_member, raw, cls.distinguishing_member, check)
        if_match = found.collect(_if_match, raw)
        found.check()
        return cls(item_id, changes, if_match)

    def members(self) -> Raw:
        return _with_precondition(
            {"item_id": self.item_id, self.distinguishing_member: self.changes}, self.if_match
        )


class SetFields(_Update):
    """Set these top-level fields of the item; the others stay as they are."""

    __slots__ = ()  # the fields and methods are inherited

    distinguishing_member: ClassVar[str] = "set"
    needs: ClassVar[Members] = {"item_id": ref("ItemId"), "set": ref("FieldsToSet")}

    @staticmethod
    def check_changes(rules: Rules, changes: Any) -> Document:
        return rules.check_fields(changes)


class MergePatch(_Update):
    """Apply an RFC 7396 merge patch to the item."""

    __slots__ = ()  # the fields and methods are inherited

    distinguishing_member: ClassVar[str] = "merge"
    needs: ClassVar[Members] = {"item_id": ref("ItemId"), "merge": ref("MergePatch")}

    @staticmethod
    def check_changes(rules: Rules, changes: Any) -> Document:
        return rules.check_patch(changes)


@dataclass(frozen=True, slots=True)
class DeleteItem(Command):
    """Remove the item and free its name."""

    operation: ClassVar[str] = "delete"
    needs: ClassVar[Members] = {"item_id": ref("ItemId")}
    may_have: ClassVar[Members] = {"if_match": IF_MATCH}
    refusals: ClassVar[Refusals] = (NotFound, VersionMismatch)

    if_match: str | None = None

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:  # noqa: ARG003
        return cls(item_id, _if_match(raw))

    def members(self) -> Raw:
        return _with_precondition({"item_id": self.item_id}, self.if_match)


@dataclass(frozen=True, slots=True)
class UpsertItem(Command):
    """Create the document, or set its fields if a document with its key exists."""

    operation: ClassVar[str] = "upsert"
    needs: ClassVar[Members] = {"item": ref("NewItem")}
    refusals: ClassVar[Refusals] = (NotUnique, TooLarge)

    document: Document

    @classmethod
    def from_raw(cls, raw: Raw, item_id: str, rules: Rules) -> Self:
        return cls(item_id, check_member(raw, "item", rules.check_new))

    def members(self) -> Raw:
        return {"item": self.document}


@dataclass(frozen=True, slots=True)
class RunOperation(Command):
    """Change the document with an operation of its collection: a pure function that a user wrote."""

    operation: str  # type: ignore[misc]  # here it is the operation's own name
    arguments: Document
    if_match: str | None = None

    @classmethod
    def of_raw(cls, raw: Raw, item_id: str) -> Self:
        """Return the command of a raw form; the members are checked when the command runs."""
        arguments = {name: value for name, value in raw.items() if name not in RESERVED_MEMBERS}
        return cls(operation=raw["operation"], item_id=item_id, arguments=arguments, if_match=_if_match(raw))

    def members(self) -> Raw:
        return _with_precondition({"item_id": self.item_id, **self.arguments}, self.if_match)


COMMANDS: tuple[type[Command], ...] = (
    CreateItem,
    ReadItem,
    SetFields,
    MergePatch,
    DeleteItem,
)
"""All commands that every collection has."""

OPERATIONS = tuple(dict.fromkeys(command.operation for command in COMMANDS))
OPERATION_NAME = re.compile("[a-z][a-z0-9-]{0,31}")
RESERVED_OPERATIONS = (*OPERATIONS, UpsertItem.operation)
"""The names that no operation of a collection can have."""

RESERVED_MEMBERS = frozenset({"operation", "collection", "item_id", "if_match", *COMMON_MEMBERS})
"""The members of a raw command that cannot be arguments of an operation."""


def with_item_id(command: CreateItem | UpsertItem, item_id: str) -> CreateItem | UpsertItem:
    """Return the same command for the id that was assigned when it was first accepted."""
    return replace(command, item_id=item_id)


def fingerprint(command: Command) -> str:
    """Return a digest of operation, item, precondition, times and body; the order of members does not matter.

    The item id of a create is not included, since each request assigns a new one.
    """
    return hashlib.sha256(json_text.encode(command.to_raw(), sort_keys=True).encode()).hexdigest()


def _need(raw: Raw, member: str) -> Any:
    if member not in raw:
        raise InvalidRequest(f"A command to {raw['operation']} needs {member}.", pointer=f"#/{member}")
    return raw[member]


def check_member(raw: Raw, member: str, check: Callable[[Any], T]) -> T:
    """Return the result of the check for the member; the pointer of a Refusal starts at the member."""
    value = _need(raw, member)
    try:
        return check(value)
    except Refusal as refusal:
        raise refusal.with_prefix(f"#/{member}") from None


def _if_match(raw: Raw) -> str | None:
    return check_member(raw, "if_match", etags.check_if_match) if "if_match" in raw else None


def _with_precondition(raw: Raw, if_match: str | None) -> Raw:
    return raw if if_match is None else {**raw, "if_match": if_match}
