"""A file that is there whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from jobpipe_client.cli.files.pipes import is_pipe


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Takes the name of `path` when the block ends well, on the disk by then; else nothing stays.

    A device or a pipe, by any name, is written to directly.
    """
    if is_pipe(path):
        # A file behind /dev/stdout may have content, which must not be truncated.
        with path.open("ab" if path.is_file() else "wb") as there:
            yield there
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        if error.filename not in {None, str(draft)}:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)
