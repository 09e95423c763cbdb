"""The machine and the versions of a run."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from infra.environments.venvs import ENVIRONMENTS
from infra.settings import ROOT

_PACKAGES = ("aws-durable-execution-sdk-python", "boto3", "celery", "flask", "redis", "werkzeug")


def about() -> dict[str, object]:
    """Return the date, commit, machine and versions of this run."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "machine": _machine(),
        "versions": _versions(),
    }


def _commit() -> str | None:
    """Return the commit, with "-dirty" if files differ from it; None without git or a checkout."""
    git = shutil.which("git")
    if git is None:
        return None
    command = (git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return completed.stdout.strip() or None


def _machine() -> dict[str, object]:
    return {
        "processor": _first_match(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "ministack": _first_match(r"ministack==(\S+)", ENVIRONMENTS["emulator"].lock) or "unknown",
    }
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    server = shutil.which("redis-server")
    if server:
        output = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
        found["redis-server"] = next(iter(re.findall(r"v=(\S+)", output)), "unknown")
    return found


def _first_match(pattern: str, file: Path) -> str | None:
    if not file.exists():
        return None
    found = re.search(pattern, file.read_text())
    return found[1].strip(" \\") if found else None
