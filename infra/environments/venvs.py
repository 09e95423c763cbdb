"""`python -m infra.environments check|make NAME`: the checkout's virtual environments, each from its lock file.

This needs only the standard library. The environment's own interpreter runs `check`, which changes nothing; any
Python from 3.11 on runs `make`. An environment is made anew if its interpreter is missing or of another version, or
if it was made in another folder, since its scripts would run the packages there.
"""

import argparse
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.cli.file_lock import file_lock
from infra.cli.ownership import permission_problem
from infra.cli.reasons import on_screen
from infra.environments.pip_settings import pip_environment
from infra.errors import OperatorError
from infra.settings import EMULATOR_VENV, ROOT, tool_environment

_ALL_THERE, _UNUSABLE, _OUT_OF_DATE = 0, 1, 3
_ANEW = "is made anew: its Python is missing or has another version, or it was made in another folder"
_MADE_IN = re.compile(r"^command = .* -m venv (?:--\S+ )*(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Environment:
    """A lock that is installed in a folder, which several may share; the file `stamp` records the installation."""

    name: str
    title: str
    folder: Path
    lock: Path
    stamp: str = ".installed"
    editable: bool = False  # whether this checkout's client is installed too, for bin/jobpipe
    exact: bool = False  # whether it must have the caller's Python version, and no package of an earlier lock

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def wanted(self) -> str:
        """The digest that the stamp must have."""
        files = [self.lock, ROOT / "pyproject.toml"] if self.editable else [self.lock]
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def is_all_there(self) -> bool:
        """Whether the lock is installed."""
        stamp = self.folder / self.stamp
        return stamp.is_file() and stamp.read_text() == self.wanted


_TOOLS = ROOT / ".venv"
_ALL = (
    Environment("tools", "the tools", _TOOLS, ROOT / "requirements-dev.lock", editable=True),
    Environment(
        "bench",
        "what the benchmark compares with (Celery, Flask), and the plots",
        _TOOLS,
        ROOT / "tests" / "bench" / "requirements.lock",
        stamp=".bench-installed",
    ),
    Environment(
        "browser",
        "what drives a browser (Playwright, axe)",
        _TOOLS,
        ROOT / "tests" / "browser" / "requirements.lock",
        stamp=".browser-installed",
    ),
    Environment(
        "checks",
        "the checks (checkov, pip-audit, cloudformation-validate)",
        ROOT / ".jobpipe" / "checks-venv",
        ROOT / "infra" / "checks" / "requirements.lock",
    ),
    Environment(
        "clients",
        "what makes clients of the contract (openapi-generator, Java, Node.js)",
        ROOT / ".jobpipe" / "clients-venv",
        ROOT / "tests" / "clients" / "requirements.lock",
    ),
    Environment(
        "emulator",
        "the emulator (MiniStack)",
        EMULATOR_VENV,
        ROOT / "infra" / "emulator" / "requirements.lock",
        exact=True,
    ),
)
ENVIRONMENTS = {each.name: each for each in _ALL}


def ensure(environment: Environment) -> None:
    """Make or renew the environment and install its lock, as far as needed."""
    folder = environment.folder
    try:
        with file_lock(ROOT / ".jobpipe" / f"{folder.name}.lock"):
            status = _look(environment)
            usable = {_ALL_THERE} if environment.exact else {_ALL_THERE, _OUT_OF_DATE}
            if status not in usable:
                if status == _UNUSABLE and folder.exists():
                    print(f"{folder} {_ANEW} ...", file=sys.stderr, flush=True)
                _make(folder)
            if status != _ALL_THERE:
                print(f"installing {environment.title} ...", file=sys.stderr, flush=True)
                _install(environment)
    except PermissionError as error:
        raise OperatorError(permission_problem(Path(error.filename or folder))) from None


def check(environment: Environment, version: str) -> int:
    """The status of the environment in which this process runs."""
    if not is_made_here(Path(sys.prefix), version) or importlib.util.find_spec("pip") is None:
        return _UNUSABLE
    return _ALL_THERE if environment.is_all_there() else _OUT_OF_DATE


def is_made_here(folder: Path, version: str) -> bool:
    """Whether the environment was made by this version of Python, and in its present folder."""
    try:
        made = (folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape")
        where = _MADE_IN.search(made)
        is_here = where is not None and os.path.samefile(where[1], folder)  # noqa: PTH121  # of a path of text
    except OSError:
        return False
    return is_here and version == _version() and f"\nversion = {version}." in made


def _version() -> str:
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def _look(environment: Environment) -> int:
    command = [str(environment.python), "-m", "infra.environments", "check", environment.name]
    command += [_version()] if environment.exact else []
    try:
        return subprocess.run(
            command, cwd=ROOT, env=tool_environment(), capture_output=True, check=False
        ).returncode
    except OSError:  # the interpreter does not exist
        return _UNUSABLE


def _make(folder: Path) -> None:
    for each in (folder, folder.parent):
        if each.exists() and not os.access(each, os.W_OK | os.X_OK):
            raise OperatorError(permission_problem(each))
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], tool_environment(), f"{folder} cannot be made")


def _install(environment: Environment) -> None:
    stamp = environment.folder / environment.stamp
    stamp.unlink(missing_ok=True)
    python, what = str(environment.python), f"{environment.title} cannot be installed"
    settings = pip_environment(python)
    lock = ["-r", str(environment.lock)]
    _run([python, "-m", "pip", "install", "--quiet", "--require-hashes", *lock], settings, what)
    if environment.editable:
        without = ["--no-deps", "--no-build-isolation"]
        _run([python, "-m", "pip", "install", "--quiet", *without, "-e", str(ROOT)], settings, what)
    stamp.write_text(environment.wanted)


def _run(command: list[str], settings: dict[str, str], what: str) -> None:
    done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["no output"]
        last = said[-1] if said[0].startswith("Traceback") else said[0]
        why = next((line for line in said if line.startswith(("ERROR: ", "Error: "))), last)
        raise OperatorError(f"{what}: {on_screen(why)}")


def main() -> int:
    """`check` returns 0 if everything is installed; `make` returns 1 after a line on what failed."""
    parser = argparse.ArgumentParser(prog="python -m infra.environments")
    parser.add_argument("command", choices=["check", "make"])
    parser.add_argument("name", choices=ENVIRONMENTS)
    parser.add_argument("version", nargs="?", default=_version())
    arguments = parser.parse_args()
    environment = ENVIRONMENTS[arguments.name]
    if arguments.command == "check":
        return check(environment, arguments.version)
    try:
        ensure(environment)
    except OperatorError as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
