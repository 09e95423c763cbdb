"""The imports that run on this machine: each has a note with the path of its journal, by which others find it.

The note also has the number of rows that have ended. The journal counts the rows of a batch when all have ended.

An import holds a lock on its note while it runs. A note without a lock is from an import that has ended: it is kept
for a minute, so that others can say how the import ended, and then deleted by the next one that reads the notes.
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
_LONGEST = 16_384  # bytes of a path
_KEPT = 60.0  # seconds after the end
_DIGITS = 20  # of the number of rows


class Note(NamedTuple):
    """What a note says of an import."""

    journal: Path
    ended_at: float | None  # by the clock of the folder's files; None while it runs
    rows: int  # that have ended


@contextmanager
def announced(key: str, journal: Path | None) -> Iterator[Callable[[int], None]]:
    """Keep a note of this import during the block. Without a journal, or if it cannot be kept, there is none.

    Yields a function that takes the number of rows that have ended.
    """
    note: BinaryIO | None = None
    if journal is not None and _has_locks():
        with suppress(OSError):
            note = _written(key, journal)

    def write_rows(rows: int) -> None:
        if note is not None:
            with suppress(OSError):
                os.pwrite(note.fileno(), _number(rows), note.tell() - _DIGITS)

    try:
        yield write_rows
    finally:
        if note is not None:
            with suppress(OSError):
                os.utime(note.fileno())  # it has ended now
            note.close()


def noted_imports() -> dict[str, Note]:
    """Return the imports of this user that run here or have ended a moment ago, by their keys."""
    found: dict[str, Note] = {}
    if not _has_locks():
        return found
    with suppress(OSError):
        folder = _folder()
        if _is_own(folder):
            for file in sorted(folder.iterdir()):
                if _NOTE.fullmatch(file.name) and (note := _read(file)) is not None:
                    found[file.name] = note
    return found


def _has_locks() -> bool:
    return importlib.util.find_spec("fcntl") is not None


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / f"jobpipe-imports-{os.getuid()}"


def _is_own(folder: Path) -> bool:
    """Return whether nobody else can have written into the folder."""
    found = folder.lstat()
    return folder.is_dir() and not folder.is_symlink() and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _written(key: str, journal: Path) -> BinaryIO | None:
    import fcntl  # noqa: PLC0415  # only POSIX has it, and the other commands do not need it

    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(folder):
        return None
    noted_imports()  # deletes old notes
    draft = folder / f".{key}.{secrets.token_hex(4)}"
    note = draft.open("xb", buffering=0)
    try:
        fcntl.flock(note, fcntl.LOCK_EX)  # before it has its name, so that nobody takes it for an old one
        note.write(os.fsencode(journal.resolve()) + b"\0" + _number(0))
        draft.replace(folder / key)
    except OSError:
        note.close()
        draft.unlink(missing_ok=True)
        raise
    return note


def _number(rows: int) -> bytes:
    return str(rows).zfill(_DIGITS).encode()


def _read(note: Path) -> Note | None:
    """Return what the note says. Delete it, and return None, if its import has ended a while ago."""
    import fcntl  # noqa: PLC0415

    try:
        with note.open("rb") as file:
            path, _, rows = file.read(_LONGEST).partition(b"\0")
            journal, ended = Path(os.fsdecode(path)), int(rows)
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Note(journal, None, ended)
            ended_at = os.fstat(file.fileno()).st_mtime
            if abs(time.time() - ended_at) <= _KEPT:
                return Note(journal, ended_at, ended)
            if os.path.samestat(os.fstat(file.fileno()), note.stat()):
                note.unlink()
    except (OSError, ValueError):  # another one has just deleted it, or it is not complete
        pass
    return None
