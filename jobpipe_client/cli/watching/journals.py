"""The progress of the imports that run on this machine, read from their notes and their growing journals."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jobpipe_client.cli.importing.journal import Progress
from jobpipe_client.cli.importing.running import Note, read_notes
from jobpipe_client.cli.pace import Pace
from jobpipe_client.cli.watching.sending import Sending, State

_MAX_COUNTED_BYTES = 64 * 1024 * 1024  # the lines of a larger file are not counted; its bytes are used instead
_PIECE = 1024 * 1024
_ENDED_SHOWN = 60.0  # seconds


class RunningImports:
    """The imports into one deployment."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._began = time.time()
        self._noted: set[str] = set()
        self._found: dict[str, _Import] = {}  # by key

    def read(self, at: float) -> list[Sending]:
        """Return the imports that run or have just ended."""
        notes = read_notes()
        self._noted = set(notes)
        for key, note in notes.items():
            is_new = key not in self._found and (note.ended_at is None or note.ended_at >= self._began)
            if is_new or (note.ended_at is None and self._found[key].ended_at is not None):  # it continues
                self._found[key] = _Import(key, note.journal)
        for key, each in list(self._found.items()):
            current = notes.get(key)
            each.read(at, current if current is not None and current.ended_at is None else None)
            if each.ended_at is not None and each.ended_at < at - _ENDED_SHOWN and current is None:
                del self._found[key]
        return [each.sending(at) for each in self._found.values() if self._is_shown(each, at)]

    def keys(self) -> Iterable[str]:
        """Return the keys of all imports that have a note or had one."""
        return self._found.keys() | self._noted

    def _is_shown(self, found: _Import, at: float) -> bool:
        has_ended_lately = found.ended_at is None or found.ended_at >= at - _ENDED_SHOWN
        return found.has_sent and found.is_known and found.deployment == self._deployment and has_ended_lately


class _Import:
    """One import. Its batches are measured in lines of the file or, if the file is very large, in bytes."""

    def __init__(self, key: str, journal: Path) -> None:
        self.deployment: str | None = None  # None until the header is read
        self.has_sent = False
        self.is_known = True  # whether the journal still belongs to this import
        self.ended_at: float | None = None
        self._key = key
        self._journal = journal
        self._file = journal.with_name(journal.name.removesuffix(".jobpipe-import"))
        self._progress = Progress()
        self._offset = 0  # in the journal
        self._sizes: dict[int, int] = {}  # the sizes of the batches that are not done
        self._all: int | None = None  # the size of the file without its header; None until known
        self._done = 0  # the size of the batches whose rows have all ended
        self._ended = 0  # rows
        self._lines: int | None = None
        self._bytes: int | None = None
        self._pace = Pace()

    def read(self, at: float, note: Note | None) -> None:
        """Read the new entries of the journal; `note` is the import's note if the import runs.

        If it does not run, the last entry says how it ended.
        """
        if self.ended_at is not None:
            return
        is_running = note is not None
        try:
            with self._journal.open("rb") as file:
                self._check_key(file.readline())
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._apply(json.loads(line))
                    self._offset += len(line)
        except (OSError, ValueError, KeyError, TypeError):  # deleted or begun anew, so the end is unknown
            self.is_known = is_running = False
        if self._progress.finished or not is_running:
            self.ended_at = at
        self._ended = self._progress.rows if note is None else max(self._progress.rows, note.rows)
        self._pace.note(at, self._ended)

    def _check_key(self, header: bytes) -> None:
        if header.endswith(b"\n") and json.loads(header)["key"] != self._key:
            raise ValueError("this is the journal of another import")

    def sending(self, at: float) -> Sending:
        progress = self._progress
        total, is_exact = self._rows()
        state: State = "running" if self.ended_at is None else "ended" if progress.finished else "interrupted"
        left = None if total is None or not self._done else self._pace.seconds_for(total - self._ended, at)
        return Sending(
            id=self._key,
            name=self._file.name,
            unit="row",
            ended=self._ended,
            size=total,
            is_estimate=not is_exact,
            failed=progress.failed - progress.refused,
            refused=progress.refused,
            state=state,
            per_second=self._pace.per_second(at) if state == "running" else None,
            seconds_left=left if state == "running" else None,
        )

    def _apply(self, entry: Mapping[str, Any]) -> None:
        if "jobpipe-import" in entry:
            self.deployment, self._bytes = entry["deployment"], entry["size"]
            if self._bytes is not None and self._bytes <= _MAX_COUNTED_BYTES:
                self._lines = _count_lines(self._file)
            return
        if "sent" in entry:
            self.has_sent = True
            if entry["sent"] == 0:
                total, header = (
                    (self._bytes, entry["start"]) if self._lines is None else (self._lines, entry["line"])
                )
                self._all = None if total is None else total - header
            first, last = ("start", "end") if self._lines is None else ("line", "last")
            self._sizes[entry["sent"]] = entry[last] - entry[first]
        elif "done" in entry:
            self._done += self._sizes.pop(entry["done"])
        self._progress.apply(entry)

    def _rows(self) -> tuple[int | None, bool]:
        """Return the number of rows in the file, and whether it is exact or an estimate."""
        rows = self._progress.rows
        if self._all is None:
            return None, False
        if self._done >= self._all:
            return rows, True
        if self._done:
            return max(self._ended, round(rows * self._all / self._done)), False
        return (None if self._lines is None else max(self._ended, self._all)), False


def _count_lines(path: Path) -> int | None:
    """Return the number of lines in a file, or None if the file cannot be read."""
    lines, last = 0, b"\n"
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                lines += piece.count(b"\n")
                last = piece[-1:]
    except OSError:
        return None
    return lines + (last != b"\n")
