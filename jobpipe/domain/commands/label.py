"""The label of a command: a short text that names its document in lists, where the document cannot be read."""

from __future__ import annotations

import unicodedata
from typing import Any

from jobpipe.domain.commands.command import Command, CreateItem, MergePatch, SetFields, UpsertItem
from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.field_values import INTEGER, canonical
from jobpipe.domain.errors import InvalidRequest

MAX_LABEL_LENGTH = 100
"""Characters."""

_LONGEST_READ = 1000  # characters of a text, which may have a million
_JOINERS = "\u200c\u200d"  # which scripts and emoji need
_SPACES = {"Cc", "Cs", "Zl", "Zp", "Zs"}


def label_of(command: Command, collection: Collection) -> str | None:
    """Return the label of the document in the command, or None if that has no value to name it by."""
    if isinstance(command, CreateItem | UpsertItem):
        return label_in(command.document, collection)
    return label_in(command.changes, collection) if isinstance(command, SetFields | MergePatch) else None


def label_in(document: Any, collection: Collection) -> str | None:
    """Return the label of a document or of some of its fields, which need not be valid; None if it has none.

    It is the value of the key, or else of the first unique field that has one.
    """
    if not isinstance(document, dict):
        return None
    fields = (*((collection.key,) if collection.key else ()), *collection.unique)
    labels = (_label(document.get(field)) for field in fields)
    return next((label for label in labels if label), None)


def _label(value: Any) -> str | None:
    """Return the value in one line, without what reorders or hides characters; None if it is no text or number."""
    if not isinstance(value, str):
        try:
            number = canonical(value, INTEGER)
        except InvalidRequest:
            return None
        return number and number.partition("#")[2]
    line = " ".join("".join(map(_shown, value[:_LONGEST_READ])).split())
    return line if len(line) <= MAX_LABEL_LENGTH else f"{line[: MAX_LABEL_LENGTH - 1]}…"


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in _SPACES:
        return " "
    return "" if category == "Cf" and character not in _JOINERS else character
