"""The operations of a collection, as its operations.py defines them."""

from dataclasses import dataclass
from typing import Any

from infra.collections.folder import CollectionSource
from infra.collections.guests import ask_guest, place
from infra.collections.names import MAX_OPERATIONS, OPERATIONS
from infra.errors import OperatorError

Schema = dict[str, Any]


@dataclass(frozen=True)
class OperationSource:
    """An operation, and the compiled check of its members."""

    name: str
    description: str
    takes: dict[str, Schema]
    optional: dict[str, Schema]
    place: str  # file and line
    members_code: str  # a module with check(members, add)


def read_operations(source: CollectionSource) -> list[OperationSource]:
    """Return the operations of a collection in the order of their definition.

    A separate process imports their module. Raise OperatorError, with file and line, if that fails or if an
    operation is not valid.
    """
    if not source.has_operations:
        return []
    found = [_read(source, each) for each in ask_guest(source)]
    if not found:
        raise OperatorError(
            f"{place(source, None)} has no operation: mark a function with @operation(), or delete the file"
        )
    if len(found) > MAX_OPERATIONS:
        raise OperatorError(
            f"{found[MAX_OPERATIONS].place}: there are {len(found)} operations; the maximum is {MAX_OPERATIONS}"
        )
    return found


def _read(source: CollectionSource, answer: dict[str, Any]) -> OperationSource:
    from infra.collections.schema import compile_members  # noqa: PLC0415 - only operations need it

    where, name = place(source, answer["line"]), answer["name"]
    if name in OPERATIONS:
        raise OperatorError(
            f"{where}: {name} is a method, or an operation that every collection has; choose another name"
        )
    if not answer["description"]:
        raise OperatorError(
            f"{where}: {name} has no docstring, which becomes its description in the OpenAPI document"
        )
    takes, optional = answer["takes"], answer["optional"]
    code = compile_members(takes, optional, f"{where}, {name}")
    return OperationSource(name, answer["description"], takes, optional, where, code)
