"""Rows of a file in any format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from jobpipe_client.cli.importing.reading.source import Line, Lines

FAILURE_FIELDS = LINE, ERROR = "jobpipe:line", "jobpipe:error"
"""Columns and members that describe a failure. An import of the file of failures ignores them."""

UNREADABLE, NOT_UTF_8, TOO_LONG = "unreadable", "not UTF-8", "longer than 2 MiB"


class Row(NamedTuple):
    """One row of the file: a command or an error. A record with neither, such as an empty line, is not a row."""

    line: int  # the first line is 1
    end: int  # the offset of the next record
    lines: tuple[Line, ...]
    command: Mapping[str, Any] | None
    error: str | None = None
    original_line: int | None = None  # in a file of failures, the line of the file that was imported first

    @property
    def is_row(self) -> bool:
        return self.command is not None or self.error is not None

    @property
    def reported_line(self) -> int:
        return self.line if self.original_line is None else self.original_line

    @property
    def text(self) -> str:
        """The row as in the file, without its line ending; bytes that are not UTF-8 become lone surrogates."""
        return text_of(self.lines).rstrip("\r\n")


class Format(Protocol):
    """A format of files to import."""

    header: tuple[Line, ...]
    has_commands: bool  # whether the rows are commands in their raw form, and not documents

    def records(self, lines: Lines) -> Iterator[Row]:
        """Yield all records, even if they are not rows. A record that cannot be read is a row with an error."""

    def failed_row(self, row: Row, error: str) -> str:
        """Return the row for the file of failures, with its line number and the error, without a line ending."""

    def failures_header(self) -> str | None:
        """Return the first line of a file of failures, or None if the format has no header."""


def read_rows(form: Format, lines: Lines) -> Iterator[Row]:
    """Yield the records that are rows."""
    return (record for record in form.records(lines) if record.is_row)


def make_pointers_relative(error: str, *, to_document: bool) -> str:
    """Return the error with pointers that begin at the row's command or document, and not at the request."""
    relative = re.sub(r"#/commands/\d+", "#", error)
    return re.sub(r"#/item(?=[/:])", "#", relative) if to_document else relative


def text_of(lines: tuple[Line, ...]) -> str:
    """Return the text of the lines; bytes that are not UTF-8 become lone surrogates."""
    return b"".join(line.content for line in lines).decode("utf-8", "surrogateescape")


def original_line(value: object) -> int | None:
    """Return the line number in a row of a file of failures, or None if it is not a number."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004
