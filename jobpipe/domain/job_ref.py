"""How messages, documents and transactions refer to a job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobRef:
    """One generation of a job; each retry starts a new one."""

    job_id: str
    generation: str
