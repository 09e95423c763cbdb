"""`make mutants`: break the code on purpose, one promise at a time, and report whether the tests fail."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.table import Table

from tests.mutants.breakages import Breakage, read_breakages

ROOT = Path(__file__).parents[2]
SECONDS = 300  # for the tests of one breakage
TEST_FAILED = 1  # an exit status of pytest; others are errors of the run
_OPTIONS = ("--faults=calls", "-x", "-q", "-p", "no:cacheprovider")
_NOT_NEEDED = shutil.ignore_patterns(".git", ".venv", ".jobpipe", "build", ".*_cache", ".hypothesis", "__pycache__")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 if the tests fail with every breakage, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", help="try only breakages whose promise or name contains this")
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args(arguments)
    chosen = [each for each in read_breakages() if wanted.only in f"{each.promise} {each.name}"]
    if not chosen:
        parser.error(f"no breakage's promise or name contains {wanted.only!r}")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="jobpipe-mutants-") as directory:
        copies: SimpleQueue[Path] = SimpleQueue()
        for i in range(wanted.parallel):
            copies.put(_copy(Path(directory) / str(i)))

        def run(breakage: Breakage) -> str:
            copy = copies.get()
            try:
                verdict = _try(breakage, copy)
            finally:
                copies.put(copy)
            console.print(f"{verdict:8} {breakage.promise} {breakage.name}", highlight=False)
            return verdict

        with ThreadPoolExecutor(wanted.parallel) as pool:
            verdicts = list(pool.map(run, chosen))
    _report(chosen, verdicts, console)
    return 0 if set(verdicts) <= {"caught"} else 1


def _copy(to: Path) -> Path:
    shutil.copytree(ROOT, to, ignore=_NOT_NEEDED)
    (to / ".venv").symlink_to(ROOT / ".venv")
    (to / ".jobpipe").mkdir()
    environment = ROOT / ".jobpipe" / "emulator-venv"
    if environment.exists():
        (to / ".jobpipe" / "emulator-venv").symlink_to(environment)
    return to


def _try(breakage: Breakage, copy: Path) -> str:
    path = copy / breakage.path
    original = path.read_text()
    if breakage.old not in original:
        return "MISSING"
    path.write_text(original.replace(breakage.old, breakage.new, 1))
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *breakage.tests, *_OPTIONS],
            cwd=copy,
            env={**os.environ, "CI": "true", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "caught"  # a test that never ends counts as a failure
    finally:
        path.write_text(original)
    if done.returncode == 0:
        return "SURVIVED"
    return "caught" if done.returncode == TEST_FAILED else "ERROR"


def _report(chosen: Sequence[Breakage], verdicts: Sequence[str], console: Console) -> None:
    table = Table("promise", "breakages", "caught", "not caught", title="Deliberate breakages")
    for promise in sorted({each.promise for each in chosen}):
        mine = [(each.name, v) for each, v in zip(chosen, verdicts, strict=True) if each.promise == promise]
        missed = [f"{name} ({verdict})" for name, verdict in mine if verdict != "caught"]
        table.add_row(promise, str(len(mine)), str(len(mine) - len(missed)), "\n".join(missed) or "-")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
