"""From a parsed command to its HTTP answer: submit it, wait if the caller prefers to, say what became of it."""

from __future__ import annotations

import uuid

from jobpipe.domain import json_text
from jobpipe.domain.commands import Command, CreateItem, SetFields
from jobpipe.domain.item_rules import MAX_DOCUMENT_BYTES, check_size
from jobpipe.domain.job import Job
from jobpipe.runtime.metrics import ACCEPTED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from ..http import request_fields
from ..http.job_responses import accepted_response, final_response
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from ..submitting.submit import submit
from ..submitting.wait import wait_for

_GROWTH = 6
"""1e15 becomes 1000000000000000.0, 4.5 times as long; a DELETE character counts as six. Nothing grows more."""


def new_item_id() -> str:
    """The id for an item to be created: assigned on acceptance, so that the 202 can tell it."""
    return str(uuid.uuid4())


def answer(command: Command, request: HttpRequest, services: Services) -> HttpResponse:
    """The final answer, if the caller prefers to wait and the job ends in time, else 202 with the job."""
    seconds, key = request_fields.preferred_wait(request), request_fields.idempotency_key(request)
    check_as_written(command, request)
    job = submit(
        command, owner=request.owner, idempotency_key=key, request_id=request.request_id, services=services
    )
    return answer_for(job, seconds, request, services)


def check_as_written(command: Command, request: HttpRequest) -> None:
    """Refuse now what the worker would: a document that is within the limit as it was sent, and not as written."""
    if isinstance(command, CreateItem | SetFields) and len(request.body) > MAX_DOCUMENT_BYTES // _GROWTH:
        check_size(json_text.encode(command.document if isinstance(command, CreateItem) else command.changes))


def answer_for(job: Job, seconds: int, request: HttpRequest, services: Services) -> HttpResponse:
    """The same for a job that is accepted already: how it ended, if it does within so many seconds."""
    response, accepted = None, job  # as it was accepted: to show that needs no document, which may not be had
    if seconds:
        try:
            job = wait_for(job, seconds, request, services)
            if job.status.done:
                response = final_response(job, services.documents, request.to_root, request.request_id)
                response.headers["Preference-Applied"] = f"wait={seconds}"
        except Exception:  # noqa: BLE001  # the command is accepted, and no trouble in waiting for it may hide that
            about = {"job_id": job.job_id, "item_id": logged_id(job.item_id)}
            logger.warning("waiting failed", exc_info=True, extra=about)
    if response is None:
        response = accepted_response(accepted if job.status.done else job, services.documents, request.to_root)
    meter.add(ACCEPTED)
    return response
