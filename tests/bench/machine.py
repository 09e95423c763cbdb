"""The machine and the versions that figures come from."""

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

_PACKAGES = ("boto3", "celery", "flask", "redis", "werkzeug")


def about() -> dict[str, object]:
    """When, where, with what."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _commit(),
        "machine": _machine(),
        "versions": _versions(),
    }


def _commit() -> str | None:
    """What is checked out, "-dirty" if it was changed since; None if this is no checkout, or there is no git."""
    git = shutil.which("git")
    if git is None:
        return None
    words = (git, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _machine() -> dict[str, object]:
    return {
        "processor": _first(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def _versions() -> dict[str, str]:
    found = {
        "python": platform.python_version(),
        "ministack": _first(r"ministack==(\S+)", ENVIRONMENTS["emulator"].lock) or "unknown",
    }
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    server = shutil.which("redis-server")
    if server:
        said = subprocess.run([server, "--version"], capture_output=True, text=True, check=False).stdout
        found["redis-server"] = next(iter(re.findall(r"v=(\S+)", said)), "unknown")
    return found


def _first(pattern: str, file: Path) -> str | None:
    if not file.exists():
        return None
    found = re.search(pattern, file.read_text())
    return found[1].strip(" \\") if found else None
