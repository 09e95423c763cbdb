"""The file cut into batches: ranges of it, each of which is sent under one key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobpipe_client import json_text
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.rows import Format, Row

MOST_ROWS = 100  # of the service
MOST_BYTES = 1024 * 1024 - 4096  # of one request, with its own few
MOST_FILE_BYTES = 4 * 1024 * 1024  # of rows that cannot be read there may be more than commands


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that follow one another, from an offset to an offset."""

    number: int
    start: int
    end: int
    line: int  # how many lines come before it
    rows: tuple[Row, ...]


def cut(form: Format, lines: Lines, *, number: int, most_rows: int) -> Iterator[Batch]:
    """Batches from where `lines` stands; the next begins where the last one ends."""
    start, line = lines.offset, lines.number
    rows: list[Row] = []
    size = 0
    for row in form.rows(lines):
        more = 0 if row.command is None else len(json_text.encode(row.command).encode("utf-8", "surrogatepass")) + 1
        is_full = len(rows) >= most_rows or size + more > MOST_BYTES or row.end - start > MOST_FILE_BYTES
        if rows and is_full:
            yield Batch(number, start, rows[-1].end, line, tuple(rows))
            number, start, line, size = number + 1, rows[-1].end, _last_line(rows[-1]), 0
            rows = []
        rows.append(row)
        size += more
    if rows:
        yield Batch(number, start, rows[-1].end, line, tuple(rows))


def whole(form: Format, lines: Lines, number: int) -> Batch:
    """All rows of a range, as one batch: the one that was cut there."""
    start, line = lines.offset, lines.number
    rows = tuple(form.rows(lines))
    return Batch(number, start, rows[-1].end if rows else start, line, rows)


def _last_line(row: Row) -> int:
    return row.line + len(row.lines) - 1
