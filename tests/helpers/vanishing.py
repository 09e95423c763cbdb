"""Files and folders that are deleted at the moment when a program is about to read them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_EVENTS = {"os.scandir", "os.listdir", "shutil.copyfile"}
_to_delete: set[Path] = set()


@contextmanager
def deleted_when_read(path: Path) -> Iterator[None]:
    """Delete a folder when its content is asked for, or a file when it is to be copied."""
    _to_delete.add(path)
    try:
        yield
    finally:
        _to_delete.clear()


def _delete(event: str, arguments: tuple[Any, ...]) -> None:
    if not _to_delete or event not in _EVENTS:
        return
    path = Path(str(arguments[0]))
    if path not in _to_delete:
        return
    _to_delete.clear()
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


sys.addaudithook(_delete)
