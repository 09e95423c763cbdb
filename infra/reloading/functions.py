"""The functions of one app on a local stage, and the code that they run."""

import io
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api_lambda.chalicelib.console.assembly import assemble
from infra.collections.names import PACKAGE
from infra.errors import OperatorError
from infra.packaging.package import PAGE_PARTS
from infra.reloading.collections import MANIFEST
from infra.stage.names import FUNCTIONS
from infra.targets.target import Target

_AGAIN_AFTER = 0.4  # seconds


class AppFunctions:
    """The functions of one app, all of which run the same zip."""

    def __init__(self, target: Target, stage: str, app: str, zip_path: Path) -> None:
        self._lambdas: Any = target.client("lambda")
        self._names = _functions_of(stage, app)
        with zipfile.ZipFile(zip_path) as built:
            self._files = {name: built.read(name) for name in built.namelist()}

    @property
    def manifest(self) -> bytes:
        """The manifest of the collections that the functions have."""
        return self._files[MANIFEST]

    def replace(self, entries: Mapping[str, Path], collections: Mapping[str, bytes] | None = None) -> None:
        """Let the functions run these files, and perhaps another package of collections.

        A missing file is removed from the code.

        Raise OperatorError, and change no function, if a module is not valid Python or the console lacks a file.
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
        if files == self._files:
            return
        body = _zipped(files)
        self._update(body)
        # An invocation that begins meanwhile may start a process with the earlier code, which MiniStack 1.5.33 then
        # uses for later invocations too. The second update ends it.
        time.sleep(_AGAIN_AFTER)
        self._update(body)
        self._files = files

    def _update(self, body: bytes) -> None:
        for name in self._names:
            self._lambdas.update_function_code(FunctionName=name, ZipFile=body)


def _page() -> bytes:
    try:
        return assemble().encode()
    except FileNotFoundError as error:
        raise OperatorError(f"the console lacks {error.filename}; the functions run what they had") from None


def _functions_of(stage: str, app: str) -> list[str]:
    """Return the functions of a stage with Events=on, which local stages have."""
    return [f"jobpipe-{stage}-{name}" for name in FUNCTIONS if (name == "api") is (app == "api")]


def _check_syntax(path: Path, content: bytes) -> None:
    try:
        compile(content, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = path if line is None else f"{path}:{line}"
        raise OperatorError(f"{where}: {getattr(error, 'msg', error)}; the functions run what they had") from None


def _zipped(files: Mapping[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()
