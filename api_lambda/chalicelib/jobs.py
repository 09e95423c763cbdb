"""The endpoints under /jobs."""

from __future__ import annotations

from jobpipe.clock import now
from jobpipe.commands import parse_command
from jobpipe.errors import NotFound
from jobpipe.job import is_job_id

from . import http_requests as said
from .answer import answer, new_item_id
from .http import HttpRequest, HttpResponse
from .job_responses import job_response
from .services import Services
from .wait import wait_for


def submit_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue a command in its raw form."""
    said.refuse_preconditions(request)
    command = parse_command(said.json_body(request), new_item_id=new_item_id())
    return answer(command, request, services, to_root="")


def get_job(request: HttpRequest, services: Services) -> HttpResponse:
    """The job now, or as soon as it ends or starts retrying."""
    seconds = said.wait_query(request)
    job_id = request.path_parameters["job_id"]
    job = services.jobs.get(job_id) if is_job_id(job_id) else None
    # Another caller's job is answered like none, so that nobody learns which ids exist (P9).
    if job is None or job.owner != request.owner or job.is_expired(now()):
        raise NotFound("There is no such job, or it has expired.")
    if seconds:
        job = wait_for(job, seconds, services.jobs, request)
    return job_response(200, job, services.documents)
