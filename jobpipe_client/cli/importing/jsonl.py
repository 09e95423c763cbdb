"""JSON lines: an item each or, with `--commands`, a command in its raw form."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.rows import ERROR, LINE, NOT_UTF_8, OURS, TOO_LONG, Row


class JsonLines:
    """Empty lines, and objects with nothing but what tells of a failure, are no rows."""

    start = 0

    def __init__(self, *, commands: bool, ignored: Collection[str] = ()) -> None:
        self._commands = commands
        self._left_out = frozenset([*OURS, *ignored])

    def rows(self, lines: Lines) -> Iterator[Row]:
        """One for each line that says something."""
        while (line := lines.take()) is not None:
            if not line.raw.strip():
                continue
            command, error = None, TOO_LONG if line.is_cut else None
            if error is None:
                try:
                    document = _parse(line.raw)
                except ValueError as problem:
                    error = str(problem)
                else:
                    fields = {name: value for name, value in document.items() if name not in OURS}
                    if document and not fields:
                        continue
                    command = self._command(fields)
            yield Row(lines.number, lines.offset, (line,), command, error)

    def _command(self, fields: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in fields.items() if name not in self._left_out}
        return kept if self._commands else {"operation": "create", "item": kept}

    def failed(self, row: Row, error: str) -> str:
        """An object with two members more, and without those that are left out.

        What is none stays as it is, below a line that tells the error.
        """
        told = {LINE: row.line, ERROR: error}
        if row.command is None:
            return f"{_text(told)}\n{row.text.removeprefix(_BOM)}"
        fields = _parse(row.lines[0].raw)
        return _text(told | {name: value for name, value in fields.items() if name not in self._left_out})

    def failed_header(self) -> None:
        """There is none."""


_BOM = codecs.BOM_UTF8.decode()


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(NOT_UTF_8) from None
    try:
        document = json_text.decode_strictly(text.strip())
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    return document


def _text(document: dict[str, Any]) -> str:
    text = json_text.encode(document)
    # Lone surrogates stand in a file as escapes only, as they came.
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
