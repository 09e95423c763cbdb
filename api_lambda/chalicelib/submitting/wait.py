"""Wait for a job inside the Lambda, so that the caller need not poll."""

from __future__ import annotations

import math
import time

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.runtime.metrics import WAITED, WAITS_IN_VAIN, meter
from jobpipe.runtime.telemetry import logged_id, logger

from ..http.request_and_response import HttpRequest
from ..services import Services

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.06
READ_SECONDS = 0.009
"""A read costs as much as this many seconds of waiting (docs/decisions/0020; a test compares the prices)."""
_SECONDS_TO_RESPOND = 2.0  # before Lambda ends the invocation


def wait_for(job: Job, seconds: float, request: HttpRequest, services: Services) -> Job:
    """Return the job when it is no longer queued, or after so many seconds.

    Return the job at once if the circuit breaker or the stage's longest wait forbids waiting.
    """
    seconds = min(seconds, services.longest_wait, request.remaining_seconds() - _SECONDS_TO_RESPOND)
    if seconds <= 0 or job.status is not Status.QUEUED or not services.breaker.allows(job.item_id, seconds):
        return job
    started = time.monotonic()
    try:
        job, readable = _poll(job, started, seconds, services)
    finally:
        waited = time.monotonic() - started
        request.waits.append(waited)
        meter.add(WAITED, waited)
    if readable and job.status is Status.QUEUED and waited >= seconds:
        services.breaker.record_wait_in_vain(job.item_id, waited)
        meter.add(WAITS_IN_VAIN)
    return job


def pause_after(elapsed: float) -> float:
    """Return the seconds until the next read, after so many seconds of waiting.

    A pause that grows with the square root keeps the price of the reads in proportion to the price of noticing the
    end late. The upper bound limits the median delay to 30 ms, and costs at most an eighth more.
    """
    return min(max(FIRST_PAUSE, math.sqrt(2 * READ_SECONDS * elapsed)), LONGEST_PAUSE)


def _poll(job: Job, started: float, seconds: float, services: Services) -> tuple[Job, bool]:
    """Return the job as last read, and whether every read succeeded."""
    while job.status is Status.QUEUED:
        elapsed = time.monotonic() - started
        if elapsed >= seconds:
            break
        time.sleep(min(pause_after(elapsed), seconds - elapsed))  # the last read is at the end of the wait
        try:
            job = services.jobs.get(job.job_id) or job
        except Unavailable:
            logger.warning(
                "the job could not be read; the wait ends, and the response shows the job as last read",
                exc_info=True,
                extra={"job_id": job.job_id, "item_id": logged_id(job.item_id)},
            )
            return job, False
    return job, True
