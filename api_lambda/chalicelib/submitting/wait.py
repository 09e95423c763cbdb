"""Waiting for a job inside the Lambda, so that its caller need not poll."""

from __future__ import annotations

import math
import time

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.job import Job, Status
from jobpipe.runtime.metrics import WAITED, WAITS_IN_VAIN, meter
from jobpipe.runtime.telemetry import logged_id, logger

from ..http.request_and_response import HttpRequest
from ..services import Services

FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.06
READ_SECONDS = 0.009
"""A read costs as much as so many seconds of waiting (docs/decisions/0020; a test holds it to the prices)."""
_SPARE_SECONDS = 2.0  # to answer in, before Lambda ends the invocation


def wait_for(job: Job, seconds: float, request: HttpRequest, services: Services) -> Job:
    """The job as it is when it has ended, is between two attempts, or the time is up.

    It may be up at once: while waiting is in vain, or where the stage allows none.
    """
    seconds = min(seconds, services.longest_wait, request.remaining_seconds() - _SPARE_SECONDS)
    if seconds <= 0 or job.status is not Status.QUEUED or not services.breaker.allows(job.item_id, seconds):
        return job
    started = time.monotonic()
    try:
        job, answered = _poll(job, started, seconds, services)
    finally:
        waited = time.monotonic() - started
        request.waits.append(waited)
        meter.add(WAITED, waited)
    if answered and job.status is Status.QUEUED and waited >= seconds:
        services.breaker.in_vain(job.item_id, waited)
        meter.add(WAITS_IN_VAIN)
    return job


def pause_after(elapsed: float) -> float:
    """Seconds until the next read, after so many of waiting.

    As it grows with the root, the price of the reads stays in proportion to that of noticing the end too late. The
    bound makes that 30 ms at the median for however long a job, and costs an eighth more at most.
    """
    return min(max(FIRST_PAUSE, math.sqrt(2 * READ_SECONDS * elapsed)), LONGEST_PAUSE)


def _poll(job: Job, started: float, seconds: float, services: Services) -> tuple[Job, bool]:
    while job.status is Status.QUEUED:
        elapsed = time.monotonic() - started
        if elapsed >= seconds:
            break
        time.sleep(min(pause_after(elapsed), seconds - elapsed))  # with a last look when the time is up
        try:
            job = services.jobs.get(job.job_id) or job
        except Unavailable:
            # What was read before is an answer; DynamoDB, in trouble, is not asked again for a better one.
            about = {"job_id": job.job_id, "item_id": logged_id(job.item_id)}
            logger.warning("waiting ended early", exc_info=True, extra=about)
            return job, False
    return job, True
