"""What a command does to a document of a collection, by the rules of the collection, on a dict.

The rules themselves (the schema, the operations) are those of the collection: they are pure, and have tests of
their own. What is modelled is the order in which they are applied, and what they are applied to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_rules import merge_patch
from jobpipe.domain.errors import InvalidRequest, OperationRefused
from tests.faults.histories.history import SentCommand
from tests.faults.stage.shelves import declared

Document = dict[str, Any]


def decide(
    command: SentCommand, before: Document | None, others: Mapping[str, Document], *, matches: bool, at: str
) -> tuple[Document, int]:
    """Return the document after the command, and the status.

    `others` are the other documents of the collection, and `matches` says whether the precondition holds.
    """
    try:
        after = _after(command, before, matches=matches, at=at)
    except InvalidRequest:
        return {}, 400
    except OperationRefused:
        return {}, 409
    if isinstance(after, int):
        return {}, after
    # Compared exactly: two numbers that differ may be the same float.
    shown: Document = json_text.decode_with_decimals(json_text.encode(after))
    if command.operation in {"read", "delete"}:
        return shown, 200
    collection = declared(command.collection)
    scope = collection.scope("alice")
    taken = {value for other in others.values() for value in collection.locks(_decoded(other), scope).values()}
    wanted = set(collection.locks(after, scope).values())
    return shown, 409 if taken & wanted else 200


def _after(command: SentCommand, before: Document | None, *, matches: bool, at: str) -> Document | int:
    """Return the document, or the status of a refusal."""
    collection = declared(command.collection)
    body = _decoded(command.body)
    if command.operation in {"create", "upsert"}:
        new = collection.check_new(body)
        if before is None:
            return new
        return (
            409 if command.operation == "create" else collection.check_changed(_decoded(before), {**before, **new})
        )
    if command.operation not in {"set", "merge", "read", "delete"}:
        collection.check_members(command.operation, body)
    if before is None:
        return 404
    if not matches:
        return 412
    old = _decoded(before)
    match command.operation:
        case "read" | "delete":
            return old
        case "set":
            new = {**old, **body}
        case "merge":
            new = merge_patch(old, body)
        case operation:
            exact = json_text.decode_with_decimals(json_text.encode(old))
            members = json_text.decode_with_decimals(json_text.encode(body))
            answer = collection.run(operation, exact, members, at)
            new = json_text.decode(json_text.encode(answer[0] if isinstance(answer, tuple) else answer))
    return collection.check_changed(old, new)


def _decoded(value: Document) -> Document:
    document: Document = json_text.decode(json_text.encode(value))
    return document
