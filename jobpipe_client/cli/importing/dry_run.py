"""`jobpipe import --dry-run`: all checks of a file that need no service."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from jobpipe_client import json_text
from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.importing.reading.rows import UNREADABLE, Format, Row, make_pointers_relative, read_rows
from jobpipe_client.cli.importing.reading.source import Lines
from jobpipe_client.cli.importing.reading.target import Target
from jobpipe_client.cli.importing.rules.item_rules import (
    MAX_DOCUMENT_BYTES,
    document_bytes,
    name_key,
    pointer,
    violations,
)
from jobpipe_client.cli.importing.rules.schema_rules import document_violations, value_of
from jobpipe_client.many import MAX_BODY

_MAX_VIOLATIONS = 20  # of one row, as many as the service reports
_EMPTY_BODY = len('{"commands":[]}')


class Failures:
    """The rows that would be refused, in a temporary file, since they may not fit into memory."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115
        self.close = self._file.close

    def add(self, failure: Failure) -> None:
        self._file.write(json.dumps([failure.line, failure.reason, failure.error, failure.text]) + "\n")

    def __iter__(self) -> Iterator[Failure]:
        self._file.seek(0)
        for line in self._file:
            yield Failure(*json.loads(line))


def check_rows(form: Format, lines: Lines, failures: Failures, *, commands: bool, target: Target) -> Progress:
    """Return how many rows could be sent or would be refused, and add the refused rows to the failures."""
    progress = Progress()
    with closing(_Values()) as values:
        for row in read_rows(form, lines):
            failure = _find_violation(row, target) or (None if commands else values.find_conflict(row, target))
            if failure is not None:
                error = make_pointers_relative(failure.error, to_document=not commands)
                failure = replace(failure, error=error)
            if failure is None:
                progress.succeeded += 1
                continue
            progress.reasons[failure.reason] += 1
            progress.refused += 1
            failures.add(replace(failure, text=form.failed_row(row, failure.error)))
    return progress


def _find_violation(row: Row, target: Target) -> Failure | None:
    if row.command is None:
        return Failure(row.reported_line, UNREADABLE, row.error or UNREADABLE)
    if target.info is None:
        found = violations(row.command)
    else:
        found = document_violations(target.info, row.command["item"], _MAX_VIOLATIONS)
    if found:
        details = "; ".join(map(str, found[:_MAX_VIOLATIONS]))
        return Failure(row.reported_line, "invalid-request", f"400 invalid-request: {details}")
    documents = [row.command[member] for member in ("item", "set") if member in row.command]
    if any(document_bytes(document) > MAX_DOCUMENT_BYTES for document in documents):
        what = "An item's" if target.info is None else "A"
        why = f"{what} document must have at most {MAX_DOCUMENT_BYTES} bytes."
    elif len(json_text.encode(row.command).encode()) + _EMPTY_BODY > MAX_BODY:
        why = f"A body must have at most {MAX_BODY} bytes."
    else:
        return None
    return Failure(row.reported_line, "too-large", f"413 too-large: {why}")


class _Values:
    """The unique values of the rows so far, in a temporary file, since they may not fit into memory."""

    def __init__(self) -> None:
        import sqlite3  # noqa: PLC0415  # an optional part of Python, which only a dry run needs

        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("BEGIN")
        self._database.execute(
            "CREATE TABLE taken (digest BLOB PRIMARY KEY, line INTEGER, document BLOB) WITHOUT ROWID"
        )
        self._database.execute(
            "CREATE TABLE held (document BLOB, field TEXT, digest BLOB, PRIMARY KEY (document, field))"
            " WITHOUT ROWID"
        )
        self.close = self._database.close

    def find_conflict(self, row: Row, target: Target) -> Failure | None:
        """Return the failure of a row whose name or unique value an earlier row has, or None."""
        document = row.command["item"] if row.command is not None else {}
        if target.info is None:
            name = document["name"]
            line = self._claim(row, "name", name_key(name))
            error = f"409 name-taken: #/name: Another row is named {name!r}. (line {line} has the same name)"
            return None if line is None else Failure(row.reported_line, "name-taken", error)
        key = value_of(document, target.info.key) if target.upsert and target.info.key is not None else None
        for field in target.fields_to_compare():
            value = value_of(document, field)
            line = None if value is None else self._claim(row, field, value, document=key)
            if line is not None:
                return Failure(row.reported_line, "not-unique", _not_unique(field, document[field], line))
        return None

    def _claim(self, row: Row, field: str, value: str, *, document: str | None = None) -> int | None:
        """Claim a value for this row. If an earlier row of another document has it, return the line of that row."""
        digest = _digest(f"{field}\0{value}")
        owner = None if document is None else _digest(document)
        if owner is not None:
            self._hold(owner, field, digest)
        inserted = self._database.execute(
            "INSERT OR IGNORE INTO taken VALUES (?, ?, ?)", (digest, row.reported_line, owner)
        )
        if inserted.rowcount:
            return None
        line, other = self._database.execute(
            "SELECT line, document FROM taken WHERE digest = ?", (digest,)
        ).fetchone()
        return None if owner is not None and owner == other else int(line)

    def _hold(self, document: bytes, field: str, digest: bytes) -> None:
        """Record the value of an upserted document's field, and release the value from an earlier row."""
        before = self._database.execute(
            "SELECT digest FROM held WHERE document = ? AND field = ?", (document, field)
        ).fetchone()
        if before is not None and before[0] != digest:
            self._database.execute("DELETE FROM taken WHERE digest = ? AND document = ?", (before[0], document))
        self._database.execute("INSERT OR REPLACE INTO held VALUES (?, ?, ?)", (document, field, digest))


def _not_unique(field: str, value: object, line: int) -> str:
    """Return the error that the service gives for such a document, as the report of an import shows it."""
    shown = repr(value) if isinstance(value, str) else json_text.encode(value)
    where = pointer((None, field))
    return f"409 not-unique: {where}: Another row has the {field} {shown[:80]}. (line {line} has the same {field})"


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
