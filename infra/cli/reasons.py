"""Shortens the reasons that other programs (CloudFormation, an emulator, a tool) give for a failure to one line.

Such a reason may have several kilobytes. The whole text is then written to a file, which the line names.
"""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from infra.settings import state_dir

MOST = 500  # characters on the screen
_FILE = "reasons.log"
_saved: dict[str, Path] = {}  # by reason, since one is shown more than once: as an event and as the cause


def on_screen(reason: str) -> str:
    """The reason in one line of at most 500 characters and, if it is longer, the file that has all of it."""
    line = "".join(char if char.isprintable() else " " for char in reason)
    line = " ".join(line.split())
    if len(line) <= MOST:
        return line
    where = _save(reason)
    rest = f"all {len(reason):,} characters of it are in {where}" if where else f"{len(reason):,} characters in all"
    return f"{line[:MOST].rstrip()} ... ({rest})"


def _save(reason: str) -> Path | None:
    """The file with the reason, which only its owner can read; None if it cannot be written."""
    if reason not in _saved:
        path = state_dir() / _FILE
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(opened, "a", encoding="utf-8", errors="backslashreplace") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{reason}\n")
            _saved[reason] = path
    return _saved.get(reason)
