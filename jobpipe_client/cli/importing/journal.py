"""The journal beside an imported file, with which the import continues after any interruption.

    header    the file, deployment, caller and options, and the prefix of all idempotency keys
    sent n    a range of the file and its digest; written to disk before the batch is sent
    done n    how the rows of the batch ended, and which rows failed
    finished  every row has ended, and the file of failures is complete

A batch that is sent but not done may or may not have reached the service. The same range is sent again with the
same key, so the service recognizes it as the same batch. An incomplete last line, left by a crash, is cut off.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.importing.reading.batches import Batch

KEY_LIFETIME = timedelta(days=28)  # the service keeps an Idempotency-Key for some days more
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that did not succeed."""

    line: int
    reason: str  # the slug of a problem, or `unreadable`
    error: str
    text: str | None = None  # for the file of failures; None if the row must not be sent again


class FailuresFile(NamedTuple):
    """A file of failures as an import wrote it."""

    path: str
    sha256: str


class Sent(NamedTuple):
    """A range of the file that may have been sent; `line` is the number of the line before the range."""

    number: int
    start: int
    end: int
    line: int
    sha256: str


@dataclass
class Progress:
    """How far an import has come."""

    key: str = field(default_factory=lambda: f"import-{secrets.token_hex(12)}")
    open: dict[int, Sent] = field(default_factory=dict)  # sent but not done
    number: int = 0  # the number of the next batch
    offset: int | None = None  # where the next batch begins; None: after the header
    line: int = 0  # the number of the line before the next batch
    bytes_done: int = 0
    succeeded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # of the rows that failed
    refused: int = 0  # the failed rows that became no jobs
    finished: bool = False
    last_batch: str | None = None  # the id of a batch that is done
    failures_file: FailuresFile | None = None  # of this import or, until it has finished, of the previous import

    @property
    def failed(self) -> int:
        return self.reasons.total()

    def outcomes(self) -> dict[str, int]:
        """Return the number of rows with each outcome except success. A refused row became no job."""
        rest = {"refused": self.refused, "cancelled": self.reasons["cancelled"], "expired": self.reasons["expired"]}
        return {"failed": self.failed - sum(rest.values()), **rest}

    @property
    def rows(self) -> int:
        return self.succeeded + self.failed

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Apply one entry of a journal."""
        if "sent" in entry:
            sent = Sent(entry["sent"], entry["start"], entry["end"], entry["line"], entry["sha256"])
            self.open[sent.number] = sent
            self.number, self.offset, self.line = sent.number + 1, sent.end, entry["last"]
        elif "done" in entry:
            sent = self.open.pop(entry["done"])
            self.bytes_done += sent.end - sent.start
            self.last_batch = entry.get("batch") or self.last_batch
            self.succeeded += entry["succeeded"]
            self.reasons.update(failure[1] for failure in entry["failed"])
            self.refused += entry.get("refused", 0)  # earlier releases do not record it
        elif "finished" in entry:
            self.finished = True
        if "failures_file" in entry:
            self.failures_file = entry["failures_file"] and FailuresFile(*entry["failures_file"])


class Journal:
    """The journal of one import; a temporary file if the import cannot be resumed."""

    def __init__(self, path: Path | None) -> None:
        if importlib.util.find_spec("fcntl") is None:
            raise OperatorError("an import needs Linux, macOS or another POSIX system: it locks its journal")
        self.path = path
        self.progress = Progress()
        self.began = datetime.now(UTC)
        self._file: BinaryIO
        if path is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        else:
            self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
            self._lock()

    def _lock(self) -> None:
        import fcntl  # noqa: PLC0415  # only POSIX has it, and the other commands do not need it

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OperatorError(f"another import of this file is running ({self.path} is in use)") from None

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Begin a new import, and forget an earlier import, except for its file of failures."""
        self.progress = Progress(failures_file=self._earlier_failures_file())
        self._file.truncate(0)
        began = self.began.isoformat(timespec="seconds")
        header = {"jobpipe-import": _VERSION, "key": self.progress.key, "began": began, **settings}
        self._add({**header, "failures_file": self.progress.failures_file})

    def _earlier_failures_file(self) -> FailuresFile | None:
        found = Progress()
        try:
            for entry in self._entries():
                if "finished" in entry or "jobpipe-import" in entry:
                    found.apply(entry)
        except (OperatorError, TypeError):  # damaged, or not a journal: the file of failures counts as changed
            return None
        return found.failures_file

    def header(self) -> dict[str, Any] | None:
        """Return the first entry, or None if no import was begun."""
        header = next(self._entries(), None)
        version = header and header.get("jobpipe-import")
        if header is not None and version != _VERSION:
            if not isinstance(version, int):
                raise self._damaged_error()
            raise OperatorError(f"{self.path} is from another release of jobpipe; --restart sends all rows again")
        return header

    def resume(self, header: Mapping[str, Any]) -> Iterator[Sent]:
        """Yield every range that may have been sent, in the order of the file, and restore the progress."""
        try:
            self.progress = Progress(key=header["key"])
            self.began = datetime.fromisoformat(header["began"]).astimezone(UTC)
            for entry in self._entries():
                self.progress.apply(entry)
                if "sent" in entry:
                    yield self.progress.open[entry["sent"]]
        except (KeyError, TypeError, ValueError):
            raise self._damaged_error() from None

    @property
    def is_forgotten(self) -> bool:
        """Whether the service may have forgotten the keys of the import."""
        return datetime.now(UTC) - self.began > KEY_LIFETIME

    def record_sent(self, batch: Batch) -> None:
        """Record, before a batch is sent, that it may have been sent."""
        place = {"sent": batch.number, "start": batch.start, "end": batch.end, "line": batch.line}
        self._record({**place, "last": batch.last_line, "sha256": batch.sha256})

    def record_done(
        self, number: int, batch_id: str | None, succeeded: int, failed: list[Failure], *, refused: int = 0
    ) -> None:
        """Record that every row of a batch has ended, and how many of the failed rows became no jobs."""
        failures = [[each.line, each.reason, each.error, each.text] for each in failed]
        counts = {"succeeded": succeeded, "refused": refused}
        self._record({"done": number, "batch": batch_id, **counts, "failed": failures})

    def record_finished(self, failures_file: FailuresFile | None) -> None:
        """Record that the import has finished, and which file of failures it wrote."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._record({"finished": at, "failures_file": failures_file})

    def failures(self) -> Iterator[Failure]:
        """Yield the failures in the order of the file."""
        done: dict[int, list[Failure]] = {}
        next_number = 0
        for entry in self._entries():
            if "done" in entry:
                done[entry["done"]] = [Failure(*each) for each in entry["failed"]]
            while next_number in done:
                yield from done.pop(next_number)
                next_number += 1

    def has_finished(self) -> bool:
        """Return whether the import has finished, without restoring its progress."""
        return any("finished" in entry for entry in self._entries())

    def close(self) -> None:
        """Close the journal, and release its lock."""
        self._file.close()

    def _record(self, entry: Mapping[str, Any]) -> None:
        self._add(entry)
        self.progress.apply(entry)

    def _add(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        end = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            if self.path is not None:
                os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(end)
            raise OSError(error.errno, error.strerror, str(self.path or "the temporary file")) from error

    def _entries(self) -> Iterator[dict[str, Any]]:
        """Yield every complete entry, and cut off an incomplete one."""
        self._file.seek(0)
        # A second file object, which has a buffer. Both share one position, so `_add` seeks first.
        with os.fdopen(os.dup(self._file.fileno()), "rb") as reader:
            offset = 0
            for line in reader:
                if not line.endswith(b"\n"):
                    self._file.truncate(offset)
                    return
                offset += len(line)
                try:
                    entry = json.loads(line)
                except ValueError:
                    raise self._damaged_error() from None
                if not isinstance(entry, dict):
                    raise self._damaged_error()
                yield entry

    def _damaged_error(self) -> OperatorError:
        return OperatorError(f"{self.path} is damaged, or not the journal of an import; --restart forgets it")
