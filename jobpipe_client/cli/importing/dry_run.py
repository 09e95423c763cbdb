"""`jobpipe import --dry-run`: all checks of a file that need no service."""

from __future__ import annotations

import hashlib
from contextlib import closing

from jobpipe_client import json_text
from jobpipe_client.cli.importing.item_rules import MAX_DOCUMENT_BYTES, document_bytes, name_key, violations
from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.importing.report import SHOWN_FAILURES
from jobpipe_client.cli.importing.rows import UNREADABLE, Format, Row, rows_of
from jobpipe_client.cli.importing.source import Lines
from jobpipe_client.many import MAX_BODY

_MAX_VIOLATIONS = 20  # of one row, as many as the service reports
_EMPTY_BODY = len('{"commands":[]}')


def check_rows(form: Format, lines: Lines, *, commands: bool) -> tuple[Progress, list[Failure]]:
    """Return how many rows could be sent, why the others would fail, and the first failures."""
    progress = Progress()
    first: list[Failure] = []
    with closing(_Names()) as names:
        for row in rows_of(form, lines):
            failure = _invalid(row) or (None if commands else names.taken(row))
            if failure is None:
                progress.succeeded += 1
                continue
            progress.reasons[failure.reason] += 1
            if len(first) < SHOWN_FAILURES:
                first.append(failure)
    return progress, first


def _invalid(row: Row) -> Failure | None:
    if row.command is None:
        return Failure(row.reported_line, UNREADABLE, row.error or UNREADABLE)
    found = violations(row.command)
    if found:
        details = "; ".join(map(str, found[:_MAX_VIOLATIONS]))
        return Failure(row.reported_line, "invalid-request", f"400 invalid-request: {details}")
    documents = [row.command[member] for member in ("item", "set") if member in row.command]
    if any(document_bytes(document) > MAX_DOCUMENT_BYTES for document in documents):
        why = f"An item's document must have at most {MAX_DOCUMENT_BYTES} bytes."
    elif len(json_text.encode(row.command).encode()) + _EMPTY_BODY > MAX_BODY:
        why = f"A body must have at most {MAX_BODY} bytes."
    else:
        return None
    return Failure(row.reported_line, "too-large", f"413 too-large: {why}")


class _Names:
    """The names of the rows so far, in a temporary file, since they may not fit into memory."""

    def __init__(self) -> None:
        import sqlite3  # noqa: PLC0415  # an optional part of Python, which only a dry run needs

        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("BEGIN")
        self._database.execute("CREATE TABLE names (digest BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self.close = self._database.close

    def taken(self, row: Row) -> Failure | None:
        """Return the failure if an earlier row has the same name, else None."""
        name = row.command["item"]["name"] if row.command is not None else ""
        digest = hashlib.blake2b(name_key(name).encode(), digest_size=16).digest()
        inserted = self._database.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (digest, row.reported_line))
        if inserted.rowcount:
            return None
        (line,) = self._database.execute("SELECT line FROM names WHERE digest = ?", (digest,)).fetchone()
        error = f"409 name-taken: The row at line {line} has the name {name!r} too."
        return Failure(row.reported_line, "name-taken", error)
