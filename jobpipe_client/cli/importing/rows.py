"""What the files of an import are made of, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from jobpipe_client.cli.importing.lines import Line, Lines

OURS = LINE, ERROR = "jobpipe:line", "jobpipe:error"
"""Columns and members that tell of a failure, and are passed over when the file is imported again."""

NOT_UTF_8 = "not UTF-8"
TOO_LONG = "longer than 2 MiB"


class Row(NamedTuple):
    """One row of the file: a command or an error. A record with neither, such as an empty line, is not a row."""

    line: int  # where it begins, from 1
    end: int  # the offset of what comes after it
    lines: tuple[Line, ...]
    command: Mapping[str, Any] | None
    error: str | None = None
    original: int | None = None  # in a file of failures: the line in the original file

    @property
    def is_row(self) -> bool:
        return self.command is not None or self.error is not None

    @property
    def shown_line(self) -> int:
        """The line number that is reported: that of the original file, if it is known."""
        return self.line if self.original is None else self.original

    @property
    def text(self) -> str:
        """As it stands in the file, without its end; bytes that are not UTF-8 as lone surrogates."""
        return b"".join(line.content for line in self.lines).decode("utf-8", "surrogateescape").rstrip("\r\n")


class Format(Protocol):
    """A format of files to import."""

    start: int  # the offset of what comes after the header
    header: tuple[Line, ...]  # the lines before `start`

    def records(self, lines: Lines) -> Iterator[Row]:
        """All records, those that are no rows included. One that cannot be read is a row with an error."""

    def failed(self, row: Row, error: str) -> str:
        """The row in a file of failures, with its line and the error, without the end of a line."""

    def failed_header(self) -> str | None:
        """What a file of failures begins with."""


def rows_of(form: Format, lines: Lines) -> Iterator[Row]:
    """The records that are rows."""
    return (each for each in form.records(lines) if each.is_row)


def original_line(value: object) -> int | None:
    """The line number in a file of failures; None if it has been edited into something else."""
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None  # noqa: PLR2004
