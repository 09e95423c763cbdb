"""The options of `jobpipe import` for reading a file."""

from __future__ import annotations

from dataclasses import dataclass

import click

from jobpipe_client.cli.importing.reading.csv_rows import CsvRows
from jobpipe_client.cli.importing.reading.jsonl import JsonLines
from jobpipe_client.cli.importing.reading.rows import Format
from jobpipe_client.cli.importing.reading.source import Lines
from jobpipe_client.cli.importing.reading.target import Target


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """The options for reading a file, with the names that they have in the journal."""

    format: str
    commands: bool
    columns: dict[str, str]  # the kinds of columns
    ignored: list[str]
    delimiter: str
    null: list[str]

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        if self.format == "jsonl" and self.columns:
            raise click.UsageError("--number, --boolean and --json-column are for CSV: JSON has types of its own.")
        if self.format == "jsonl" and self.null:
            raise click.UsageError("--null is for CSV: JSON has null.")
        if self.format == "csv" and self.commands:
            raise click.UsageError("--commands is for JSON lines.")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise click.UsageError(
                "--delimiter is one character, and neither a quotation mark nor the end of a line."
            )

    def open(self, lines: Lines, target: Target) -> Format:
        """Return the format, after reading the header."""
        if self.format == "jsonl":
            return JsonLines(lines, commands=self.commands, ignored=self.ignored, target=target)
        return CsvRows(
            lines,
            delimiter=self.delimiter,
            kinds=self.columns,
            ignored=self.ignored,
            nulls=self.null,
            target=target,
        )
