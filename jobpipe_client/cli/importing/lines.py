"""The lines of a file of any size, with their places, and a way back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import BinaryIO, NamedTuple

LONGEST = 2 * 1024 * 1024
"""Bytes of a line that are kept: twice what an item may have. Of a longer one the rest is passed over."""


class Line(NamedTuple):
    """One line with its end."""

    raw: bytes
    size: int  # in the file; more than `raw` has if the line is too long

    @property
    def is_cut(self) -> bool:
        return self.size > len(self.raw)


class Lines:
    """Lines from an offset to another, or to the end."""

    def __init__(self, file: BinaryIO, *, offset: int = 0, number: int = 0, end: int | None = None) -> None:
        self.offset = offset  # of what comes next
        self.number = number  # of the line that was taken last, from 1
        self._file = file
        self._end = end
        self._again: deque[Line] = deque()
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

    def _read(self) -> Line | None:
        raw = self._file.readline(self._at_most(LONGEST, 0))
        size = len(raw)
        last = raw
        while last and not last.endswith(b"\n"):
            self.check()
            last = self._file.readline(self._at_most(LONGEST, size))
            size += len(last)
        return Line(raw, size) if raw else None

    def _at_most(self, wanted: int, taken: int) -> int:
        return wanted if self._end is None else max(0, min(wanted, self._end - self.offset - taken))


def _go_on() -> None:
    """Nobody has asked for an end."""
