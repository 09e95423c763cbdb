"""The imports that run on this machine: each has a note with the path of its journal, by which others find it.

An import holds a lock on its note. A note without a lock is from an import that was killed, and is deleted.
"""

from __future__ import annotations

import importlib.util
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NOTE = re.compile(r"import-[0-9a-f]{24}")  # the key of an import
_LONGEST = 16_384  # bytes of a path


@contextmanager
def announced(key: str, journal: Path | None) -> Iterator[None]:
    """Keep a note of this import during the block. Without a journal, or if it cannot be kept, there is none."""
    note: BinaryIO | None = None
    if journal is not None and _has_locks():
        with suppress(OSError):
            note = _written(key, journal)
    try:
        yield
    finally:
        if note is not None:
            with suppress(OSError):
                (_folder() / key).unlink()
            note.close()


def running_imports() -> dict[str, Path]:
    """Return the journals of the imports that run here as this user, by their keys."""
    found: dict[str, Path] = {}
    if not _has_locks():
        return found
    with suppress(OSError):
        folder = _folder()
        if _is_own(folder):
            for note in sorted(folder.iterdir()):
                if _NOTE.fullmatch(note.name) and (journal := _journal_in(note)) is not None:
                    found[note.name] = journal
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
    import fcntl  # noqa: PLC0415  # the other commands work without it

    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    if not _is_own(folder):
        return None
    draft = folder / f".{key}.{secrets.token_hex(4)}"
    note = draft.open("xb", buffering=0)
    try:
        fcntl.flock(note, fcntl.LOCK_EX)  # before it has its name, so that nobody takes it for an old one
        note.write(os.fsencode(journal.resolve()))
        draft.replace(folder / key)
    except OSError:
        note.close()
        draft.unlink(missing_ok=True)
        raise
    return note


def _journal_in(note: Path) -> Path | None:
    """Return the journal that the note names; None, and delete it, if its import has not ended by itself."""
    import fcntl  # noqa: PLC0415

    try:
        with note.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return Path(os.fsdecode(file.read(_LONGEST)))
            if os.path.samestat(os.fstat(file.fileno()), note.stat()):
                note.unlink()
    except OSError:  # it has just ended
        pass
    return None
