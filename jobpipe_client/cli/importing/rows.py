"""What the files of an import are made of, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from jobpipe_client.cli.importing.lines import Line, Lines

OURS = LINE, ERROR = "jobpipe:line", "jobpipe:error"
"""Columns and members that tell of a failure, and are passed over when the file is imported again."""

NOT_UTF_8 = "not UTF-8"
TOO_LONG = "longer than 2 MiB"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file: a command, or why it is none."""

    line: int  # where it begins, from 1
    end: int  # the offset of what comes after it
    lines: tuple[Line, ...]
    command: Mapping[str, Any] | None
    error: str | None = None

    @property
    def text(self) -> str:
        """As it stands in the file, without its end; bytes that are not UTF-8 as lone surrogates."""
        return b"".join(line.raw for line in self.lines).decode("utf-8", "surrogateescape").rstrip("\r\n")


class Format(Protocol):
    """A format of files to import."""

    start: int  # the offset of what comes after the header

    def rows(self, lines: Lines) -> Iterator[Row]:
        """Row by row. What cannot be read is a row with an error, and the rest goes on."""

    def failed(self, row: Row, error: str) -> str:
        """The row in a file of failures, with its line and the error, without the end of a line."""

    def failed_header(self) -> str | None:
        """What a file of failures begins with."""
