"""Submit a command, wait for its job if the caller prefers to, and build the response."""

from __future__ import annotations

import uuid

from jobpipe.domain import json_text
from jobpipe.domain.commands.command import Command, CreateItem, SetFields, UpsertItem
from jobpipe.domain.documents.item_rules import MAX_DOCUMENT_BYTES, check_size
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.metrics import ACCEPTED, meter
from jobpipe.runtime.telemetry import logged_id, logger

from ..http import request_fields
from ..http.job_responses import accepted_response, final_response
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from ..submitting.submit import submit
from ..submitting.wait import wait_for

_LARGEST_GROWTH = 6
"""How many times longer JSON can become when it is re-encoded: a DELETE character becomes an escape of six."""


def submit_and_respond(command: Command, request: HttpRequest, services: Services) -> HttpResponse:
    """Submit the command; return the final response if the job ends within the preferred wait, else a 202."""
    wait_seconds, key = request_fields.preferred_wait(request), request_fields.idempotency_key(request)
    check_stored_size(command, request)
    check_limit(1, request, services)
    job = submit(
        command, owner=request.owner, idempotency_key=key, request_id=request.request_id, services=services
    )
    return wait_and_respond(job, wait_seconds, request, services)


def check_limit(commands: int, request: HttpRequest, services: Services) -> None:
    """Raise TooManyRequests if the caller may not send so many commands now. Call this before storing anything."""
    if services.limit is not None and commands:
        services.limit.spend(request.owner, commands)


def check_stored_size(command: Command, request: HttpRequest) -> None:
    """Raise TooLarge if the document is within the limit as it was sent, but not as the worker would store it."""
    if (
        isinstance(command, CreateItem | SetFields | UpsertItem)
        and len(request.body) > MAX_DOCUMENT_BYTES // _LARGEST_GROWTH
    ):
        check_size(json_text.encode(command.changes if isinstance(command, SetFields) else command.document))


def wait_and_respond(accepted: Job, wait_seconds: int, request: HttpRequest, services: Services) -> HttpResponse:
    """Return the final response of an accepted job if it ends within `wait_seconds`, else a 202."""
    response = _response_in_time(accepted, wait_seconds, request, services)
    meter.add(ACCEPTED, collection=accepted.collection)
    return response


def _response_in_time(accepted: Job, wait_seconds: int, request: HttpRequest, services: Services) -> HttpResponse:
    job = accepted
    if wait_seconds:
        try:
            job = wait_for(accepted, wait_seconds, request, services)
            if job.status.done:
                response = final_response(job, services.documents, request.to_root, request.request_id)
                response.headers["Preference-Applied"] = f"wait={wait_seconds}"
                return response
        except Exception:  # noqa: BLE001  # the command is accepted, and the response must say so
            logger.warning(
                "waiting failed; the response is the 202",
                exc_info=True,
                extra={"job_id": job.job_id, "item_id": logged_id(job.item_id)},
            )
    # An ended job would need the document of its result, which could not be read: the 202 shows the accepted job.
    return accepted_response(accepted if job.status.done else job, services.documents, request.to_root)


def new_item_id() -> str:
    """Return an id for an item to be created. It is assigned on acceptance, so that the 202 can contain it."""
    return str(uuid.uuid4())
