"""Detection of pipes and devices, which can be read or written only once, by any name."""

from __future__ import annotations

import re
import select
import sys
from pathlib import Path

_DESCRIPTORS = re.compile(r"/dev|/dev/fd|/proc/[^/]+(/task/[^/]+)?/fd")
_MOST_LINKS = 40  # as many as Linux follows


def is_pipe(path: Path) -> bool:
    """Whether the path is a pipe, a device, or an open descriptor such as /dev/stdin, even if that is a file."""
    return path.exists() and (not path.is_file() or names_a_descriptor(path))


def names_a_descriptor(path: Path) -> bool:
    """Whether a link that leads to the file is an open descriptor, such as /dev/stdin or /proc/self/fd/3."""
    for _ in range(_MOST_LINKS):
        folder = path.parent.resolve()
        if _DESCRIPTORS.fullmatch(str(folder)):
            return True
        path = folder / path.name
        if not path.is_symlink():
            return False
        path = folder / path.readlink()
    return False


def is_output_unread() -> bool:
    """Whether standard output is a pipe whose reader is gone, which a write would tell too; False where unknown."""
    if sys.stdout is None or not hasattr(select, "poll"):  # closed, or Windows
        return False
    poll = select.poll()
    try:
        poll.register(sys.stdout.fileno(), 0)
    except (OSError, ValueError):  # no descriptor is behind it
        return False
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
