"""CSV as RFC 4180 has it: UTF-8, with a header; each column is a field of the item, as text or as its type says."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.importing.lines import LONGEST, Line, Lines
from jobpipe_client.cli.importing.rows import NOT_UTF_8, OURS, TOO_LONG, Row

KINDS = ("text", "number", "boolean", "json")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TOLD_HEADER = re.compile(r'"?{}"?([^\r\n"])"?{}'.format(*OURS))


@dataclass(frozen=True, slots=True)
class Column:
    """Where the cells of a column go."""

    name: str
    kind: str
    is_ignored: bool

    def value(self, cell: str) -> Any:
        """The field; ValueError if the cell has no such value."""
        if self.kind == "number":
            if not _NUMBER.fullmatch(cell.strip()):
                raise ValueError(f"{self.name}: {cell[:50]!r} is not a number")
            try:
                return json_text.decode(cell.strip())
            except ValueError as error:  # no Decimal and no int is so large
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
                raise ValueError(f"{self.name}: not JSON: {error}") from None
        return cell


class CsvRows:
    """Reads the header when it is made."""

    def __init__(
        self,
        lines: Lines,
        *,
        delimiter: str = ",",
        kinds: Mapping[str, str] | None = None,
        ignored: Collection[str] = (),
    ) -> None:
        csv.field_size_limit(LONGEST)
        self._delimiter = _told_delimiter(lines) or delimiter
        header = next((record for record in self._records(lines) if record.cells != []), None)
        if header is None:
            raise OperatorError("the file is empty: CSV begins with a header")
        if header.cells is None or header.error is not None:
            raise OperatorError(f"the header cannot be read: {header.error}")
        self.columns = _columns(header.cells, kinds or {}, ignored)
        self.start = lines.offset

    def rows(self, lines: Lines) -> Iterator[Row]:
        """Records, which may go over several lines, but for empty lines."""
        for record in self._records(lines):
            if record.cells == []:
                continue
            command, error = None, record.error
            if record.cells is not None and error is None:
                try:
                    command = self._command(record.cells)
                except ValueError as problem:
                    error = str(problem)
            yield Row(record.line, lines.offset, record.lines, command, error)

    def _command(self, cells: list[str]) -> dict[str, Any]:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells, where the header has {len(self.columns)}")
        pairs = zip(self.columns, cells, strict=True)
        item = {column.name: column.value(cell) for column, cell in pairs if cell != "" and not column.is_ignored}
        return {"operation": "create", "item": item}

    def failed(self, row: Row, error: str) -> str:
        """The row as it stands, behind two more cells; without the cells of columns that are left out."""
        told = self._joined([str(row.line), error])
        rest = row.text
        if any(column.is_ignored for column in self.columns):
            cells = self._cells(rest)
            if cells is None:
                rest = self._without_first_columns(rest)
            else:  # too few or too many: those that the header has, by their places
                left_out = {place for place, column in enumerate(self.columns) if column.is_ignored}
                rest = self._joined([cell for place, cell in enumerate(cells) if place not in left_out])
        return f"{told}{self._delimiter}{rest}"

    def _without_first_columns(self, text: str) -> str:
        """What is no CSV, as it stands but for those cells in front: in a file of failures, the earlier error."""
        delimiter = re.escape(self._delimiter)
        a_cell = re.compile(rf'(?:"(?:[^"]|"")*"|[^"{delimiter}\r\n]*){delimiter}')
        for _ in takewhile(lambda column: column.is_ignored, self.columns):
            found = a_cell.match(text)
            if found is None:
                break
            text = text[found.end() :]
        return text

    def failed_header(self) -> str:
        """Two more columns, and those that are imported, with their types: it takes no options to import it."""
        kept = [header_cell(column.name, column.kind) for column in self.columns if not column.is_ignored]
        return self._joined([*OURS, *kept])

    def _cells(self, text: str) -> list[str] | None:
        try:
            # As one line: what follows a carriage return outside of quotation marks would be lost.
            return next(csv.reader([text], delimiter=self._delimiter, strict=True))
        except (csv.Error, StopIteration):
            return None

    def _joined(self, cells: Sequence[str]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self._delimiter).writerow(cells)
        return out.getvalue().removesuffix("\r\n")

    def _records(self, lines: Lines) -> Iterator[_Record]:
        while (record := self._record(lines)) is not None:
            yield record

    def _record(self, lines: Lines) -> _Record | None:
        taken: list[Line] = []
        size = 0
        is_utf_8 = True

        def feed() -> Iterator[str]:
            nonlocal size, is_utf_8
            while (line := lines.take()) is not None:
                taken.append(line)
                size += line.size
                if line.is_cut or size > LONGEST:
                    raise _TooLong
                raw = line.raw.removeprefix(codecs.BOM_UTF8) if lines.number == 1 else line.raw
                try:
                    yield raw.decode("utf-8")
                except UnicodeDecodeError:
                    is_utf_8 = False
                    yield raw.decode("utf-8", "surrogateescape")

        try:
            cells = next(csv.reader(feed(), delimiter=self._delimiter, strict=True))
        except StopIteration:
            return None
        except (csv.Error, _TooLong) as error:
            # A quotation mark that is not closed takes the following lines with it: they are read by themselves.
            lines.give_back(taken[1:])
            why = TOO_LONG if isinstance(error, _TooLong) else f"not CSV: {error}"
            return _Record(lines.number, (taken[0],), None, why)
        number = lines.number - len(taken) + 1
        return _Record(number, tuple(taken), cells, None if is_utf_8 else NOT_UTF_8)


class _TooLong(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    lines: tuple[Line, ...]
    cells: list[str] | None
    error: str | None


def header_cell(name: str, kind: str) -> str:
    """What a header says of a column; text says so only where the bare name means something else."""
    looks_typed = name.rpartition(":")[2] in KINDS and ":" in name
    return name if kind == "text" and not looks_typed and name not in {"", *OURS} else f"{name}:{kind}"


def _told_delimiter(lines: Lines) -> str | None:
    """A file of failures tells it between its first two columns."""
    line = lines.take()
    if line is None:
        return None
    lines.give_back([line])
    match = _TOLD_HEADER.match(line.raw.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace"))
    return match[1] if match else None


def _columns(header: list[str], kinds: Mapping[str, str], ignored: Collection[str]) -> list[Column]:
    columns = []
    for cell in header:
        name, colon, kind = cell.rpartition(":")
        if not colon or kind not in KINDS:
            name, kind = cell, "text"
        columns.append(Column(name, kinds.get(name, kind), cell in OURS or name in ignored))
    if "" in header:  # a field without a name has its type: `:text`
        raise OperatorError("a column of the header has no name")
    names = Counter(column.name for column, cell in zip(columns, header, strict=True) if cell not in OURS)
    for name, n in names.items():
        if n > 1:
            raise OperatorError(f"the header has the column {name!r} twice")
    for name in (*kinds, *ignored):
        if name not in names:
            raise OperatorError(f"the header has no column {name!r}")
    return columns
