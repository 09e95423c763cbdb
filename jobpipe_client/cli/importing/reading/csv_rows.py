"""CSV (RFC 4180) in UTF-8 with a header. Each column is a field of the item, as text or as another kind."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import takewhile
from typing import Any, NamedTuple

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files import CR_ALONE, check_encoding, has_cr_alone
from jobpipe_client.cli.importing.reading.csv_columns import (
    Column,
    TextColumns,
    check_columns,
    check_required,
    separator_advice,
)
from jobpipe_client.cli.importing.reading.rows import (
    FAILURE_FIELDS,
    LINE,
    NOT_UTF_8,
    TOO_LONG,
    Row,
    original_line,
    text_of,
)
from jobpipe_client.cli.importing.reading.source import MAX_LINE_BYTES, Line, Lines
from jobpipe_client.cli.importing.reading.target import Target

_FAILURES_HEADER = re.compile(r'"?{}"?([^\r\n"])"?{}'.format(*FAILURE_FIELDS))
_ERRORS = {
    "unexpected end of data": "a quotation mark is not closed",
    "expected after": "a cell continues after its closing quotation mark",
    "new-line character": "a carriage return is outside quotation marks",
}


class _Record(NamedTuple):
    line: int
    lines: tuple[Line, ...]
    cells: list[str] | None
    error: str | None


class CsvRows:
    """Reads the header on construction. Raises OperatorError if no row can have the required fields."""

    has_commands = False

    def __init__(
        self,
        lines: Lines,
        *,
        delimiter: str = ",",
        kinds: Mapping[str, str] | None = None,
        ignored: Collection[str] = (),
        nulls: Collection[str] = (),
        target: Target | None = None,
    ) -> None:
        csv.field_size_limit(MAX_LINE_BYTES)
        kinds = kinds or {}
        self._nulls = frozenset(nulls)
        self._null_contents = self._nulls | set(map(_content, nulls))
        self._delimiter = _delimiter_of_failures(lines) or delimiter
        separator = re.escape(self._delimiter)
        self._cell = re.compile(rf'("[^"]*(?:""[^"]*)*"|(?!")[^{separator}\r\n]*)({separator}|[\r\n]*\Z)')
        self._target = target or Target()
        header, self.header = self._read_header(lines, self._target.required)
        self.columns = [Column.of(cell, kinds, ignored, self._target.kinds) for cell in header]
        check_required(header, self.columns, self._target, ignored, self._delimiter)
        check_columns(header, kinds, ignored)
        self._imported = [(place, each) for place, each in enumerate(self.columns) if not each.is_ignored]
        self._line_place = header.index(LINE) if LINE in header else None
        self._text_columns = TextColumns([], nulls, lambda _: None)

    def report_text_columns(self, note: Callable[[str], None]) -> None:
        """Report, after the first rows, the columns that are read as text but look like another kind."""
        self._text_columns = TextColumns(self.columns, self._nulls, note)

    @property
    def names(self) -> list[str]:
        """The fields that the rows may have."""
        return [column.name for _, column in self._imported]

    def records(self, lines: Lines) -> Iterator[Row]:
        """Yield the records, which may span several lines. A record of only separators is not a row."""
        while (record := self._read_record(lines)) is not None:
            number, taken, cells, error = record
            if cells is not None and not any(cells) and not text_of(taken).strip(self._delimiter + "\r\n"):
                yield Row(number, lines.offset, taken, None)
                continue
            command = None
            if cells is not None and error is None:
                try:
                    command = self._target.command(self._item(cells, taken))
                except ValueError as problem:
                    error = str(problem)
                self._text_columns.examine(cells)
            yield Row(number, lines.offset, taken, command, error, self._original_line(cells, taken))
        self._text_columns.finish()

    def failed_row(self, row: Row, error: str) -> str:
        """Return the imported cells as they are in the file, preceded by the line number and the error.

        Cells that match one of `nulls` become empty, since the file of failures is imported without options.
        """
        text = row.text
        cells = self._split(text)
        if cells is not None:  # even if there are too few or too many, each cell stays below its column
            ignored = {place for place, column in enumerate(self.columns) if column.is_ignored}
            text = self._delimiter.join(
                "" if cell in self._nulls else cell for place, cell in enumerate(cells) if place not in ignored
            )
        else:
            for _ in takewhile(lambda column: column.is_ignored, self.columns):
                cell = self._cell.match(text)
                if cell is None or not cell[2]:
                    break
                text = text[cell.end() :]
        # The error is always quoted: otherwise, tools that guess the separator might choose the blank.
        quoted = error.replace('"', '""')
        return f'{row.reported_line}{self._delimiter}"{quoted}"{self._delimiter}{text}'

    def failures_header(self) -> str:
        """Return the header of the imported columns with their kinds, preceded by the columns of the failure."""
        out = io.StringIO()
        cells = [*FAILURE_FIELDS, *(column.header_cell for _, column in self._imported)]
        csv.writer(out, delimiter=self._delimiter, lineterminator="").writerow(cells)
        return out.getvalue()

    def _item(self, cells: list[str], lines: tuple[Line, ...]) -> dict[str, Any]:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells, where the header has {len(self.columns)}")
        item: dict[str, Any] = {}
        errors: list[str] = []
        missing = self._missing_cells(cells, lines)
        for place, column in self._imported:
            if place in missing or (cells[place] == "" and column.kind != "text"):
                continue
            try:
                item[column.name] = column.value(cells[place])
            except ValueError as error:
                errors.append(str(error))
        if errors:
            raise ValueError("; ".join(errors))
        return item

    def _missing_cells(self, cells: list[str], lines: tuple[Line, ...]) -> set[int]:
        """Return the places of cells without a value: empty cells, and cells that are written like one of `nulls`.

        `""` is the empty text, and a quoted NA differs from an unquoted NA. Before Python 3.12, the csv module does
        not report quotation marks, so a row with such cells is split a second time.
        """
        may_be_null = not self._null_contents.isdisjoint(cells)
        if "" not in cells and not may_be_null:
            return set()
        written = cells
        if may_be_null or any(b'""' in line.raw for line in lines):
            written = self._split(text_of(lines)) or cells
        return {place for place, cell in enumerate(written) if cell == "" or cell in self._nulls}

    def _split(self, text: str) -> list[str] | None:
        """Return the cells with their quotation marks, or None if the text is not CSV."""
        cells: list[str] = []
        end = 0
        while (cell := self._cell.match(text, end)) is not None:
            cells.append(cell[1])
            end = cell.end()
            if cell[2] != self._delimiter:
                return cells
        return None

    def _original_line(self, cells: list[str] | None, lines: tuple[Line, ...]) -> int | None:
        if self._line_place is None:
            return None
        if cells is None:  # the first cell can be read even if the row cannot
            first = self._cell.match(text_of(lines))
            cells = [_content(first[1])] if first is not None else []
        return original_line(cells[self._line_place]) if self._line_place < len(cells) else None

    def _read_header(self, lines: Lines, required: Collection[str]) -> tuple[list[str], tuple[Line, ...]]:
        first = lines.peek()
        if first is not None:
            check_encoding(first.content)
        taken: list[Line] = []
        while (record := self._read_record(lines)) is not None:
            taken += record.lines
            if record.cells is None or record.error is not None:
                if record.error != NOT_UTF_8 and has_cr_alone(record.lines[0].content):
                    raise OperatorError(CR_ALONE)
                advice = separator_advice(text_of(record.lines), required, self._delimiter)
                raise OperatorError(f"the header cannot be read: {record.error}{advice}")
            if record.cells:
                return record.cells, tuple(taken)
        raise OperatorError("the file is empty: CSV begins with a header")

    def _read_record(self, lines: Lines) -> _Record | None:
        taken: list[Line] = []
        start = lines.offset

        def texts() -> Iterator[str]:
            for line in iter(lines.take, None):
                taken.append(line)
                if lines.offset - start > MAX_LINE_BYTES:
                    raise csv.Error(TOO_LONG)
                yield line.content.decode("utf-8", "surrogateescape")

        try:
            cells = next(csv.reader(texts(), delimiter=self._delimiter, strict=True))
        except StopIteration:
            return None
        except csv.Error as error:
            # A quotation mark that is not closed has consumed the lines below, so these are read again as rows.
            lines.give_back(taken[1:])
            return _Record(lines.number, (taken[0],), None, _reason(error))
        return _Record(lines.number - len(taken) + 1, tuple(taken), cells, None if _is_utf_8(taken) else NOT_UTF_8)


def _delimiter_of_failures(lines: Lines) -> str | None:
    """Return the delimiter between the first two columns of a file of failures, or None for another file."""
    line = lines.peek()
    match = None if line is None else _FAILURES_HEADER.match(line.content.decode("utf-8", "replace"))
    return match[1] if match else None


def _reason(error: csv.Error) -> str:
    message = str(error)
    if message == TOO_LONG:
        return TOO_LONG
    return "not CSV: " + next((reason for part, reason in _ERRORS.items() if part in message), message)


def _is_utf_8(lines: list[Line]) -> bool:
    try:
        b"".join(line.raw for line in lines).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _content(cell: str) -> str:
    is_quoted = len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    return cell[1:-1].replace('""', '"') if is_quoted else cell
