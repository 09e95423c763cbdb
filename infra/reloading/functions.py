"""Changes the code that the functions of one app run on a local stage."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_lambda.chalicelib.console.assembly import assemble
from infra.collections.names import PACKAGE
from infra.deployment.function_code import put_code, running_code
from infra.errors import OperatorError
from infra.packaging.package import PAGE_PARTS
from infra.reloading.collections import MANIFEST
from infra.stage.names import FUNCTIONS
from infra.targets.target import Target


class AppFunctions:
    """The functions of one app, all of which run the same zip."""

    def __init__(self, target: Target, stage: str, app: str, zip_path: Path) -> None:
        self._lambdas: Any = target.client("lambda")
        self._names = _functions_of(stage, app)
        with zipfile.ZipFile(zip_path) as built:
            self._files = {name: built.read(name) for name in built.namelist()}
        self._may_differ = False  # whether the functions may run other code than self._files

    @property
    def manifest(self) -> bytes:
        """The manifest of the collections in the functions' code."""
        return self._files[MANIFEST]

    def code(self) -> dict[str, str]:
        """Return the digest of the code of each function that exists."""
        return running_code(self._lambdas, self._names)

    def distrust(self) -> None:
        """Assume that the functions may run other code than the last one that was put."""
        self._may_differ = True

    def with_saved(
        self, entries: Mapping[str, Path], collections: Mapping[str, bytes] | None = None
    ) -> dict[str, bytes]:
        """Return the functions' code with these files and, if given, another package of collections.

        A missing file is removed from the code. No function is changed.

        Raise OperatorError if a module is not valid Python or the console lacks a file.
        """
        files = dict(self._files)
        if collections is not None:
            files = {name: each for name, each in files.items() if not name.startswith(f"{PACKAGE}/")}
            files |= collections
        for name, path in entries.items():
            if path.suffix in PAGE_PARTS:
                files[name] = _page()
                continue
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                files.pop(name, None)
                continue
            if path.suffix == ".py":
                _check_syntax(path, content)
            files[name] = content
        return files

    def put(self, files: dict[str, bytes]) -> None:
        """Make the functions run these files."""
        if files == self._files and not self._may_differ:
            return
        self._may_differ = True
        put_code(self._lambdas, self._names, _zipped(files))
        self._files, self._may_differ = files, False


def _page() -> bytes:
    try:
        return assemble().encode()
    except FileNotFoundError as error:
        raise OperatorError(f"the console lacks {error.filename}; the functions are not changed") from None


def _functions_of(stage: str, app: str) -> list[str]:
    """Return the functions of a stage with Events=on, which local stages have."""
    return [f"jobpipe-{stage}-{name}" for name in FUNCTIONS if (name == "api") is (app == "api")]


def _check_syntax(path: Path, content: bytes) -> None:
    try:
        compile(content, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = path if line is None else f"{path}:{line}"
        raise OperatorError(f"{where}: {getattr(error, 'msg', error)}; the functions are not changed") from None


def _zipped(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()
