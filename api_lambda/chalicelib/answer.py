"""From a parsed command to its HTTP answer: submit it, wait if the caller prefers to, say what became of it."""

from __future__ import annotations

import time
import uuid

from jobpipe.commands import Command
from jobpipe.job import Job
from jobpipe.metrics import ACCEPTED, meter
from jobpipe.telemetry import logger

from . import http_requests as said
from .http import HttpRequest, HttpResponse
from .job_responses import accepted_response, final_response
from .services import Services
from .submit import submit
from .wait import wait_for


def new_item_id() -> str:
    """The id for an item to be created: assigned on acceptance, so that the 202 can tell it."""
    return str(uuid.uuid4())


def answer(command: Command, request: HttpRequest, services: Services, *, to_root: str) -> HttpResponse:
    """The final answer, if the caller prefers to wait and the job ends in time, else 202 with the job."""
    seconds, key = said.preferred_wait(request), said.idempotency_key(request)
    job = submit(
        command, owner=request.owner, idempotency_key=key, request_id=request.request_id, services=services
    )
    return answer_for(job, seconds, request, services, to_root=to_root)


def answer_for(job: Job, seconds: int, request: HttpRequest, services: Services, *, to_root: str) -> HttpResponse:
    """The same for a job that is accepted already: how it ended, if it does within so many seconds."""
    meter.add(ACCEPTED)
    response, started = None, time.monotonic()
    if seconds:
        try:
            job = wait_for(job, seconds, services.jobs, request)
            if job.status.done:
                response = final_response(job, services.documents, to_root, request.request_id)
                response.headers["Preference-Applied"] = f"wait={seconds}"
        except Exception:  # noqa: BLE001  # the command is accepted, and no trouble in waiting for it may hide that
            logger.warning("waiting failed", exc_info=True, extra={"job_id": job.job_id, "item_id": job.item_id})
    if response is None:
        response = accepted_response(job, services.documents, to_root)
    response.waited = time.monotonic() - started if seconds else 0.0
    return response
