"""JSON lines: an item each or, with `--commands`, a command in its raw form."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files.encodings import CR_ALONE, check_encoding, has_cr_alone
from jobpipe_client.cli.importing.lines import Line, Lines
from jobpipe_client.cli.importing.rows import ERROR, LINE, NOT_UTF_8, OURS, TOO_LONG, Row, original_line, rows_of

_OURS = frozenset(OURS)


class JsonLines:
    """Empty lines are not rows. An object that only describes a failure belongs to the line below it."""

    start = 0
    header: tuple[Line, ...] = ()

    def __init__(self, lines: Lines, *, commands: bool, ignored: Collection[str] = ()) -> None:
        self._commands = commands
        self._left_out = frozenset([*OURS, *ignored])
        _check_first(lines)

    def rows(self, lines: Lines) -> Iterator[Row]:
        """One row for each line that has one."""
        return rows_of(self, lines)

    def records(self, lines: Lines) -> Iterator[Row]:
        """The same, with the lines that are not rows."""
        described: list[Line] = []  # the object that describes the next line's failure
        original: int | None = None
        while (line := lines.take()) is not None:
            taken = (*described, line)
            number = lines.number - len(described)
            content = line.content
            if not content.strip():
                yield Row(number, lines.offset, taken, None)
                described, original = [], None
                continue
            command, error = None, TOO_LONG if line.is_cut else None
            if error is None:
                try:
                    document = _parse(content)
                except ValueError as problem:
                    error = str(problem)
                else:
                    if LINE in document:
                        original = original_line(document[LINE])
                    if document and document.keys() <= _OURS:
                        if described:
                            yield Row(number, lines.offset - line.size, tuple(described), None)
                        described = [line]
                        continue
                    command = self._command(document)
            yield Row(number, lines.offset, taken, command, error, original)
            described, original = [], None
        if described:
            yield Row(lines.number, lines.offset, tuple(described), None)

    def _command(self, document: dict[str, Any]) -> dict[str, Any]:
        fields = document
        if not self._left_out.isdisjoint(document):
            fields = {name: value for name, value in document.items() if name not in self._left_out}
        return fields if self._commands else {"operation": "create", "item": fields}

    def failed(self, row: Row, error: str) -> str:
        """The object with two further members, and without those that are left out.

        A line that is not an object is unchanged, below a line that states the error.
        """
        about = {LINE: row.shown_line, ERROR: error}
        line = row.lines[-1]
        if row.command is None:
            return f"{_text(about)}\n" + line.content.decode("utf-8", "surrogateescape").rstrip("\r\n")
        fields = _parse(line.content)
        return _text(about | {name: value for name, value in fields.items() if name not in self._left_out})

    def failed_header(self) -> None:
        """There is none."""


def not_json(error: ValueError, place: str = "column") -> str:
    """The error of a text that is not JSON, with its place and the text around it."""
    if not isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error}"
    around = error.doc[max(0, error.pos - 12) : error.pos + 20].strip()
    what = error.msg[0].lower() + error.msg[1:]
    if error.doc.startswith(codecs.BOM_UTF8.decode()):
        what = "a byte order mark may only be at the beginning of a file"
    return f"not JSON at {place} {error.pos + 1}: {what}, in {around!r}"


def _check_first(lines: Lines) -> None:
    """OperatorError if the first line shows that no line can be read."""
    line = lines.peek()
    if line is None:
        return
    check_encoding(line.content)
    if has_cr_alone(line.content):
        try:
            json_text.decode(line.content.lstrip().partition(b"\r")[0])
        except ValueError:  # the carriage return is white space within JSON
            return
        raise OperatorError(CR_ALONE)


def _parse(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(NOT_UTF_8) from None
    try:
        document = json_text.decode_strictly(text.rstrip("\r\n"))
    except ValueError as error:
        raise ValueError(not_json(error)) from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    return document


def _text(document: dict[str, Any]) -> str:
    text = json_text.encode(document)
    # Lone surrogates stand in a file as escapes only, as they came.
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
