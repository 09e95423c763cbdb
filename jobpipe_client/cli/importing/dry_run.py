"""`jobpipe import --dry-run`: all checks of a file that need no service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from jobpipe_client import json_text
from jobpipe_client.cli.importing.item_rules import MAX_DOCUMENT_BYTES, document_bytes, name_key, violations
from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.importing.lines import Lines
from jobpipe_client.cli.importing.report import SHOWN
from jobpipe_client.cli.importing.rows import Format, Row, rows_of
from jobpipe_client.cli.importing.sender import UNREADABLE
from jobpipe_client.many import MAX_BODY

_AROUND = len('{"commands":[]}')
_MOST_SHOWN = 20  # violations of one row, as many as the service reports


def dry_run(form: Format, lines: Lines, *, commands: bool) -> tuple[Progress, list[Failure]]:
    """How many rows would be sent, why the others would fail, and the first failures."""
    progress = Progress()
    shown: list[Failure] = []
    with closing(_Names()) as names:
        for row in rows_of(form, lines):
            failure = _broken(row) or (None if commands else names.failure(row))
            if failure is None:
                progress.succeeded += 1
                continue
            progress.reasons[failure.reason] += 1
            if len(shown) < SHOWN:
                shown.append(failure)
    return progress, shown


def _broken(row: Row) -> Failure | None:
    if row.command is None:
        return Failure(row.shown_line, UNREADABLE, row.error or UNREADABLE, None)
    found = violations(row.command)
    if found:
        details = "; ".join(map(str, found[:_MOST_SHOWN]))
        return Failure(row.shown_line, "invalid-request", f"400 invalid-request: {details}", None)
    for document in _documents(row.command):
        if document_bytes(document) > MAX_DOCUMENT_BYTES:
            return _too_large(row, f"An item's document must have at most {MAX_DOCUMENT_BYTES} bytes.")
    if len(json_text.encode(row.command).encode()) + _AROUND > MAX_BODY:
        return _too_large(row, f"A body must have at most {MAX_BODY} bytes.")
    return None


def _documents(command: Mapping[str, Any]) -> Iterator[Any]:
    return (command[member] for member in ("item", "set") if member in command)


def _too_large(row: Row, why: str) -> Failure:
    return Failure(row.shown_line, "too-large", f"413 too-large: {why}", None)


class _Names:
    """The names of the rows so far, on disk, since they may not fit into memory."""

    def __init__(self) -> None:
        import sqlite3  # noqa: PLC0415  # an optional part of Python, and only a dry run needs it

        self._database = sqlite3.connect("", isolation_level=None)  # a temporary file, deleted on close
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("BEGIN")
        self._database.execute("CREATE TABLE names (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")

    def failure(self, row: Row) -> Failure | None:
        """The failure if an earlier row has the same name, else None."""
        name = row.command["item"]["name"] if row.command is not None else ""
        digest = hashlib.blake2b(name_key(name).encode(), digest_size=16).digest()
        put = self._database.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (digest, row.shown_line))
        if put.rowcount:
            return None
        (line,) = self._database.execute("SELECT line FROM names WHERE digest = ?", (digest,)).fetchone()
        return Failure(
            row.shown_line, "name-taken", f"409 name-taken: The row at line {line} has the name {name!r} too.", None
        )

    def close(self) -> None:
        self._database.close()
