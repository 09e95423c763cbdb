"""The lines of a file of any size, with their places, and a way back."""

from __future__ import annotations

import codecs
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, NamedTuple, Protocol

LONGEST = 2 * 1024 * 1024
"""Bytes of a line that are kept: twice what an item may have. Of a longer one the rest is passed over."""


class Line(NamedTuple):
    """One line with its end."""

    raw: bytes
    size: int  # in the file; more than `raw` has if the line is too long
    rest: bytes = b""  # the digest of the part that was skipped
    is_first: bool = False  # whether this is the file's first line

    @property
    def is_cut(self) -> bool:
        return self.size > len(self.raw)

    @property
    def content(self) -> bytes:
        """The line without a byte order mark at the beginning of the file."""
        return self.raw.removeprefix(codecs.BOM_UTF8) if self.is_first else self.raw


class Digest(Protocol):
    """A hash of hashlib."""

    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


def add_lines(digest: Digest, lines: Iterable[Line]) -> None:
    """Adds lines as they were read; for the skipped part of a long line, its digest."""
    for line in lines:
        digest.update(line.raw)
        if line.rest:
            digest.update(line.rest)


class Lines:
    """Lines from an offset to another, or to the end."""

    def __init__(self, file: BinaryIO, *, offset: int = 0, number: int = 0, end: int | None = None) -> None:
        self.offset = offset  # of what comes next
        self.number = number  # of the line that was taken last, from 1
        self._file = file
        self._end = end
        self._again: deque[Line] = deque()
        self._is_first = offset == 0
        self.check: Callable[[], None] = _go_on
        """Called before each line, and while a long one is read: what it raises ends the reading."""

    def take(self) -> Line | None:
        """The next line; None at the end."""
        self.check()
        line = self._again.popleft() if self._again else self._read()
        if line is not None:
            self.offset += line.size
            self.number += 1
        return line

    def give_back(self, lines: Sequence[Line]) -> None:
        """They come again: those that were taken last."""
        self._again.extendleft(reversed(lines))
        self.offset -= sum(line.size for line in lines)
        self.number -= len(lines)

    def peek(self) -> Line | None:
        """The next line, without taking it."""
        line = self.take()
        if line is not None:
            self.give_back([line])
        return line

    def _read(self) -> Line | None:
        raw = self._file.readline(self._at_most(LONGEST, 0))
        if raw.endswith(b"\n") and not self._is_first:
            return Line(raw, len(raw))
        is_first, self._is_first = self._is_first, False
        size = len(raw)
        last = raw
        rest = hashlib.sha256()
        while last and not last.endswith(b"\n"):
            self.check()
            last = self._file.readline(self._at_most(LONGEST, size))
            rest.update(last)
            size += len(last)
        return Line(raw, size, rest.digest() if size > len(raw) else b"", is_first) if raw else None

    def _at_most(self, wanted: int, taken: int) -> int:
        return wanted if self._end is None else max(0, min(wanted, self._end - self.offset - taken))


def _go_on() -> None:
    """Nobody has asked for an end."""
