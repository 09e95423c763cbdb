"""The progress of the imports that run on this machine, read from their journals as these grow."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobpipe_client.cli.importing.journal import Progress
from jobpipe_client.cli.importing.rows import UNREADABLE
from jobpipe_client.cli.importing.running import running_imports
from jobpipe_client.cli.watching.pace import Pace
from jobpipe_client.cli.watching.recent_jobs import LONGEST, Counts
from jobpipe_client.cli.watching.sending import Sending, State

_MOST_READ = 64 * 1024 * 1024  # bytes of a file whose lines are counted; of a larger one the bytes are
_PIECE = 1024 * 1024
_ENDED_SHOWN = 60.0  # seconds
_NOTED_WITHIN = 5.0  # seconds in which a batch is accepted after its note, and its end is noted


class RunningImports:
    """The imports into one deployment."""

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._found: dict[str, _Import] = {}  # by key

    def read(self, at: float) -> list[Sending]:
        """Return the imports that run, and those that have ended a moment ago."""
        running = running_imports()
        for key, journal in running.items():
            if key not in self._found or self._found[key].ended_at is not None:  # new, or continued
                self._found[key] = _Import(key, journal)
        for key, each in list(self._found.items()):
            each.read(at, is_running=key in running)
            if each.ended_at is not None and each.ended_at < at - _ENDED_SHOWN:
                del self._found[key]
        return [each.sending(at) for each in self._ours() if each.has_sent]

    def at_least(self, counts: Counts, at: float) -> Counts:
        """Return the counts; if they are the least numbers, return those of the journals where these are higher."""
        if counts.precision != "at least":
            return counts
        until = at - counts.late
        since = until - counts.seconds
        batches = [batch for each in self._ours() for batch in each.done_batches]
        accepted = [batch for batch in batches if since < batch.sent_at <= until - _NOTED_WITHIN]
        ended = [batch for batch in batches if since + _NOTED_WITHIN < batch.ended_at <= until]
        return replace(
            counts,
            accepted=max(counts.accepted, sum(batch.commands for batch in accepted)),
            ended=max(counts.ended or 0, sum(batch.commands for batch in ended)) if ended else counts.ended,
            failed=max(counts.failed, sum(batch.failed for batch in ended)),
        )

    def _ours(self) -> list[_Import]:
        return [each for each in self._found.values() if each.deployment == self._deployment]


@dataclass(frozen=True, slots=True)
class _Batch:
    """The commands of a batch that is done."""

    sent_at: float
    ended_at: float
    commands: int
    failed: int


class _Import:
    """One import. Its progress is measured in lines of the file or, if that is very large, in bytes."""

    def __init__(self, key: str, journal: Path) -> None:
        self.deployment: str | None = None  # until the header is read
        self.has_sent = False
        self.ended_at: float | None = None
        self._key = key
        self._journal = journal
        self._file = journal.with_name(journal.name.removesuffix(".jobpipe-import"))
        self._progress = Progress()
        self._offset = 0  # in the journal
        self._sizes: dict[int, int] = {}  # of the batches that are not done
        self._all: int | None = None  # the size of the file without its header; None until it is known
        self._done = 0
        self._lines: int | None = None
        self._bytes: int | None = None
        self._pace = Pace()
        self._sent_at: dict[int, float] = {}  # of the batches whose note has appeared since the first reading
        self.done_batches: deque[_Batch] = deque()  # these, with their ends

    def read(self, at: float, *, is_running: bool) -> None:
        """Read what was added to the journal since."""
        if self.ended_at is not None:
            return
        is_first = self._offset == 0
        while self.done_batches and self.done_batches[0].ended_at < at - LONGEST - _NOTED_WITHIN:
            self.done_batches.popleft()
        try:
            with self._journal.open("rb") as file:
                file.seek(self._offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    entry = json.loads(line)
                    self._apply(entry)
                    if not is_first:
                        self._note_time(entry, at)
                    self._offset += len(line)
        except (OSError, ValueError, KeyError, TypeError):  # deleted, or begun anew
            is_running = False
        if not is_running:
            self.ended_at = at
        self._pace.note(at, self._done)

    def sending(self, at: float) -> Sending:
        progress = self._progress
        total, is_exact = self._rows()
        state: State = "running" if self.ended_at is None else "ended" if progress.finished else "interrupted"
        left = None if self._all is None else self._pace.seconds_for(self._all - self._done, at)
        rate = self._pace.per_second(at) if state == "running" and self._done else None
        return Sending(
            id=self._key,
            name=self._file.name,
            unit="row",
            ended=progress.rows,
            size=total,
            is_estimate=not is_exact,
            failed=progress.failed,
            state=state,
            per_second=None if rate is None else rate * progress.rows / self._done,
            seconds_left=left if state == "running" else None,
        )

    def _apply(self, entry: Mapping[str, Any]) -> None:
        if "jobpipe-import" in entry:
            self.deployment, self._bytes = entry["deployment"], entry["size"]
            if self._bytes is not None and self._bytes <= _MOST_READ:
                self._lines = _count_lines(self._file)
            return
        if "sent" in entry:
            self.has_sent = True
            if entry["sent"] == 0:
                whole, header = (
                    (self._bytes, entry["start"]) if self._lines is None else (self._lines, entry["line"])
                )
                self._all = None if whole is None else whole - header
            first, last = ("start", "end") if self._lines is None else ("line", "last")
            self._sizes[entry["sent"]] = entry[last] - entry[first]
        elif "done" in entry:
            self._done += self._sizes.pop(entry["done"])
        self._progress.apply(entry)

    def _note_time(self, entry: Mapping[str, Any], at: float) -> None:
        if "sent" in entry:
            self._sent_at[entry["sent"]] = at
        elif "done" in entry:
            failed = sum(failure[1] != UNREADABLE for failure in entry["failed"])
            sent_at = self._sent_at.pop(entry["done"], at - LONGEST)
            self.done_batches.append(_Batch(sent_at, at, entry["succeeded"] + failed, failed))

    def _rows(self) -> tuple[int | None, bool]:
        """Return how many rows the file has, and whether that is known and not estimated."""
        rows = self._progress.rows
        if self._all is None:
            return None, False
        if self._done >= self._all:
            return rows, True
        if self._done:
            return max(rows, round(rows * self._all / self._done)), False
        return (None if self._lines is None else self._all), False


def _count_lines(path: Path) -> int | None:
    """Return the number of lines of a file; None if it cannot be read."""
    lines, last = 0, b"\n"
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                lines += piece.count(b"\n")
                last = piece[-1:]
    except OSError:
        return None
    return lines + (last != b"\n")
