"""Parse the raw commands of callers, and of messages and jobs that were accepted before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jobpipe.domain.commands import not_after, not_before, task_token
from jobpipe.domain.commands.command import (
    COMMANDS,
    COMMON_MEMBERS,
    OPERATION_NAME,
    OPERATIONS,
    Command,
    CreateItem,
    Raw,
    Rules,
    RunOperation,
    UpsertItem,
    check_member,
    with_item_id,
)
from jobpipe.domain.documents.collection import ITEM_COLLECTION, ONLY_ITEMS, Collection, Registry
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import Document, check_item_id
from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.violations import Violations

_ALL_KINDS: tuple[type[Command], ...] = (*COMMANDS, UpsertItem)
_KINDS: dict[str, tuple[type[Command], ...]] = {
    operation: tuple(each for each in _ALL_KINDS if each.operation == operation)
    for operation in (each.operation for each in _ALL_KINDS)
}


_ALWAYS_ALLOWED = frozenset({"operation", "collection", *COMMON_MEMBERS})
_COMMON_CHECKS = {module.MEMBER: module.check_form for module in (not_before, not_after, task_token)}


class _FormOnly:
    """Rules that check only the form of an accepted command; the collection checks the rest when it runs.

    So a stricter schema or a removed operation makes the job fail with a reason, and no message is parked.
    """

    @staticmethod
    def check_new(document: Any, /) -> Document:
        return _object(document)

    check_fields = check_patch = check_new


def parse_command(raw: Any, *, new_item_id: str, registry: Registry = ONLY_ITEMS, owner: str = "") -> Command:
    """Return the command of a caller's raw form, or raise InvalidRequest.

    A create gets `new_item_id`, unless its collection has a key from which the id derives.
    """
    if not isinstance(raw, dict):
        raise InvalidRequest("A command must be a JSON object.")
    name = raw.get("collection", ITEMS)
    collection = registry.get(name) if isinstance(name, str) else None
    if collection is None:
        raise InvalidRequest(f"The collection must be one of {', '.join(registry.names)}.", pointer="#/collection")
    scope = collection.scope(owner)
    command = _parse(raw, new_item_id, collection, (*collection.operations,), has_key=collection.key is not None)
    if isinstance(command, RunOperation):
        collection.check_members(command.operation, command.arguments)
    if isinstance(command, CreateItem | UpsertItem):
        derived = collection.derived_id(command.document, scope)
        command = with_item_id(command, derived) if derived is not None else command
    return bind_to_collection(command, collection, owner)


def bind_to_collection(command: Command, collection: Collection, owner: str) -> Command:
    """Return the same command for an item of this collection, in the scope of this caller."""
    if collection.name == ITEMS:  # the default of a command
        return command
    return replace(command, collection=collection.name, scope=collection.scope(owner))


def decode_command(raw: Any, item: ItemRef) -> Command:
    """Return the command of a message or a failed job for this item, or raise InvalidRequest."""
    if not isinstance(raw, dict):
        raise InvalidRequest("A command must be a JSON object.")
    if raw.get("collection", ITEMS) != item.collection:
        raise InvalidRequest("The command belongs to another collection.", pointer="#/collection")
    if item.collection == ITEMS:
        return _parse(raw, item.item_id, ITEM_COLLECTION, (), has_key=False)
    command = _parse(raw, item.item_id, _FormOnly(), None, has_key=True)
    return replace(command, collection=item.collection, scope=item.scope)


def _parse(
    raw: Raw, new_item_id: str, rules: Rules, operations: tuple[str, ...] | None, *, has_key: bool
) -> Command:
    """Return the command; `operations` are the operations of its collection, or None to accept any name."""
    kind = _kind_of(raw, operations, has_key=has_key)
    found = Violations()
    if kind is RunOperation:
        item_id = found.collect(check_member, raw, "item_id", check_item_id)
        given = _common_members(raw, found)
        found.check()
        return _with_members(RunOperation.of_raw(raw, item_id), given)
    for member in raw:
        if member not in _ALWAYS_ALLOWED and member not in kind.needs and member not in kind.may_have:
            found.add(f"A command to {kind.operation} must not have a member {member[:80]!r}.")
    item_id = found.collect(check_member, raw, "item_id", check_item_id) if "item_id" in kind.needs else new_item_id
    command = found.collect(kind.from_raw, raw, item_id, rules)
    given = _common_members(raw, found)
    found.check()
    return _with_members(command, given)


def _common_members(raw: Raw, found: Violations) -> dict[str, str]:
    return {
        member: found.collect(check_member, raw, member, check_form)
        for member, check_form in _COMMON_CHECKS.items()
        if member in raw
    }


def _with_members(command: Command, given: dict[str, str]) -> Command:
    return replace(command, **given) if given else command


def _kind_of(raw: Raw, operations: tuple[str, ...] | None, *, has_key: bool) -> type[Command]:
    operation = raw.get("operation")
    if operation is None:
        raise InvalidRequest("A command needs an operation.", pointer="#/operation")
    kinds = _KINDS.get(operation, ()) if isinstance(operation, str) else ()
    if operation == UpsertItem.operation and not has_key:
        kinds = ()
    if not kinds and isinstance(operation, str):
        is_known = OPERATION_NAME.fullmatch(operation) if operations is None else operation in operations
        kinds = (RunOperation,) if is_known and operation != UpsertItem.operation else ()
    if len(kinds) == 1:
        return kinds[0]
    if not kinds:
        known = (*OPERATIONS, *((UpsertItem.operation,) if has_key else ()), *(operations or ()))
        raise InvalidRequest(f"The operation must be one of {', '.join(known)}.", pointer="#/operation")
    matching = [command for command in kinds if command.distinguishing_member in raw]
    if len(matching) > 1:
        members = [command.distinguishing_member for command in matching]
        raise InvalidRequest(
            f"An {operation} must have {' or '.join(map(str, members))}, not both.", pointer=f"#/{members[-1]}"
        )
    return (matching or kinds)[0]


def _object(value: Any) -> Document:
    if not isinstance(value, dict):
        raise InvalidRequest("The value must be a JSON object.")
    return value
