"""Helpers of the tests of what `jobpipe watch` shows beside jobs: jobs at given times, files, screens and notes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.client.service import Service
from tests.client.service_state import problem

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
