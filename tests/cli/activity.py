"""Helpers of the tests of `jobpipe watch`: jobs at given times, imports that run, screens and notes."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.client.service import KEY, Service
from tests.client.service_state import problem
from tests.helpers import commands

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def put_job(service: Service, accepted: float, ended: float | None = None, status: str = "succeeded") -> str:
    """Give the service a job with these times, in seconds. Put the oldest first."""
    job_id = f"{len(service.jobs) + 1:032x}"
    document: dict[str, Any] = {
        "id": job_id, "status": "queued" if ended is None else status, "done": ended is not None,
        "operation": "create", "collection": "items", "item_id": f"i{job_id}", "attempts": 1, "retries": 0,
        "created_at": rfc3339(accepted), "updated_at": rfc3339(accepted if ended is None else ended), "links": {},
    }  # fmt: skip
    if status == "failed":
        document["error"] = problem(409)
    service.jobs[job_id] = document
    return job_id


def end_job(service: Service, job_id: str, ended: float) -> None:
    """End a job of the service at this time."""
    service.jobs[job_id] |= {"status": "succeeded", "done": True, "updated_at": rfc3339(ended)}


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tents(path: Path, rows: int, *, refused: int = 0) -> Path:
    """Write a file with so many rows, the last of which have names that are taken."""
    names = [f"Tent {n}" for n in range(rows - refused)] + ["Tent 0"] * refused
    path.write_text("".join(json.dumps({"name": name, "description": "For two"}) + "\n" for name in names))
    return path


def last_screen(shown: str) -> list[str]:
    """Return the lines that stand on a terminal at the end."""
    frame = re.split(r"\r?\x1b\[2K(?:\x1b\[1A\x1b\[2K)*", shown)[-1]
    return [line.rstrip() for line in _CONTROL.sub("", frame).replace("\r", "").splitlines()]


@contextmanager
def importing(service: Service, path: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    env = commands.clean_environment(JOBPIPE_URL=service.url, JOBPIPE_API_KEY=KEY, **environment)
    command = (sys.executable, "-m", "jobpipe_client.cli", "import", str(path), *arguments)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=commands.ROOT, env=env, text=True, **quiet) as running:
        try:
            yield running
        finally:
            running.kill()


def note(watching: subprocess.Popen[str], beginning: str) -> str:
    """Return the next note that begins so. End the watch if none comes."""
    assert watching.stderr is not None
    too_late = threading.Timer(30, watching.kill)
    too_late.start()
    try:
        for line in watching.stderr:
            if line.startswith(beginning):
                return line.rstrip()
    finally:
        too_late.cancel()
    raise AssertionError(f"no note begins with {beginning!r}")


def ended(watching: subprocess.Popen[str]) -> list[str]:
    """End it by Ctrl-C, and return the rest of its notes."""
    watching.send_signal(signal.SIGINT)
    return watching.communicate(timeout=30)[1].splitlines()
