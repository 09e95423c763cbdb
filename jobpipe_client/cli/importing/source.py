"""The source of an import: a file, which can be read again, or a pipe by any name."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files.pipes import is_pipe
from jobpipe_client.cli.importing.lines import Lines, add_lines


@dataclass(frozen=True)
class Source:
    """The file, or a pipe, which is read only once."""

    file: BinaryIO
    path: Path | None = None  # None for a pipe
    size: int | None = None  # when the import began
    found: tuple[object, ...] = field(default=())  # the file's size, time and identity then

    def has_changed(self) -> bool:
        """Whether the file was written to or replaced since it was opened."""
        if self.path is None:
            return False
        try:
            return _seen(self.file, self.path) != self.found
        except OSError:  # the file no longer has this name
            return True

    def fingerprint(self, start: int, end: int) -> str:
        """The digest of a range's lines."""
        digest = hashlib.sha256()
        lines = self.lines(start, 0, end)
        while (line := lines.take()) is not None:
            add_lines(digest, [line])
        return digest.hexdigest()

    def lines(self, offset: int, line: int, end: int | None) -> Lines:
        """The lines from an offset on; from a pipe, always the next ones."""
        if self.path is not None:
            self.file.seek(offset)
        return Lines(self.file, offset=offset, number=line, end=end)


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
    return Source(opened, path, path.stat().st_size, _seen(opened, path))


def journal_of(path: Path) -> Path:
    """The path of a file's journal, which is beside the file itself, whatever link leads to it.

    If the file has several names in one folder, it is the journal that exists there.
    """
    file = path.resolve()
    beside = file.with_name(f"{file.name}.jobpipe-import")
    if beside.exists() or file.stat().st_nlink == 1:
        return beside
    for other in sorted(file.parent.glob("*.jobpipe-import")):
        name = other.with_name(other.name.removesuffix(".jobpipe-import"))
        if name.exists() and name.samefile(file):
            return other
    return beside


def _seen(file: BinaryIO, path: Path) -> tuple[object, ...]:
    here, there = os.fstat(file.fileno()), path.stat()
    return here.st_size, here.st_mtime_ns, there.st_dev, there.st_ino
