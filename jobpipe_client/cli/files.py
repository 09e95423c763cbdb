"""Files of all kinds: pipes and descriptors, files that are written atomically, and encodings."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobpipe_client.cli.exits import OperatorError

CR_ALONE = (
    "its lines end with CR alone, as in the older CSV of Excel for Mac: "
    "convert it, for instance with tr '\\r' '\\n' < FILE"
)
_DESCRIPTORS = re.compile(r"/dev|/dev/fd|/proc/[^/]+(/task/[^/]+)?/fd")
_MAX_LINKS = 40  # as many as Linux follows
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def is_pipe(path: Path) -> bool:
    """Return whether the path is a pipe, a device, or an open descriptor such as /dev/stdin, even for a file."""
    return path.exists() and (not path.is_file() or _names_a_descriptor(path))


def _names_a_descriptor(path: Path) -> bool:
    for _ in range(_MAX_LINKS):
        folder = path.parent.resolve()
        if _DESCRIPTORS.fullmatch(str(folder)):
            return True
        path = folder / path.name
        if not path.is_symlink():
            return False
        path = folder / path.readlink()
    return False


def is_output_unread() -> bool:
    """Return whether standard output is a pipe that nobody reads any more, or False if that is unknown."""
    if sys.stdout is None or not hasattr(select, "poll"):  # closed, or Windows
        return False
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # standard output has no descriptor
        return False
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


@contextmanager
def atomic_file(path: Path, rename: Callable[[Path, Path], object] = Path.replace) -> Iterator[BinaryIO]:
    """Open a draft that becomes the file `path` when the block succeeds, and is deleted when the block fails.

    `rename` gives the draft its final name; by default, the draft replaces the file. Pipes and devices are written
    to directly. A symbolic link is kept, and its target is replaced.
    """
    if is_pipe(path):
        # The file behind /dev/stdout may have content, which must not be truncated.
        with path.open("ab" if path.is_file() else "wb") as file:
            yield file
        return
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        rename(draft, path)
    except OSError as error:
        if error.filename not in {None, str(draft)}:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


def check_encoding(beginning: bytes) -> None:
    """Raise OperatorError if the beginning of a file shows that it is not UTF-8."""
    found = next((name for mark, name in _BYTE_ORDER_MARKS.items() if beginning.startswith(mark)), None)
    if found is None and len(beginning) > 1 and (beginning[0] == 0) != (beginning[1] == 0):
        found = "UTF-16LE" if beginning[1] == 0 else "UTF-16BE"  # no text begins with NUL
    if found is not None:
        raise OperatorError(
            f"the file is not UTF-8 but {found}, as Excel's Unicode text and PowerShell's > write: "
            f"convert it, for instance with iconv -f {found} -t UTF-8 FILE"
        )


def has_cr_alone(line: bytes) -> bool:
    """Return whether the line has a carriage return before its end."""
    return b"\r" in line.rstrip(b"\r\n")
