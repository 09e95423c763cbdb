"""Shortens the reasons that other programs (CloudFormation, an emulator, a tool) give for a failure to one line.

Such a reason may have several kilobytes. Its whole text is then written to a file, which the line names.
"""

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path

from infra.settings import state_dir

_MAX_CHARACTERS = 500
_saved: dict[str, Path] = {}  # by reason, since a reason is shown as an event and again as the cause


def on_screen(reason: str) -> str:
    """Return the reason in one line. After 500 characters the line names the file that has the whole text."""
    line = "".join(char if char.isprintable() else " " for char in reason)
    line = " ".join(line.split())
    if len(line) <= _MAX_CHARACTERS:
        return line
    path = _save(reason)
    rest = f"all {len(reason):,} characters of it are in {path}" if path else f"{len(reason):,} characters in all"
    return f"{line[:_MAX_CHARACTERS].rstrip()} ... ({rest})"


def _save(reason: str) -> Path | None:
    """Append the reason to a file that only its owner can read; return None if that fails."""
    if reason not in _saved:
        path = state_dir() / "reasons.log"
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(f"--- {datetime.now(UTC).isoformat(timespec='seconds')}\n{reason}\n")
            _saved[reason] = path
    return _saved.get(reason)
