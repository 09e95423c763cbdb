"""The file cut into batches: ranges of it, each of which is sent under one key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from jobpipe_client import calls
from jobpipe_client.cli.importing.lines import Digest, Lines, add_lines
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
    last: int  # the number of its last line
    rows: tuple[Row, ...]
    sha256: str  # the digest of the lines as they were read; the first batch includes the header


def cut(form: Format, lines: Lines, *, number: int, most_rows: int) -> Iterator[Batch]:
    """Batches from where `lines` stands; the next begins where the last one ends."""
    start = end = lines.offset
    line = last = lines.number
    rows: list[Row] = []
    size = 0
    digest = _digest(form, number)
    for row in form.records(lines):
        if row.is_row:
            more = 0
            if row.command is not None:
                more = len(calls.encode(row.command)) + 1
            is_full = len(rows) >= most_rows or size + more > MOST_BYTES or row.end - start > MOST_FILE_BYTES
            if rows and is_full:
                yield Batch(number, start, end, line, last, tuple(rows), digest.hexdigest())
                number, start, line, size = number + 1, end, last, 0
                rows = []
                digest = _digest(form, number)
            rows.append(row)
            size += more
        for each in row.lines:
            digest.update(each.raw)
            if each.rest:
                digest.update(each.rest)
        end, last = row.end, row.line + len(row.lines) - 1
    if rows:
        yield Batch(number, start, end, line, last, tuple(rows), digest.hexdigest())


def whole(form: Format, lines: Lines, number: int) -> Batch:
    """All rows of a range, as one batch: the one that was cut there."""
    start, line = lines.offset, lines.number
    digest = _digest(form, number)
    rows = []
    for row in form.records(lines):
        add_lines(digest, row.lines)
        if row.is_row:
            rows.append(row)
    return Batch(number, start, lines.offset, line, lines.number, tuple(rows), digest.hexdigest())


def _digest(form: Format, number: int) -> Digest:
    digest = hashlib.sha256()
    if number == 0:  # the header belongs to the first batch
        add_lines(digest, form.header)
    return digest
