"""The checkout's virtual environments, each made from a lock file. This module needs only the standard library.

An environment is recreated if its interpreter is missing or has another version, or if the environment was made in
another folder, whose packages its scripts would run.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.cli.file_lock import file_lock
from infra.cli.ownership import permission_problem
from infra.cli.reasons import on_screen
from infra.environments.pip_settings import pip_environment
from infra.environments.uv_settings import uv_environment
from infra.errors import OperatorError
from infra.settings import EMULATOR_VENV, ROOT, tool_environment

_INSTALLED, _UNUSABLE, _OUT_OF_DATE = 0, 1, 3
_CREATED_IN = re.compile(r"^command = .* -m venv (?:--\S+ )*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """A lock that is installed in a folder, which locks may share; the file `stamp` records the installation."""

    name: str
    title: str
    folder: Path
    lock: Path
    stamp: str = ".installed"
    editable: bool = False  # whether this checkout's client is installed too, for bin/jobpipe
    exact: bool = False  # whether it needs the caller's Python version, and no packages of earlier locks

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def digest(self) -> str:
        """The digest that an installation of the present files writes into the stamp."""
        files = [self.lock, ROOT / "pyproject.toml"] if self.editable else [self.lock]
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def is_installed(self) -> bool:
        stamp = self.folder / self.stamp
        return stamp.is_file() and stamp.read_text() == self.digest


_TOOLS, _OTHERS = ROOT / ".venv", ROOT / ".jobpipe"
_BENCH = "what the benchmark compares with (Celery, durable functions, Flask), and the plots"
_CHECKS = "the checks (checkov, pip-audit, cloudformation-validate)"
_CLIENTS = "what makes clients of the contract (openapi-generator, Java, Node.js)"
_LOCK = "requirements.lock"
_ALL = (
    Environment("tools", "the tools", _TOOLS, ROOT / _LOCK, editable=True),
    Environment("dev", "what tests and checks need", _TOOLS, ROOT / "requirements-dev.lock", ".dev-installed"),
    Environment("bench", _BENCH, _TOOLS, ROOT / "tests/bench" / _LOCK, ".bench-installed"),
    Environment(
        "browser",
        "what drives a browser (Playwright, axe)",
        _TOOLS,
        ROOT / "tests/browser" / _LOCK,
        ".browser-installed",
    ),
    Environment("checks", _CHECKS, _OTHERS / "checks-venv", ROOT / "infra/checks" / _LOCK),
    Environment("clients", _CLIENTS, _OTHERS / "clients-venv", ROOT / "tests/clients" / _LOCK),
    Environment("emulator", "the emulator (MiniStack)", EMULATOR_VENV, ROOT / "infra/emulator" / _LOCK, exact=True),
)
ENVIRONMENTS = {each.name: each for each in _ALL}


def ensure(environment: Environment) -> Path:
    """Make or renew the environment and install its lock, if needed; return its interpreter."""
    folder = environment.folder
    try:
        with file_lock(ROOT / ".jobpipe" / f"{folder.name}.lock"):
            status = _run_check(environment)
            usable = {_INSTALLED} if environment.exact else {_INSTALLED, _OUT_OF_DATE}
            if status not in usable:
                if status != _OUT_OF_DATE and folder.exists():
                    reason = "its Python is missing or has another version, or it was made in another folder"
                    _tell(f"{folder} is recreated: {reason} ...")
                _create(folder)
            if status != _INSTALLED:
                _tell(f"installing {environment.title} ...")
                _install(environment)
    except PermissionError as error:
        raise OperatorError(permission_problem(Path(error.filename or folder))) from None
    return environment.python


def check(environment: Environment, version: str) -> int:
    """Return the exit status that describes the environment in which this process runs."""
    if not was_created_here(Path(sys.prefix), version) or importlib.util.find_spec("pip") is None:
        return _UNUSABLE
    return _INSTALLED if environment.is_installed() else _OUT_OF_DATE


def was_created_here(folder: Path, version: str) -> bool:
    """Whether the environment was made with this version of Python, and in its present folder."""
    try:
        config = (folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape")
        created_in = _CREATED_IN.search(config)
        is_here = created_in is not None and os.path.samefile(created_in[1], folder)  # noqa: PTH121  # text
    except OSError:
        return False
    return is_here and version == python_version() and f"\nversion = {version}." in config


def python_version() -> str:
    """Return the version of this interpreter, such as 3.13."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run_check(environment: Environment) -> int:
    command = [str(environment.python), "-m", "infra.environments", "check", environment.name]
    command += [python_version()] if environment.exact else []
    try:
        return subprocess.run(
            command, cwd=ROOT, env=tool_environment(), capture_output=True, check=False
        ).returncode
    except OSError:  # the interpreter does not exist
        return _UNUSABLE


def _create(folder: Path) -> None:
    for each in (folder, folder.parent):
        if each.exists() and not os.access(each, os.W_OK | os.X_OK):
            raise OperatorError(permission_problem(each))
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], tool_environment(), f"{folder} cannot be made")


def _install(environment: Environment) -> None:
    stamp = environment.folder / environment.stamp
    stamp.unlink(missing_ok=True)
    python, failure = str(environment.python), f"{environment.title} cannot be installed"
    settings = pip_environment(python)
    lock = ["-r", str(environment.lock)]
    if not _is_installed_by_uv(python, lock, settings):
        _run([python, "-m", "pip", "install", "--quiet", "--require-hashes", *lock], settings, failure)
    if environment.editable:
        without = ["--no-deps", "--no-build-isolation"]
        _run([python, "-m", "pip", "install", "--quiet", *without, "-e", str(ROOT)], settings, failure)
    stamp.write_text(environment.digest)


def _is_installed_by_uv(python: str, lock: list[str], pip_settings: dict[str, str]) -> bool:
    """Install with uv, if it is on the PATH and has all of pip's settings; return whether that succeeded."""
    uv, settings = shutil.which("uv"), uv_environment(pip_settings)
    if uv is None or settings is None:
        return False
    command = [uv, "pip", "install", "--quiet", "--require-hashes", "--python", python, *lock]
    try:
        return subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, check=False).returncode == 0
    except OSError:  # uv cannot be executed
        return False


def _run(command: list[str], settings: dict[str, str], failure: str) -> None:
    done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        output = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["no output"]
        fallback = output[-1] if output[0].startswith("Traceback") else output[0]
        cause = next((line for line in output if line.startswith(("ERROR: ", "Error: "))), fallback)
        raise OperatorError(f"{failure}: {on_screen(cause)}")
