"""What an import notes beside its file, so that it can go on after any end.

    header    which file, deployment, caller and options, and the beginning of all keys
    sent n    a range of the file with its fingerprint: on the disk before the first byte of it is sent
    done n    how its rows ended, with those that failed
    finished  nothing is left to do

A batch without its `done` may or may not have reached the service: it is sent again from the same range with the
same key, which is the same batch. A last line that a crash has torn was never acted upon, and is cut off.
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

KEYS_LAST = timedelta(days=28)  # the service forgets an Idempotency-Key some days later
_VERSION = 2  # version 1 had digests of the file after reading, and other rules for empty cells


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that did not succeed."""

    line: int
    reason: str  # a problem's slug, or `unreadable`
    error: str
    text: str | None  # for the file of failures; None if it must not be sent again


class Sent(NamedTuple):
    """A range of the file that may have been sent, and how many lines come before it."""

    number: int
    start: int
    end: int
    line: int
    sha256: str


@dataclass
class Progress:
    """How far an import is."""

    key: str = field(default_factory=lambda: f"import-{secrets.token_hex(12)}")
    open: dict[int, Sent] = field(default_factory=dict)  # sent, not known to be done
    number: int = 0  # of the next batch
    offset: int | None = None  # where it begins; None: behind the header
    line: int = 0
    bytes_done: int = 0
    succeeded: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # of those that failed
    finished: bool = False
    last_batch: str | None = None  # the id of one whose rows have ended
    is_remembered: bool = True  # whether the service still has the batches that it was sent

    @property
    def failed(self) -> int:
        return self.reasons.total()

    @property
    def rows(self) -> int:
        return self.succeeded + self.failed

    def note(self, entry: Mapping[str, Any]) -> None:
        """One line of a journal."""
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
        elif "finished" in entry:
            self.finished = True


class Journal:
    """The notes of one import, open to be added to; on a temporary file for what cannot be resumed."""

    def __init__(self, path: Path | None) -> None:
        if importlib.util.find_spec("fcntl") is None:
            raise OperatorError("an import needs Linux, macOS or another POSIX system: it locks its journal")
        self.path = path
        self._file: BinaryIO
        if path is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        else:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            self._file = os.fdopen(descriptor, "r+b", buffering=0)
            self._lock(path)

    def _lock(self, path: Path) -> None:
        import fcntl  # noqa: PLC0415  # the other commands do without it

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise OperatorError(f"another import of this file is running ({path} is in use)") from None

    def begin(self, about: Mapping[str, Any]) -> Progress:
        """A new import; what was noted before is forgotten."""
        progress = Progress()
        self._file.truncate(0)
        began = datetime.now(UTC).isoformat(timespec="seconds")
        self._add({"jobpipe-import": _VERSION, "key": progress.key, "began": began, **about})
        return progress

    def header(self) -> dict[str, Any] | None:
        """Of the import that was begun here; None if none was."""
        found = next(self._entries(), None)
        if found is None:
            return None
        version = found.get("jobpipe-import")
        if version != _VERSION:
            if isinstance(version, int):
                raise OperatorError(
                    f"{self.path} is from another release of jobpipe; --restart sends all rows again"
                )
            raise self._damaged()
        return found

    def resume(self, header: Mapping[str, Any]) -> Iterator[Sent | Progress]:
        """Every range that was sent, in the file's order, to be compared; then how far the import is.

        OperatorError if it has rows to send still and is too old for that.
        """
        try:
            progress = Progress(key=header["key"])
            began = datetime.fromisoformat(header["began"])
            for entry in self._entries():
                progress.note(entry)
                if "sent" in entry:
                    yield progress.open[entry["sent"]]
        except (KeyError, TypeError, ValueError):
            raise self._damaged() from None
        progress.is_remembered = datetime.now(UTC) - began <= KEYS_LAST
        if not progress.finished and not progress.is_remembered:
            raise OperatorError(
                f"the import was begun {header['began'][:10]}, and the service does not remember it for longer "
                f"than {KEYS_LAST.days} days; --restart sends all rows again"
            )
        yield progress

    def sent(self, progress: Progress, sent: Sent, last_line: int) -> None:
        """Before any of it is sent."""
        entry = {"sent": sent.number, "start": sent.start, "end": sent.end, "line": sent.line}
        self._note(progress, {**entry, "last": last_line, "sha256": sent.sha256})

    def done(
        self, progress: Progress, number: int, batch_id: str | None, succeeded: int, failed: list[Failure]
    ) -> None:
        """When every row of a batch has ended."""
        told = [[each.line, each.reason, each.error, each.text] for each in failed]
        self._note(progress, {"done": number, "batch": batch_id, "succeeded": succeeded, "failed": told})

    def finished(self, progress: Progress) -> None:
        """When the failures are in their file."""
        self._note(progress, {"finished": datetime.now(UTC).isoformat(timespec="seconds")})

    def failures(self) -> Iterator[Failure]:
        """In the order of the file; batches that ended before earlier ones are held back."""
        held: dict[int, list[Failure]] = {}
        following = 0
        for entry in self._entries():
            if "done" in entry:
                held[entry["done"]] = [Failure(*each) for each in entry["failed"]]
            while following in held:
                yield from held.pop(following)
                following += 1

    def close(self) -> None:
        """And release it."""
        self._file.close()

    def _note(self, progress: Progress, entry: Mapping[str, Any]) -> None:
        self._add(entry)
        progress.note(entry)

    def _add(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        at = self._file.seek(0, os.SEEK_END)
        try:
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            if self.path is not None:
                os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(at)
            raise OSError(error.errno, error.strerror, str(self.path or "the temporary file")) from error

    def _entries(self) -> Iterator[dict[str, Any]]:
        """Every whole line; a torn one at the end is cut off."""
        self._file.seek(0)
        # Another file object, for its buffer; both have one position, which `_add` does not rely on.
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
                    raise self._damaged() from None
                if not isinstance(entry, dict):
                    raise self._damaged()
                yield entry

    def _damaged(self) -> OperatorError:
        return OperatorError(f"{self.path} is not the journal of an import, or damaged; --restart forgets it")
