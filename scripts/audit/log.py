"""Finds in the API's log whether a job's caller got a 202."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from jobpipe.domain.jobs.job import Job

_CLOCK_DIFFERENCE = timedelta(minutes=1)  # between the log and the Lambda, at most
_ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class ApiLog:
    """The log group of the API Lambda."""

    logs: Any  # a client of CloudWatch Logs
    group: str

    def was_answered(self, job: Job, since: datetime | None) -> bool:
        """Return whether a request for this job got a 202 since this time or, if it is None, at any time.

        Return True if the log does not reach back to the job's creation, since the response may have been a 202.
        """
        start = since or datetime.fromisoformat(job.created_at) - _CLOCK_DIFFERENCE
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group,
            startTime=int(start.timestamp() * 1000),
            # A plain term: emulators do not support patterns for JSON.
            filterPattern=f'"{job.job_id}"',
        )
        if any(_is_accepted(event["message"], job.job_id) for page in pages for event in page["events"]):
            return True
        return since is None and not self._reaches_back_to(start)

    def _reaches_back_to(self, moment: datetime) -> bool:
        found = self.logs.describe_log_groups(logGroupNamePrefix=self.group)["logGroups"]
        days = next((group.get("retentionInDays") for group in found if group["logGroupName"] == self.group), None)
        return days is None or datetime.now(UTC) - moment < timedelta(days=days)


def _is_accepted(message: str, job_id: str) -> bool:
    try:
        line = json.loads(message)
    except ValueError:
        return False
    return (
        isinstance(line, dict)
        and line.get("message") == "request"
        and line.get("status") == _ACCEPTED
        and (line.get("job_id") == job_id or job_id in line.get("job_ids", ()))
    )
