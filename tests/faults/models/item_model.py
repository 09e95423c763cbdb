"""What a command does to an item of the built-in collection, by its rules, on a dict."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from jobpipe.domain.documents.item_rules import merge_patch
from tests.faults.histories.history import SentCommand

Document = dict[str, Any]


def decide(
    command: SentCommand, before: Document | None, others: Mapping[str, Document], *, matches: bool
) -> tuple[Document, int]:
    """Return the document after the command, and the status.

    `others` are the other items, and `matches` says whether the precondition holds.
    """
    if before is None and command.operation != "create":
        return {}, 404
    if not matches:
        return {}, 412
    document = before or {}
    match command.operation:
        case "create":
            document = command.body
        case "set":
            document = {**document, **command.body}
        case "merge":
            document = merge_patch(document, command.body)
    if command.operation not in {"create", "set", "merge"}:
        return document, 200
    return document, 409 if any(_same(each["name"], document["name"]) for each in others.values()) else 200


def _same(one: str, other: str) -> bool:
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
