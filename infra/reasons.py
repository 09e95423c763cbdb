"""What others say of a failure (CloudFormation, an emulator, a tool), as it goes on the screen: one short line.

Such a reason may be several kilobytes. What is cut is kept whole in a file, which the line names.
"""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from infra.settings import state_dir

MOST = 500  # characters on the screen
_FILE = "reasons.log"
_kept: dict[str, Path] = {}  # by the reason, which is told more than once: as an event and as the cause


def on_screen(reason: str) -> str:
    """The reason in one line of 500 characters at most and, if that is not all, where all of it stands."""
    line = "".join(char if char.isprintable() else " " for char in reason)
    line = " ".join(line.split())
    if len(line) <= MOST:
        return line
    where = _keep(reason)
    rest = f"all {len(reason):,} characters of it are in {where}" if where else f"{len(reason):,} characters in all"
    return f"{line[:MOST].rstrip()} ... ({rest})"


def _keep(reason: str) -> Path | None:
    """The file that has it, readable by its owner only; None if it cannot be written."""
    if reason not in _kept:
        path = state_dir() / _FILE
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(opened, "a", encoding="utf-8", errors="backslashreplace") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{reason}\n")
            _kept[reason] = path
    return _kept.get(reason)
