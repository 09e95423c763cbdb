"""The batches of rows: each batch is sent in one request, with one idempotency key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from jobpipe_client import calls
from jobpipe_client.cli.importing.reading.rows import Format, Row
from jobpipe_client.cli.importing.reading.source import Lines
from jobpipe_client.many import MAX_BODY

# An import that continues must form the same batches again, so new limits need a new version of the journal.
MAX_BATCH_BYTES = MAX_BODY - 4096  # of the commands; the request adds a few bytes
MAX_FILE_BYTES = 4 * 1024 * 1024  # of the file, since rows that cannot be read have no commands


@dataclass(slots=True)
class Batch:
    """Consecutive rows and their range of the file."""

    number: int
    start: int
    line: int  # the number of the line before the first row
    end: int = field(init=False)
    last_line: int = field(init=False)
    rows: list[Row] = field(default_factory=list)
    size: int = 0  # bytes of the commands
    digest: Any = field(default_factory=hashlib.sha256)  # of the lines as read

    def __post_init__(self) -> None:
        self.end, self.last_line = self.start, self.line

    @property
    def sha256(self) -> str:
        return str(self.digest.hexdigest())

    def add(self, record: Row, size: int) -> None:
        if record.is_row:
            self.rows.append(record)
        self.size += size
        for line in record.lines:
            self.digest.update(line.digest_input)
        self.end, self.last_line = record.end, record.line + len(record.lines) - 1

    def has_room(self, record: Row, size: int, max_rows: int) -> bool:
        if not self.rows or not record.is_row:
            return True
        is_small = self.size + size <= MAX_BATCH_BYTES and record.end - self.start <= MAX_FILE_BYTES
        return is_small and len(self.rows) < max_rows


def split_into_batches(form: Format, lines: Lines, *, number: int, max_rows: int) -> Iterator[Batch]:
    """Yield the batches of the lines, beginning with batch `number`. The same lines yield the same batches."""
    batch = Batch(number, lines.offset, lines.number)
    for line in form.header if number == 0 else ():  # the header belongs to the first batch
        batch.digest.update(line.digest_input)
    for record in form.records(lines):
        size = 0 if record.command is None else len(calls.encode(record.command)) + 1
        if not batch.has_room(record, size, max_rows):
            yield batch
            batch = Batch(batch.number + 1, batch.end, batch.last_line)
        batch.add(record, size)
    if batch.rows:
        yield batch
