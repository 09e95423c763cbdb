"""The endpoints under /jobs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from urllib.parse import urlencode

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.errors import JobListOff, NotFound
from jobpipe.domain.jobs.cancel import cancel, why_not_cancelled
from jobpipe.domain.jobs.dismiss import dismiss
from jobpipe.domain.jobs.job import Job, JobPage, Status, is_job_id
from jobpipe.domain.jobs.job_filter import JobFilter

from ..http import request_fields
from ..http.callers import Right
from ..http.job_responses import job_response, jobs_response
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from ..submitting.task_tokens import check_task_tokens
from ..submitting.wait import wait_for
from .submit_and_respond import check_limit, new_item_id, submit_and_respond, wait_and_respond


def submit_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue a command in its raw form."""
    request_fields.refuse_preconditions(request)
    command = request_fields.json_body(
        request, partial(parse_command, new_item_id=new_item_id(), registry=services.registry, owner=request.owner)
    )
    check_task_tokens([command], services)
    return submit_and_respond(command, request, services)


def get_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Return the job as it is now, or as soon as it ends or is retrying."""
    seconds = request_fields.wait_query(request)
    job = _job_in_path(request, services, or_failed=request.caller.may(Right.SEE_ALL_FAILURES))
    if seconds:
        job = wait_for(job, seconds, request, services)
    is_own = job.owner == request.owner  # an operator must not see the command of another caller
    shown = _as_seen_by(request.owner, job)
    return job_response(200, shown, services.documents, with_owner=not is_own, with_command=is_own)


def list_jobs(request: HttpRequest, services: Services) -> HttpResponse:
    """List a page of the caller's jobs, latest first."""
    job_filter, limit = request_fields.job_filter(request), request_fields.limit(request)
    page = _page_of_jobs(request, services, job_filter, limit)
    link = None
    if page.next_after is not None:
        kept = {name: values[0] for name, values in request.query.items() if name not in {"limit", "cursor"}}
        cursor = request_fields.make_cursor(page.next_after)
        link = f"{request.to_root}jobs?{urlencode({**kept, 'limit': limit, 'cursor': cursor})}"
    jobs = [_as_seen_by(request.owner, job) for job in page.jobs]
    return jobs_response(jobs, link, with_owner="owner" in request.query)


def _as_seen_by(owner: str, job: Job) -> Job:
    """Return the job without its label if another caller owns it: the label comes from that caller's command."""
    return job if job.owner == owner or job.label is None else replace(job, label=None)


def _page_of_jobs(request: HttpRequest, services: Services, job_filter: JobFilter, limit: int) -> JobPage:
    owner, status = request_fields.owner_filter(request, job_filter), job_filter.status
    if owner == request_fields.EVERY_OWNER and status is not None:
        after = request_fields.all_owners_cursor(request)
        return services.jobs.list_jobs_of_all_owners(status, limit, after, now(), job_filter=job_filter)
    if status in request_fields.STATUSES_WITH_LISTS:
        after = request_fields.job_cursor(request, status.value)
        return services.jobs.list_jobs(owner or request.owner, status, limit, after, now(), job_filter=job_filter)
    after = request_fields.job_cursor(request, "all")
    if services.recent_jobs is None:
        raise JobListOff(
            "This stage keeps no list of all jobs, since it is deployed without the parameter JobLists=on."
            " GET /jobs?status=failed and GET /jobs?status=retrying work without it."
        )
    return services.recent_jobs.page(request.owner, job_filter, limit, after, now())


def cancel_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Cancel a job that has not taken effect."""
    request_fields.refuse_preconditions(request)
    job = cancel(_job_in_path(request, services), services.jobs, sends_events=services.sends_events)
    if job.status is not Status.CANCELLED:
        raise why_not_cancelled(job)
    return job_response(200, job, services.documents)


def retry_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue a failed job again."""
    from jobpipe.domain.jobs.retry import retry  # noqa: PLC0415  # most requests do not need it

    request_fields.refuse_preconditions(request)
    seconds, at = request_fields.preferred_wait(request), now()
    time_limit = request_fields.new_time_limit(request, at)
    job = _job_in_path(request, services)
    check_limit(int(job.status is Status.FAILED), request, services)
    job = retry(
        job,
        jobs=services.jobs,
        documents=services.documents,
        queue=services.queue,
        request_id=request.request_id,
        at=at,
        not_after=time_limit,
    )
    return wait_and_respond(job, seconds, request, services)


def dismiss_job(request: HttpRequest, services: Services) -> HttpResponse:
    """Take a failed job off the list of failed jobs."""
    request_fields.refuse_preconditions(request)
    job = dismiss(_job_in_path(request, services), services.jobs)
    return job_response(200, job, services.documents)


def _job_in_path(request: HttpRequest, services: Services, *, or_failed: bool = False) -> Job:
    return own_job(request.path_parameters["job_id"], request, services, or_failed=or_failed)


def own_job(job_id: str, request: HttpRequest, services: Services, *, or_failed: bool = False) -> Job:
    """Return the caller's job; with `or_failed`, also a failed or retrying job of another caller."""
    job = services.jobs.get(job_id) if is_job_id(job_id) else None
    # Another caller's job is a 404 too, so that callers learn nothing about each other.
    if (
        job is None
        or job.is_expired(now())
        or (job.owner != request.owner and not (or_failed and job.status in request_fields.LISTED_STATUSES))
    ):
        raise NotFound("There is no such job, or it has expired.")
    return job
