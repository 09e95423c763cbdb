"""Rebuilds the package of collections after a module of operations was saved, without a deployment."""

import ast
import signal
from collections.abc import Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from infra.collections.build import VERDICTS, build_package, check_folder
from infra.collections.names import PACKAGE
from infra.errors import OperatorError

MANIFEST = f"{PACKAGE}/__init__.py"


def rebuilt_package(folder: Path, build: Path, manifest: bytes) -> dict[str, bytes] | None:
    """Return the files of the package of this folder of collections by their names in a zip.

    Return None if the change needs a deployment, since more than the names of operations differs from the
    functions' manifest. Raise OperatorError if the folder is not valid.
    """
    target = build / "saved"
    try:
        build_package(folder, target)
    except OperatorError as error:
        raise OperatorError(f"{error}; the functions are not changed") from None
    except FileNotFoundError as error:
        raise OperatorError(f"{error.filename} was deleted while it was being read") from None
    files = {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in sorted((target / PACKAGE).rglob("*"))
        if path.is_file()
    }
    return files if _without_names(files[MANIFEST]) == _without_names(manifest) else None


def _without_names(manifest: bytes) -> dict[str, Any]:
    [value] = [node.value for node in ast.parse(manifest).body if isinstance(node, ast.Assign)]
    collections: Mapping[str, dict[str, Any]] = ast.literal_eval(value)
    return {name: {**entry, "operations": None} for name, entry in collections.items()}


class PurityCheck:
    """Tries the operations in the background, since that takes some seconds. A deployment tries them first."""

    def __init__(self, folder: Path, build: Path) -> None:
        self._folder = folder
        self._verdicts = build / "collections" / VERDICTS
        # It is a process, since two threads of Python 3.11 must not parse at the same time. Ctrl-C does not end it.
        self._pool = ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
        )
        self._check: Future[None] | None = None

    def begin(self) -> None:
        """Try the operations as they are now. The result of an unfinished trial is ignored."""
        if self._check is not None:
            self._check.cancel()
        self._check = self._pool.submit(check_folder, self._folder, self._verdicts)

    def problem(self) -> str | None:
        """Return the problem that the trial found, only once; return None if there is none, or none yet."""
        if self._check is None or not self._check.done():
            return None
        check, self._check = self._check, None
        error = check.exception()
        if isinstance(error, FileNotFoundError):
            return None  # the file was deleted meanwhile, and that change starts another trial
        if error is not None and not isinstance(error, OperatorError):
            raise error
        return None if error is None else str(error)

    def end(self) -> None:
        """Start no more trials."""
        self._pool.shutdown(wait=False, cancel_futures=True)
