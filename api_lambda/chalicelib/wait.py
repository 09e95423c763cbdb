"""Waiting for a job inside the Lambda, so that its caller need not poll."""

from __future__ import annotations

import time

from jobpipe.job import Job, Status
from jobpipe.ports import JobStore

from .http import HttpRequest

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.25
_GROWTH = 1.3
_SPARE_SECONDS = 2.0  # to answer in, before Lambda ends the invocation


def wait_for(job: Job, seconds: float, jobs: JobStore, request: HttpRequest) -> Job:
    """The job as it is when it has ended, is between two attempts, or the time is up."""
    started = time.monotonic()
    until = started + min(seconds, request.remaining_seconds() - _SPARE_SECONDS)
    pause = _FIRST_PAUSE
    try:
        while job.status is Status.QUEUED and time.monotonic() + pause < until:
            time.sleep(pause)
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)
            job = jobs.get(job.job_id) or job
    finally:
        request.waits.append(time.monotonic() - started)
    return job
