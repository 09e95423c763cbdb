"""How messages, documents and transactions name a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which life of which job: each explicit retry starts a new one."""

    job_id: str
    generation: str
