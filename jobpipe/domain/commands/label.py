"""The label of a command: a short text by which lists name its document."""

from __future__ import annotations

import unicodedata
from typing import Any

from jobpipe.domain.commands.command import Command, CreateItem, MergePatch, SetFields, UpsertItem
from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.field_values import INTEGER, canonical
from jobpipe.domain.errors import InvalidRequest

MAX_LABEL_LENGTH = 100
"""Characters."""

_LONGEST_READ = 1000  # characters; a text may have a million
_JOINERS = "\u200c\u200d"  # which scripts and emoji need
_SPACES = {"Cc", "Cs", "Zl", "Zp", "Zs"}


def label_of(command: Command, collection: Collection) -> str | None:
    """Return the label from the command's document or changes, or None if they have no value for it."""
    if isinstance(command, CreateItem | UpsertItem):
        return label_in(command.document, collection)
    return label_in(command.changes, collection) if isinstance(command, SetFields | MergePatch) else None


def label_in(document: Any, collection: Collection) -> str | None:
    """Return the label of a document or of some of its fields, which need not be valid; None if it has none.

    The label is the value of the key, or else of the first unique field that has a value.
    """
    if not isinstance(document, dict):
        return None
    fields = (*((collection.key,) if collection.key else ()), *collection.unique)
    labels = (_label(document.get(field)) for field in fields)
    return next((label for label in labels if label), None)


def _label(value: Any) -> str | None:
    """Return the value on one line, without characters that reorder or hide others; None for other values."""
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
