"""Write the failed rows of an import to a file, where they can be repaired. A changed file is never overwritten."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files import atomic_file, is_pipe
from jobpipe_client.cli.importing.journal import Failure, FailuresFile
from jobpipe_client.cli.importing.reading.rows import Format


def check_writable(path: Path) -> None:
    """Check that the file of failures can be written, and raise OperatorError if it cannot."""
    if path.is_dir():
        raise OperatorError(f"{path} cannot be written: it is a folder; --failures names another file")
    if is_pipe(path):
        return
    path = path.resolve()
    folder = path.parent
    if not folder.is_dir():
        raise OperatorError(f"{path} cannot be written: {folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise OperatorError(f"{path} cannot be written: {folder} is read-only")


def write_failures(
    path: Path, form: Format, failures: Callable[[], Iterable[Failure]], earlier: FailuresFile | None
) -> FailuresFile | None:
    """Write the file of failures and return it. If nothing failed, delete the earlier file and return None.

    An existing file is left unchanged if it differs from what the earlier import wrote: the new file gets a number.
    """
    if next(_lines(form, failures()), None) is None:
        if earlier is not None and not is_pipe(path) and is_unchanged(earlier):
            Path(earlier.path).unlink()
        return None
    digest = hashlib.sha256()
    names = [path.absolute()]

    def rename(draft: Path, path: Path) -> None:
        with _lock(path.parent):
            names.append(_rename(draft, path, {digest.hexdigest(), "" if earlier is None else earlier.sha256}))

    with atomic_file(path, rename) as file:
        for line in _lines(form, failures()):
            digest.update(line)
            file.write(line)
    return FailuresFile(str(names[-1]), "" if is_pipe(path) else digest.hexdigest())


def is_unchanged(file: FailuresFile) -> bool:
    """Return whether the file is still as the import wrote it."""
    path = Path(file.path)
    return path.is_file() and _digest(path) == file.sha256


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Keep other imports from naming their files in this folder during the block."""
    import fcntl  # noqa: PLC0415  # only POSIX has it, and the other commands do not need it

    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _rename(draft: Path, path: Path, replaceable: set[str]) -> Path:
    """Rename the draft and return its new path.

    The new path is `path`, or if that is another file, the first free path with the number 2, 3 and so on. A file
    whose digest is in `replaceable` is replaced. The file is renamed before its digest is computed once more, so
    that nothing is lost that somebody saves in the meantime.
    """
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    for name in chain([path], numbered):
        if not name.exists():
            draft.replace(name)
            return name
        if not name.is_file() or _digest(name) not in replaceable:
            continue
        aside = draft.with_suffix(".old")
        name.rename(aside)
        if _digest(aside) in replaceable:
            draft.replace(name)
            aside.unlink()
            return name
        aside.rename(name)
    raise AssertionError("the numbers do not end")


def _lines(form: Format, failures: Iterable[Failure]) -> Iterator[bytes]:
    """Yield the lines of the file. It contains only failures that may be sent again."""
    header = form.failures_header()
    is_first = True
    for failure in failures:
        if failure.text is None:
            continue
        if is_first and header is not None:
            yield f"{header}\n".encode("utf-8", "surrogateescape")
        is_first = False
        yield f"{failure.text}\n".encode("utf-8", "surrogateescape")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
