"""The source of an import: the lines of a file, which can be read again, or of a pipe, which cannot."""

from __future__ import annotations

import codecs
import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files import is_pipe

MAX_LINE_BYTES = 2 * 1024 * 1024
"""Twice the size of the largest item. The rest of a longer line is skipped."""
_MAX_NAME_LENGTH = 100  # characters in the name of a batch


class Line(NamedTuple):
    """One line with its line ending."""

    raw: bytes
    size: int  # bytes in the file; more than `raw` has if the line is too long
    skipped_digest: bytes = b""
    is_first: bool = False  # in the file

    @property
    def is_too_long(self) -> bool:
        return self.size > len(self.raw)

    @property
    def content(self) -> bytes:
        """The line without the byte order mark at the beginning of the file."""
        return self.raw.removeprefix(codecs.BOM_UTF8) if self.is_first else self.raw

    @property
    def digest_input(self) -> bytes:
        """The bytes that the digest of a range of the file is computed from."""
        return self.raw + self.skipped_digest


class Lines:
    """The lines of a range of a file, in order. The latest lines can be given back."""

    def __init__(self, file: BinaryIO, *, offset: int = 0, number: int = 0, end: int | None = None) -> None:
        self.offset = offset  # where the next line begins
        self.number = number  # the number of the last taken line; the first line is 1
        self.check_interrupt: Callable[[], None] = lambda: None
        """Called before each line and within long lines; an exception from it ends the reading."""
        self._file = file
        self._end = end
        self._given_back: deque[Line] = deque()
        self._is_first = offset == 0

    def take(self) -> Line | None:
        """Return the next line, or None at the end."""
        self.check_interrupt()
        line = self._given_back.popleft() if self._given_back else self._read()
        if line is not None:
            self.offset += line.size
            self.number += 1
        return line

    def give_back(self, lines: Sequence[Line]) -> None:
        """Give back the lines that were taken last, so that they are read again."""
        self._given_back.extendleft(reversed(lines))
        self.offset -= sum(line.size for line in lines)
        self.number -= len(lines)

    def peek(self) -> Line | None:
        """Return the next line without taking it."""
        line = self.take()
        if line is not None:
            self.give_back([line])
        return line

    def _read(self) -> Line | None:
        raw = piece = self._readline(0)
        size, skipped = len(raw), hashlib.sha256()
        is_first, self._is_first = self._is_first, False
        while piece and not piece.endswith(b"\n"):
            self.check_interrupt()
            piece = self._readline(size)
            skipped.update(piece)
            size += len(piece)
        return Line(raw, size, skipped.digest() if size > len(raw) else b"", is_first) if raw else None

    def _readline(self, taken: int) -> bytes:
        rest = MAX_LINE_BYTES if self._end is None else max(0, self._end - self.offset - taken)
        return self._file.readline(min(MAX_LINE_BYTES, rest))


@dataclass(frozen=True)
class Source:
    """A file, or a pipe, which is read only once."""

    file: BinaryIO
    path: Path | None = None  # None for a pipe
    size: int | None = None  # in bytes, when the import began
    identity: tuple[int, ...] = ()  # size, time and inode, when the import began

    @property
    def name(self) -> str | None:
        """The name of the file without its folder, which its batches get; None for a pipe."""
        if self.path is None:
            return None
        return os.fsencode(self.path.name).decode("utf-8", "replace")[:_MAX_NAME_LENGTH]

    def has_changed(self) -> bool:
        """Return whether the file was written to or replaced since it was opened."""
        if self.path is None:
            return False
        try:
            return _identity(self.file, self.path) != self.identity
        except OSError:  # the file no longer has this name
            return True

    def digest(self, start: int, end: int) -> str:
        """Return the digest of the lines in a range of the file."""
        digest = hashlib.sha256()
        for line in iter(self.lines(start, 0, end).take, None):
            digest.update(line.digest_input)
        return digest.hexdigest()

    def lines(self, offset: int, number: int, end: int | None) -> Lines:
        """Return the lines from an offset on; `number` is the line before. A pipe has only its next lines."""
        if self.path is not None:
            self.file.seek(offset)
        return Lines(self.file, offset=offset, number=number, end=end)


def open_source(file: str, stack: ExitStack) -> Source:
    """Open `file`. `-`, /dev/stdin, a named pipe and a shell's process substitution <(…) are pipes."""
    if file == "-":
        return Source(cast("BinaryIO", sys.stdin.buffer))
    path = Path(file)
    if path.is_dir():
        raise OperatorError(f"{file} is a folder")
    opened = stack.enter_context(path.open("rb"))
    if is_pipe(path):
        return Source(opened)
    return Source(opened, path, path.stat().st_size, _identity(opened, path))


def find_journal(path: Path) -> Path:
    """Return the path of the journal, which is beside the file itself, not beside a link to the file.

    If the file has several names in one folder, return the journal that exists there.
    """
    file = path.resolve()
    journal = file.with_name(f"{file.name}.jobpipe-import")
    if journal.exists() or file.stat().st_nlink == 1:
        return journal
    for other in sorted(file.parent.glob("*.jobpipe-import")):
        name = other.with_name(other.name.removesuffix(".jobpipe-import"))
        if name.exists() and name.samefile(file):
            return other
    return journal


def _identity(file: BinaryIO, path: Path) -> tuple[int, ...]:
    opened, named = os.fstat(file.fileno()), path.stat()
    return opened.st_size, opened.st_mtime_ns, named.st_dev, named.st_ino
