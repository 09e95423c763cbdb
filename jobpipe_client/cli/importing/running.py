"""The imports that run on this machine. Each keeps a note with the path of its journal, so that others can find it.

The note also has the current number of ended rows, since the journal counts the rows of a batch only at its end.

An import locks its note while it runs. A note without a lock is from an import that has ended. It is kept for a
minute, so that others can report how the import ended. Then the next process that reads the notes deletes it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

_NOTE = re.compile(r"import-[0-9a-f]{24}")  # the key of an import
_MAX_NOTE_BYTES = 16_384
_KEPT_SECONDS = 60.0  # after the end of the import
_DIGITS = 20  # of the number of rows


class Note(NamedTuple):
    """The note of an import."""

    journal: Path
    ended_at: float | None  # by the file system's clock; None while the import runs
    rows: int  # the number of rows that have ended


@contextmanager
def keep_note(key: str, journal: Path | None) -> Iterator[Callable[[int], None]]:
    """Keep a note of this import during the block, if it has a journal and the note can be written.

    Yields a function that takes the number of rows that have ended.
    """
    note: BinaryIO | None = None
    if journal is not None and _has_locks():
        with suppress(OSError):
            note = _create_note(key, journal)

    def write_rows(rows: int) -> None:
        if note is not None:
            with suppress(OSError):
                os.pwrite(note.fileno(), _format_rows(rows), note.tell() - _DIGITS)

    try:
        yield write_rows
    finally:
        if note is not None:
            with suppress(OSError):
                os.utime(note.fileno())  # the time of the end
            note.close()


def read_notes() -> dict[str, Note]:
    """Return the user's imports that run on this machine or have just ended, by key."""
    found: dict[str, Note] = {}
    if not _has_locks():
        return found
    with suppress(OSError):
        folder = _folder()
        if _is_own(folder):
            for file in sorted(folder.iterdir()):
                if _NOTE.fullmatch(file.name) and (note := _read_note(file)) is not None:
                    found[file.name] = note
    return found


def _has_locks() -> bool:
    return importlib.util.find_spec("fcntl") is not None


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"jobpipe-imports-{os.getuid()}"


def _is_own(folder: Path) -> bool:
    """Return whether only this user can write into the folder."""
    found = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _create_note(key: str, journal: Path) -> BinaryIO | None:
    import fcntl  # noqa: PLC0415  # only POSIX has it, and the other commands do not need it

    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(folder):
        return None
    read_notes()  # deletes old notes
    draft = folder / f".{key}.{secrets.token_hex(4)}"
    note = draft.open("xb", buffering=0)
    try:
        fcntl.flock(note, fcntl.LOCK_EX)  # before the note gets its name, so that it is not taken for an old note
        note.write(os.fsencode(journal.resolve()) + b"\0" + _format_rows(0))
        draft.replace(folder / key)
    except OSError:
        note.close()
        draft.unlink(missing_ok=True)
        raise
    return note


def _format_rows(rows: int) -> bytes:
    return str(rows).zfill(_DIGITS).encode()


def _read_note(note: Path) -> Note | None:
    """Read the note. If its import ended more than a minute ago, delete the note and return None."""
    import fcntl  # noqa: PLC0415

    try:
        with note.open("rb") as file:
            path, _, rows = file.read(_MAX_NOTE_BYTES).partition(b"\0")
            journal, ended = Path(os.fsdecode(path)), int(rows)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Note(journal, None, ended)
            ended_at = os.fstat(file.fileno()).st_mtime
            if abs(time.time() - ended_at) <= _KEPT_SECONDS:
                return Note(journal, ended_at, ended)
            if os.path.samestat(os.fstat(file.fileno()), note.stat()):
                note.unlink()
    except (OSError, ValueError):  # another process has just deleted the note, or the note is incomplete
        pass
    return None
