"""The header of a CSV: the field of each column, and whether rows below it can be items at all."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.importing.jsonl import not_json
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.rows import OURS

KINDS = ("text", "number", "boolean", "json")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_BOOLEANS = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
_FAILURES_HEADER = re.compile(r'"?{}"?([^\r\n"])"?{}'.format(*OURS))
_EXCELS_LINE = re.compile(r'"?sep=(.?)"?.?', re.IGNORECASE)
_SEPARATORS = ";\t|,"


@dataclass(frozen=True, slots=True)
class Column:
    """The field of a column, and the kind of its values."""

    name: str
    kind: str
    is_ignored: bool

    def value(self, cell: str) -> Any:
        """The field; ValueError if the cell has no such value."""
        if self.kind == "number":
            if not NUMBER.fullmatch(cell.strip()):
                raise ValueError(f"{self.name}: {cell[:50]!r} is not a number")
            try:
                return json_text.decode(cell.strip())
            except ValueError as error:  # the number is too large for Decimal or int
                raise ValueError(f"{self.name}: {error}") from None
        if self.kind == "boolean":
            try:
                return _BOOLEANS[cell.strip().lower()]
            except KeyError:
                raise ValueError(f"{self.name}: {cell[:50]!r} is neither true nor false") from None
        if self.kind == "json":
            try:
                return json_text.decode_strictly(cell)
            except ValueError as error:
                raise ValueError(f"{self.name}: {not_json(error, 'character')}") from None
        return cell


def header_cell(name: str, kind: str) -> str:
    """The header cell of a column; text is marked only if the bare name would mean something else."""
    looks_typed = name.rpartition(":")[2] in KINDS and ":" in name
    return name if kind == "text" and not looks_typed and name not in {"", *OURS} else f"{name}:{kind}"


def stated_delimiter(lines: Lines) -> str | None:
    """The delimiter of a file of failures, which is between its first two columns; None for other files."""
    line = lines.peek()
    match = None if line is None else _FAILURES_HEADER.match(line.content.decode("utf-8", "replace"))
    return match[1] if match else None


def columns_of(header: list[str], kinds: Mapping[str, str], ignored: Collection[str]) -> list[Column]:
    """The columns in order; OperatorError if the options do not fit them."""
    columns = []
    for cell in header:
        name, kind = _typed(cell)
        columns.append(Column(name, kinds.get(name, kind), cell in OURS or name in ignored))
    if "" in header and "" not in ignored:  # a field without a name has its type: `:text`
        raise OperatorError(
            f"column {header.index('') + 1} of the header has no name: --ignore '' leaves it out, or write the "
            "file without it (pandas: index=False; R: row.names=FALSE)"
        )
    names = Counter(column.name for column, cell in zip(columns, header, strict=True) if cell not in {"", *OURS})
    for name, n in names.items():
        if n > 1:
            raise OperatorError(f"the header has the column {name!r} twice")
    for name in (*kinds, *ignored):
        if name not in names and name not in header:
            raise OperatorError(f"the header has no column {name!r}")
    return columns


def check_needed(
    header: list[str], needed: Collection[str], kinds: Mapping[str, str], ignored: Collection[str], delimiter: str
) -> None:
    """OperatorError if no row below this header can have these fields as text, with the likely cause."""
    columns = dict(map(_typed, header))
    for name in needed:
        if name in ignored:
            raise OperatorError(f"no row can be an item: an item needs a {name}, and --ignore leaves it out")
        if name not in columns:
            raise OperatorError(
                f"no row can be an item: the header has no column {name!r}{_cause(header, name, needed, delimiter)}"
            )
        kind = kinds.get(name, columns[name])
        if kind in {"number", "boolean"}:
            raise OperatorError(f"no row can be an item: the {name} has to be text, and its column is a {kind}")


def _cause(header: list[str], name: str, needed: Collection[str], delimiter: str) -> str:
    text = delimiter.join(header)
    found = _EXCELS_LINE.fullmatch(text)
    if found:
        separator = _shown(found[1] or delimiter)
        return (
            f". The first line, {text.strip()}, is Excel's declaration of the separator: remove that line, "
            f"and use --delimiter {separator}"
        )
    other = likely_separator(text, needed, delimiter)
    if other:
        return other
    for cell in header:
        alike = _typed(cell)[0]
        if alike.strip() == name:
            return f", but {alike!r}: remove the blanks from the header"
        if alike.strip().lower() == name:
            return f", but {alike!r}: field names are in lower case, so change the header"
    return f" (CSV begins with a header; this one has {', '.join(repr(cell[:30]) for cell in header[:5])})"


def likely_separator(text: str, needed: Collection[str], delimiter: str) -> str:
    """Advice to use another separator, if the header has the needed columns with it; else an empty text."""
    for other in _SEPARATORS:
        if needed and other != delimiter and other in text:
            cells = next(csv.reader([text], delimiter=other), [])
            if {_typed(cell)[0].strip().lower() for cell in cells} >= set(needed):
                return f". Its columns are separated by {_shown(other)}: use --delimiter {_shown(other)}"
    return ""


def _shown(separator: str) -> str:
    return "'\\t'" if separator == "\t" else f"'{separator}'"


def _typed(cell: str) -> tuple[str, str]:
    """The name of a column and the kind of its values."""
    name, colon, kind = cell.rpartition(":")
    return (name, kind) if colon and kind in KINDS else (cell, "text")
