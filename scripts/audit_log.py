"""Whether the API's log says that a job's caller was answered with 202."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobpipe.job import Job

_EARLIER_MS = 60_000  # clocks differ
_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class ApiLog:
    """The log group of the API Lambda."""

    logs: Any  # a client of CloudWatch Logs
    group: str

    def was_answered(self, job: Job) -> bool:
        """Whether a request that was answered with 202 names this job."""
        start = int(datetime.fromisoformat(job.created_at).timestamp() * 1000) - _EARLIER_MS
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group,
            startTime=start,
            # A plain term; emulators know no patterns for JSON.
            filterPattern=f'"{job.job_id}"',
        )
        return any(_says_accepted(event["message"], job.job_id) for page in pages for event in page["events"])


def _says_accepted(message: str, job_id: str) -> bool:
    try:
        line = json.loads(message)
    except ValueError:
        return False
    return (
        isinstance(line, dict)
        and line.get("message") == "request"
        and line.get("status") == _ACCEPTED
        and line.get("job_id") == job_id
    )
