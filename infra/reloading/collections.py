"""A saved module of a collection's operations: the package of collections is written anew, without a deployment."""

import ast
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from infra.collections.build import VERDICTS, build_package, check_folder
from infra.collections.names import PACKAGE
from infra.errors import OperatorError

MANIFEST = f"{PACKAGE}/__init__.py"


def rebuilt_package(folder: Path, build: Path, manifest: bytes) -> dict[str, bytes] | None:
    """Return the files of the package of this folder of collections by their names in a zip.

    Return None if the change needs a deployment: if anything but the names of operations differs from the manifest
    that the functions have. Raise OperatorError if the folder is not as it must be.
    """
    target = build / "saved"
    try:
        build_package(folder, target)
    except OperatorError as error:
        raise OperatorError(f"{error}; the functions run what they had") from None
    except FileNotFoundError as error:
        raise OperatorError(f"{error.filename} was deleted while it was read") from None
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
    """Tries the operations beside the stage, since that takes some seconds. A deployment would try them before."""

    def __init__(self, folder: Path, build: Path) -> None:
        self._folder = folder
        self._verdicts = build / "collections" / VERDICTS
        self._pool = ThreadPoolExecutor(1)
        self._check: Future[None] | None = None

    def begin(self) -> None:
        """Try the operations as they are now; the result of a try that still goes on is not wanted any more."""
        if self._check is not None:
            self._check.cancel()
        self._check = self._pool.submit(check_folder, self._folder, self._verdicts)

    def problem(self) -> str | None:
        """Return once what was found, or None if there is nothing, or nothing yet."""
        if self._check is None or not self._check.done():
            return None
        check, self._check = self._check, None
        error = check.exception()
        if isinstance(error, FileNotFoundError):
            return None  # the file was deleted meanwhile, which is a change that is tried by itself
        if error is not None and not isinstance(error, OperatorError):
            raise error
        return None if error is None else str(error)

    def end(self) -> None:
        """Try nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
