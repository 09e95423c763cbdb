"""JSON lines: each line is an item or, with `--commands`, a command in its raw form."""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files import CR_ALONE, check_encoding, has_cr_alone
from jobpipe_client.cli.importing.reading.rows import (
    ERROR,
    FAILURE_FIELDS,
    LINE,
    NOT_UTF_8,
    TOO_LONG,
    Row,
    original_line,
)
from jobpipe_client.cli.importing.reading.source import Line, Lines
from jobpipe_client.cli.importing.reading.target import Target


class JsonLines:
    """Empty lines are not rows. An object that only describes a failure belongs to the line below it."""

    header: tuple[Line, ...] = ()

    def __init__(
        self, lines: Lines, *, commands: bool, ignored: Collection[str] = (), target: Target | None = None
    ) -> None:
        self._target = target or Target()
        self.has_commands = commands
        self._ignored = frozenset([*FAILURE_FIELDS, *ignored])
        _check_first_line(lines.peek())

    def records(self, lines: Lines) -> Iterator[Row]:
        """Yield a record for each line, together with a description of the failure in the line above."""
        description: tuple[Line, ...] = ()
        original: int | None = None
        for line in iter(lines.take, None):
            number = lines.number - len(description)
            command, error = None, None
            if line.content.strip():
                try:
                    document = _parse(line)
                except ValueError as problem:
                    error = str(problem)
                else:
                    if LINE in document:
                        original = original_line(document[LINE])
                    if document and document.keys() <= set(FAILURE_FIELDS):
                        if description:
                            yield Row(number, lines.offset - line.size, description, None)
                        description = (line,)
                        continue
                    command = self._command(document)
            yield Row(number, lines.offset, (*description, line), command, error, original)
            description, original = (), None
        if description:
            yield Row(lines.number, lines.offset, description, None)

    def failed_row(self, row: Row, error: str) -> str:
        """Return the object with the line number and the error, and without the ignored members.

        A line that is not an object stays unchanged, below an object with the line number and the error.
        """
        failure = {LINE: row.reported_line, ERROR: error}
        line = row.lines[-1]
        if row.command is None:
            return f"{_encode(failure)}\n{line.content.decode('utf-8', 'surrogateescape')}".rstrip("\r\n")
        return _encode(failure | self._remove_ignored(_parse(line)))

    def failures_header(self) -> None:
        """Return None: JSON lines have no header."""

    def _command(self, document: dict[str, Any]) -> Mapping[str, Any]:
        fields = self._remove_ignored(document)
        return fields if self.has_commands else self._target.command(fields)

    def _remove_ignored(self, document: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name not in self._ignored}


def not_json(error: ValueError, place: str = "column") -> str:
    """Return why a text is not JSON, with the place of the error and the text around it."""
    if not isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error}"
    around = error.doc[max(0, error.pos - 12) : error.pos + 20].strip()
    reason = error.msg[0].lower() + error.msg[1:]
    if error.doc.startswith(codecs.BOM_UTF8.decode()):
        reason = "a byte order mark may only be at the beginning of a file"
    return f"not JSON at {place} {error.pos + 1}: {reason}, in {around!r}"


def _check_first_line(line: Line | None) -> None:
    if line is None:
        return
    check_encoding(line.content)
    if has_cr_alone(line.content):
        try:
            json_text.decode(line.content.lstrip().partition(b"\r")[0])
        except ValueError:  # the carriage return is white space within JSON
            return
        raise OperatorError(CR_ALONE)


def _parse(line: Line) -> dict[str, Any]:
    if line.is_too_long:
        raise ValueError(TOO_LONG)
    try:
        document = json_text.decode_strictly(line.content.decode("utf-8").rstrip("\r\n"))
    except UnicodeDecodeError:
        raise ValueError(NOT_UTF_8) from None
    except ValueError as error:
        raise ValueError(not_json(error)) from None
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004
    return document


def _encode(document: dict[str, Any]) -> str:
    text = json_text.encode(document)
    # UTF-8 cannot represent lone surrogates, so they are written as escapes, from which they were read.
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text)
