"""The columns of a CSV: their fields, the kinds of their values, and whether their rows can be items."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import itemgetter
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.importing.reading.jsonl import not_json
from jobpipe_client.cli.importing.reading.rows import FAILURE_FIELDS
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.schemas import READERS, is_number

_EXCEL_SEPARATOR = re.compile(r'"?sep=(.?)"?.?', re.IGNORECASE)
_SEPARATORS = ";\t|,"
_EXAMINED_ROWS = 100
_MOSTLY = 0.8  # the share of a column's cells from which on the column looks like their kind
_WITH_COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d+")
_LONGEST_CELL = 20  # characters of a cell in a note


def _json(cell: str) -> Any:
    try:
        return json_text.decode_strictly(cell)
    except ValueError as error:
        raise ValueError(not_json(error, "character")) from None


_READERS: dict[str, Callable[[str], Any]] = {**READERS, "json": _json}


@dataclass(frozen=True, slots=True)
class Column:
    """The field in a column, and the kind of the values."""

    name: str
    kind: str
    is_ignored: bool
    is_marked: bool  # whether the header or the schema states the kind
    usual_kind: str = "text"  # the kind of a column with this name but no mark

    @classmethod
    def of(
        cls, cell: str, kinds: Mapping[str, str], ignored: Collection[str], schema_kinds: Mapping[str, str]
    ) -> Column:
        """Return the column below a cell of the header.

        `kinds` takes precedence over the kind in the header, and the header over `schema_kinds`.
        """
        name, kind = _name_and_kind(cell)
        usual = schema_kinds.get(name, "text")
        is_marked = name != cell
        is_ignored = cell in FAILURE_FIELDS or name in ignored
        return cls(
            name,
            kinds.get(name, kind if is_marked else usual),
            is_ignored,
            is_marked or name in schema_kinds,
            usual,
        )

    def value(self, cell: str) -> Any:
        """Return the value of a cell. Raise ValueError if the cell has no value of this kind."""
        try:
            return _READERS[self.kind](cell)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None

    @property
    def header_cell(self) -> str:
        return header_cell(self.name, self.kind, self.usual_kind)


def header_cell(name: str, kind: str, usual_kind: str = "text") -> str:
    """Return the header cell of a column; text is marked only if the bare name would mean something else."""
    is_unmarked = _name_and_kind(name) == (name, "text") and name not in {"", *FAILURE_FIELDS}
    return name if kind == usual_kind == "text" and is_unmarked else f"{name}:{kind}"


def check_columns(header: list[str], kinds: Collection[str], ignored: Collection[str]) -> None:
    """Raise OperatorError for columns without a name or with the same name, and for missing columns of options."""
    if "" in header and "" not in ignored:  # the column of a field with an empty name has a kind, as in `:text`
        raise OperatorError(
            f"column {header.index('') + 1} of the header has no name: --ignore '' leaves it out, or write the "
            "file without it (pandas: index=False; R: row.names=FALSE)"
        )
    names = Counter(_name_and_kind(cell)[0] for cell in header if cell not in {"", *FAILURE_FIELDS})
    for name, n in names.items():
        if n > 1:
            raise OperatorError(f"the header has the column {name!r} twice")
    for name in (*kinds, *ignored):
        if name not in names and name not in header:
            raise OperatorError(f"the header has no column {name!r}")


def check_required(
    header: list[str], columns: Sequence[Column], target: Target, ignored: Collection[str], delimiter: str
) -> None:
    """Raise OperatorError, with the likely cause, if no row below the header can have the required fields."""
    kinds = {column.name: column.kind for column in columns}
    cannot = f"no row can be {target.row}"
    for name in target.required:
        if name in ignored:
            raise OperatorError(f"{cannot}: {target.row} needs a {name}, and --ignore leaves it out")
        if name not in kinds:
            cause = _cause(header, name, target, delimiter)
            raise OperatorError(f"{cannot}: the header has no column {name!r}{cause}")
        if kinds[name] in {"number", "boolean"} and name in target.only_text:
            raise OperatorError(f"{cannot}: the {name} must be text, but its column is a {kinds[name]}")


def _cause(header: list[str], missing: str, target: Target, delimiter: str) -> str:
    text = delimiter.join(header)
    declaration = _EXCEL_SEPARATOR.fullmatch(text)
    if declaration:
        return (
            f". The first line, {text.strip()}, is Excel's declaration of the separator: remove that line, "
            f"and use --delimiter {_quote(declaration[1] or delimiter)}"
        )
    if advice := separator_advice(text, target.required, delimiter):
        return advice
    for name in (_name_and_kind(cell)[0] for cell in header):
        if name.strip() == missing:
            return f", but {name!r}: remove the blanks from the header"
        if name.strip().lower() == missing.lower():
            why = "field names are in lower case, so " if target.info is None else ""
            return f", but {name!r}: {why}change the header"
    if near := get_close_matches(missing, [_name_and_kind(cell)[0] for cell in header], n=1, cutoff=0.8):
        return f", but {near[0]!r}: if {missing} is meant, change the header"
    own = "; for documents of a collection of your own, --collection names it" if target.info is None else ""
    return f" (CSV begins with a header; this one has {', '.join(repr(cell[:30]) for cell in header[:5])}){own}"


def separator_advice(text: str, required: Collection[str], delimiter: str) -> str:
    """Return advice to use another separator if that would give the header the required columns, else ''."""
    for other in _SEPARATORS:
        if required and other != delimiter and other in text:
            cells = next(csv.reader([text], delimiter=other), [])
            if {_name_and_kind(cell)[0].strip().lower() for cell in cells} >= {name.lower() for name in required}:
                return f". Its columns are separated by {_quote(other)}: use --delimiter {_quote(other)}"
    return ""


def _quote(separator: str) -> str:
    return "'\\t'" if separator == "\t" else f"'{separator}'"


def _name_and_kind(cell: str) -> tuple[str, str]:
    name, colon, kind = cell.rpartition(":")
    return (name, kind) if colon and kind in _READERS else (cell, "text")


class TextColumns:
    """Examines the first rows for columns that are read as text but mostly look like another kind."""

    def __init__(self, columns: Sequence[Column], nulls: Collection[str], note: Callable[[str], None]) -> None:
        self._missing = {"", *nulls}
        self._note = note
        self._rows = 0
        self._kinds: dict[int, Counter[str]] = {}  # the kinds of the cells, by the place of the column
        self._first: dict[tuple[int, str], str] = {}  # the first cell of each kind in a column
        self._columns = columns
        for place, column in enumerate(columns):
            is_text = column.kind == "text" and not (column.is_ignored or column.is_marked)
            if is_text and column.name not in {"name", "description"}:
                self._kinds[place] = Counter()

    def examine(self, cells: Sequence[str]) -> None:
        """Examine one of the first rows, and report the columns after the last of these rows."""
        if self._rows >= _EXAMINED_ROWS:
            return
        for place, kinds in self._kinds.items():
            if place < len(cells) and cells[place] not in self._missing:
                kind = _likely_kind(cells[place])
                kinds[kind] += 1
                self._first.setdefault((place, kind), cells[place])
        self._rows += 1
        if self._rows == _EXAMINED_ROWS:
            self._report()

    def finish(self) -> None:
        """Report the columns if the file had fewer rows."""
        if self._rows < _EXAMINED_ROWS:
            self._report()

    def _report(self) -> None:
        options = {"number": "--number", "boolean": "--boolean", "json": "--json-column"}
        names: list[str] = []
        uses: list[str] = []
        for place, kinds in self._kinds.items():
            name = self._columns[place].name
            kind, count = max(kinds.items(), key=itemgetter(1), default=("text", 0))
            if count < _MOSTLY * kinds.total():
                continue
            if kind == "comma":
                cell = self._first[place, kind]
                self._note(f"read as text: {name}; a number has a point and no comma, and {cell!r} has a comma")
            elif kind in options:
                others = [self._first[place, other] for other in kinds if other != kind]
                names.append(name + "".join(f" (except {_shorten(cell)!r})" for cell in others[:1]))
                uses.append(f"{options[kind]} {_shell_word(name)}")
        if names:
            use = " ".join(uses)
            self._note(f"read as text: {', '.join(names)}; to convert the values, use {use}")


def _likely_kind(cell: str) -> str:
    if is_number(cell):
        return "number"
    if cell.lower() in {"true", "false", "t", "f", "yes", "no"}:
        return "boolean"
    if _WITH_COMMA.fullmatch(cell):
        return "comma"
    try:
        is_json = cell[0] in "[{" and isinstance(json_text.decode(cell), list | dict)
    except ValueError:
        is_json = False
    return "json" if is_json else "text"


def _shorten(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[:_LONGEST_CELL]}…"


def _shell_word(name: str) -> str:
    return name if name.isalnum() else "'" + name.replace("'", "'\\''") + "'"
