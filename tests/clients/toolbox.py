"""Paths of the generators, linters and runtimes of `make test-clients`, and a function that runs one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from infra.settings import ROOT

PYTHON_TOOLS = ROOT / ".jobpipe" / "clients-venv" / "bin"
NPM_PACKAGES = ROOT / ".jobpipe" / "clients-npm" / "node_modules"
CONTRACT = ROOT / "docs" / "reference" / "openapi.json"
PROGRAMS = Path(__file__).with_name("programs")
SECONDS = 300


def environment(**more: str) -> dict[str, str]:
    """Return an environment without the user's proxies and settings, whose PATH begins with the tools."""
    inherited = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    path = f"{PYTHON_TOOLS}:{NPM_PACKAGES / '.bin'}:/usr/bin:/bin"
    return inherited | {"PATH": path, "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"} | more


def run(*command: str | Path, folder: Path = ROOT, variables: dict[str, str] | None = None) -> str:
    """Run a command, and return its output; raise AssertionError with the output if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment(**(variables or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout
