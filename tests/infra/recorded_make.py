"""Run the real Makefile in a folder whose programs only record their arguments."""

from __future__ import annotations

import atexit
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.commands import ROOT, clean_environment

MAKEFILE = (ROOT / "Makefile").read_text()
TAKEN = re.compile(r"(?:(--[a-z-]+)=)?@(?:([a-z]+):)?([A-Za-z_]+)")
OWN_VARIABLES = {
    "MAKE_GIVEN",
    "PY",
    "RUN",
    "JOBPIPE",
    "CHECKS",
    "CLIENTS",
    "TEMPLATES",
    "LINT_REGIONS",
    "UV_COMPILE",
    "set_up",
    "need_chromium",
    "each",
}

# A shell starts in a tenth of Python's time. A record is the program, the number of its arguments, these, its
# environment, and an empty text, each with a NUL at its end.
RECORDER = """#!/bin/sh
if [ "$1 $2" = "-m infra.make_values" ]; then
    shift 2
    exec {python} -S -c '{values}' {root} "$0" "$@"
fi
{{ printf '%s\\0' "${{0##*/}}" "$#" "$@"; env -0; printf '\\0'; }} >>records
"""
VALUES = """
import sys
sys.path.insert(0, sys.argv[1])
from infra import make_values
sys.executable = sys.argv[2]  # which it runs next
del sys.argv[1:3]
make_values.main()
"""


@dataclass(frozen=True)
class Target:
    """A target of the Makefile, with the values that its recipes take, as (option, kind, variable)."""

    name: str
    help: str
    taken: tuple[tuple[str, str, str], ...]

    def variables(self, kind: str) -> set[str]:
        return {name for _, each, name in self.taken if each == kind}


def read_targets() -> list[Target]:
    """Return all targets that `make help` lists."""
    found = re.findall(r"^([a-z-]+):.*?## (.*)\n((?:\t.*\n)*)", MAKEFILE, re.MULTILINE)
    return [Target(name, text, taken_by(recipe)) for name, text, recipe in found]


def taken_by(recipe: str) -> tuple[tuple[str, str, str], ...]:
    words = re.sub(r"^\t@", "", recipe, flags=re.MULTILINE).split()
    return tuple((match[1] or "", match[2] or "", match[3]) for match in map(TAKEN.fullmatch, words) if match)


TARGETS = read_targets()
IN_THE_SHELL = set(re.findall(r"\$\$\{?([A-Z_]{3,})", MAKEFILE))
VARIABLES = {name for each in TARGETS for _, _, name in each.taken} | IN_THE_SHELL


@dataclass(frozen=True)
class Result:
    """The result of a run of make."""

    status: int
    output: str
    records: list[dict[str, Any]]

    @property
    def programs(self) -> list[list[str]]:
        """The arguments of the targets' own programs."""
        set_up = (["-m", "infra.environments"], ["-m", "tests.clients.npm_packages"])
        given = [each["given"] for each in self.records]
        return [words for words in given if words[:2] not in set_up and words[:1] != ["-c"]]


@dataclass(frozen=True)
class Checkout:
    """A folder with the Makefile, whose programs only record their arguments."""

    folder: Path

    @property
    def mark(self) -> Path:
        """The file that exists if a value was run as a command."""
        return self.folder / "ran"

    def make(self, *words: str, given: Mapping[str, str] | None = None, by: str = "command line") -> Result:
        records = self.folder / "records"
        records.unlink(missing_ok=True)
        environment = clean_environment(PATH=f"{self.folder / 'bin'}:{os.environ['PATH']}")
        for name in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", *VARIABLES}:
            environment.pop(name, None)
        values = given or {}
        command = ["make", *words]
        if by == "environment":
            environment |= values
        else:
            command += [f"{name}={value}" for name, value in values.items()]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Result(done.returncode, done.stderr, list(read_records(records)))


def read_records(file: Path) -> Iterator[dict[str, Any]]:
    """Yield what each program has recorded, in their order."""
    parts = iter(os.fsdecode(file.read_bytes()).split("\0")[:-1] if file.exists() else [])
    for program in parts:
        given = [next(parts) for _ in range(int(next(parts)))]
        variables = [each.partition("=") for each in iter(lambda: next(parts), "")]
        yield {
            "program": program,
            "given": given,
            "environment": {name: value for name, _, value in variables},
        }


def make_checkout(folder: Path) -> Checkout:
    programs = {
        "bin": ["uv"],
        ".venv/bin": ["python", "ruff", "mypy", "cfn-lint"],
        ".jobpipe/checks-venv/bin": ["python", "checkov"],
        ".jobpipe/clients-venv/bin": ["python"],
    }
    for place in ("api_lambda", "worker_lambda", *programs):
        (folder / place).mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    for place, names in programs.items():
        for name in names:
            put_recorder(folder / place / name)
    return Checkout(folder)


def put_recorder(path: Path) -> None:
    path.symlink_to(_RECORDER)


def _write_recorder() -> Path:
    """Write the program once, before any thread of a test starts a process.

    A process that another thread starts meanwhile would have the file open for writing, and until it has replaced
    itself, nothing can run the file ("Text file busy").
    """
    folder = Path(tempfile.mkdtemp(prefix="recorder-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "recorder"
    path.write_text(RECORDER.format(python=shlex.quote(sys.executable), values=VALUES, root=shlex.quote(str(ROOT))))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


_RECORDER = _write_recorder()
