"""CSV as RFC 4180 has it: UTF-8, with a header; each column is a field of the item, as text or as its type says."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files.encodings import CR_ALONE, check_encoding, has_cr_alone
from jobpipe_client.cli.importing.csv_cells import LeftOut, why_not_csv
from jobpipe_client.cli.importing.csv_header import (
    check_needed,
    columns_of,
    header_cell,
    likely_separator,
    stated_delimiter,
)
from jobpipe_client.cli.importing.lines import LONGEST, Line, Lines
from jobpipe_client.cli.importing.rows import LINE, NOT_UTF_8, OURS, TOO_LONG, Row, original_line, rows_of
from jobpipe_client.cli.importing.text_columns import TextColumns


class CsvRows:
    """Reads the header on construction; OperatorError if no row below it can have the needed fields."""

    def __init__(
        self,
        lines: Lines,
        *,
        delimiter: str = ",",
        kinds: Mapping[str, str] | None = None,
        ignored: Collection[str] = (),
        nulls: Collection[str] = (),
        needed: Collection[str] = (),
    ) -> None:
        csv.field_size_limit(LONGEST)
        kinds = kinds or {}
        self._delimiter = stated_delimiter(lines) or delimiter
        cells, self.header = self._read_header(lines, needed)
        check_needed(cells, needed, kinds, ignored, self._delimiter)
        self.columns = columns_of(cells, kinds, ignored)
        self.start = lines.offset
        self._used = [
            (place, each.name, None if each.kind == "text" else each.value)
            for place, each in enumerate(self.columns)
            if not each.is_ignored
        ]
        self._marked_text = {place for place, cell in enumerate(cells) if cell.endswith(":text")}
        self._nulls = nulls
        self._left_out = LeftOut(self._delimiter, nulls)
        self._place_of_line = cells.index(LINE) if LINE in cells else None
        self._first_cell = re.compile(rf'"?([0-9]+)"?{re.escape(self._delimiter)}')
        self._text_columns: TextColumns | None = None

    def watch(self, note: Callable[[str], None]) -> None:
        """Report once, after the first rows, the columns that are read as text and look like another kind."""
        texts = [
            (place, name) for place, name, value in self._used if value is None and place not in self._marked_text
        ]
        self._text_columns = TextColumns(texts, self._nulls, note)

    def rows(self, lines: Lines) -> Iterator[Row]:
        """Records, which may span several lines, without those that have nothing but separators."""
        return rows_of(self, lines)

    def records(self, lines: Lines) -> Iterator[Row]:
        """The same, with the records that are not rows."""
        while (record := self._record(lines)) is not None:
            number, taken, cells, error = record
            if cells is not None and not any(cells) and _text(taken).strip(self._delimiter + "\r\n") == "":
                yield Row(number, lines.offset, taken, None)
                continue
            command = None
            if cells is not None and error is None:
                try:
                    command = {"operation": "create", "item": self._item(cells, taken)}
                except ValueError as problem:
                    error = str(problem)
                if self._text_columns is not None and self._text_columns.see(cells):
                    self._text_columns = None
            original = None if self._place_of_line is None else self._original(cells, taken)
            yield Row(number, lines.offset, taken, command, error, original)
        if self._text_columns is not None:
            self._text_columns.report()
            self._text_columns = None

    def _item(self, cells: list[str], taken: tuple[Line, ...]) -> dict[str, Any]:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells, where the header has {len(self.columns)}")
        item: dict[str, Any] = {}
        left_out: set[int] | None = None
        errors: list[str] = []
        if self._left_out.is_suspect(cells, taken):
            left_out = self._left_out.places(cells, _text(taken))
        for place, name, value in self._used:
            cell = cells[place]
            if value is None:
                if cell != "" if left_out is None else place not in left_out:
                    item[name] = cell
            elif cell != "" and (left_out is None or place not in left_out):
                try:
                    item[name] = value(cell)
                except ValueError as error:
                    errors.append(str(error))
        if errors:
            raise ValueError("; ".join(errors))
        return item

    def _original(self, cells: list[str] | None, taken: tuple[Line, ...]) -> int | None:
        place = self._place_of_line
        if cells is not None and place is not None and place < len(cells):
            return original_line(cells[place])
        found = self._first_cell.match(_text(taken)) if place == 0 else None
        return original_line(found[1]) if found else None

    def failed(self, row: Row, error: str) -> str:
        """The cells that are imported, as they stand, behind two more. Where `--null` says so they are empty."""
        rest = row.text
        cells = self._cells(rest)
        if cells is None:
            rest = self._without_first_columns(rest)
        else:  # too few or too many: those that the header has, by their places
            ignored = {place for place, column in enumerate(self.columns) if column.is_ignored}
            raw = self._left_out.without_nulls(cells, rest)
            kept = [cell for place, cell in enumerate(raw or cells) if place not in ignored]
            rest = self._joined(kept) if raw is None else self._delimiter.join(kept)
        # The error is always quoted: tools that guess the separator would otherwise take its blanks for one.
        quoted = error.replace('"', '""')
        return f'{row.shown_line}{self._delimiter}"{quoted}"{self._delimiter}{rest}'

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

    def _read_header(self, lines: Lines, needed: Collection[str]) -> tuple[list[str], tuple[Line, ...]]:
        first = lines.peek()
        if first is not None:
            check_encoding(first.content)
        taken: list[Line] = []
        while (record := self._record(lines)) is not None:
            taken += record.lines
            if record.cells == []:
                continue
            if record.cells is None or record.error is not None:
                if record.error != NOT_UTF_8 and has_cr_alone(record.lines[0].content):
                    raise OperatorError(CR_ALONE)
                other = likely_separator(_text(record.lines), needed, self._delimiter)
                raise OperatorError(f"the header cannot be read: {record.error}{other}")
            return record.cells, tuple(taken)
        raise OperatorError("the file is empty: CSV begins with a header")

    def _record(self, lines: Lines) -> _Record | None:
        taken: list[Line] = []
        size = 0
        is_utf_8 = True

        def feed() -> Iterator[str]:
            nonlocal size, is_utf_8
            while (line := lines.take()) is not None:
                taken.append(line)
                size += line.size
                if size > LONGEST:
                    raise _TooLong
                content = line.content if line.is_first else line.raw
                try:
                    yield content.decode("utf-8")
                except UnicodeDecodeError:
                    is_utf_8 = False
                    yield content.decode("utf-8", "surrogateescape")

        try:
            cells = next(csv.reader(feed(), delimiter=self._delimiter, strict=True))
        except StopIteration:
            return None
        except (csv.Error, _TooLong) as error:
            # A quotation mark that is not closed takes the following lines with it: they are read by themselves.
            lines.give_back(taken[1:])
            why = TOO_LONG if isinstance(error, _TooLong) else why_not_csv(error)
            return _Record(lines.number, (taken[0],), None, why)
        number = lines.number - len(taken) + 1
        return _Record(number, tuple(taken), cells, None if is_utf_8 else NOT_UTF_8)


class _TooLong(Exception):
    pass


class _Record(NamedTuple):
    line: int
    lines: tuple[Line, ...]
    cells: list[str] | None
    error: str | None


def _text(taken: tuple[Line, ...]) -> str:
    return b"".join(line.content for line in taken).decode("utf-8", "surrogateescape")
