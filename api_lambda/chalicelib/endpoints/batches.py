"""The endpoints under /batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from functools import partial

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import Command
from jobpipe.domain.errors import NotFound
from jobpipe.domain.jobs.batch import Batch, is_batch_id, parse_batch
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.runtime.metrics import ACCEPTED, UNAVAILABLE, meter
from jobpipe.runtime.telemetry import logger

from ..http import request_fields
from ..http.batch_responses import batch_response
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from ..submitting.submit_batch import submit_batch as submit
from ..submitting.task_tokens import check_task_tokens
from ..submitting.time_limits import AcceptanceTime
from ..submitting.whole_batch import cancel_jobs, retry_jobs
from .submit_and_respond import check_limit, check_stored_size


def submit_batch(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue up to 100 commands and report the outcome of each."""
    request_fields.refuse_preconditions(request)
    key = request_fields.idempotency_key(request)
    acceptance = AcceptanceTime(request.owner, key, services)

    def check(command: Command) -> None:
        check_stored_size(command, request)
        acceptance.check(command)

    requested = request_fields.json_body(
        request, partial(parse_batch, check=check, registry=services.registry, owner=request.owner)
    )
    check_task_tokens(requested.commands.values(), services)
    check_limit(len(requested.commands), request, services)
    submitted = submit(
        requested,
        at=acceptance.at,
        owner=request.owner,
        idempotency_key=key,
        request_id=request.request_id,
        services=services,
        seconds_left=request.remaining_seconds,
    )
    unsent = {position: problem.to_problem() for position, problem in submitted.unsent.items()}
    if unsent:
        meter.add(UNAVAILABLE)
        first = next(iter(submitted.unsent.values()))
        extra = {"unsent": len(unsent)}
        logger.warning("part of a batch was not queued; the response lists it", exc_info=first, extra=extra)
    response = batch_response(202, submitted.batch, submitted.jobs, unsent=unsent)
    response.headers["Location"] = f"{request.to_root}batches/{submitted.batch.batch_id}"
    _count_accepted(submitted.jobs.values(), response)
    return response


def get_batch(request: HttpRequest, services: Services) -> HttpResponse:
    """Return the batch as it is now, with its jobs counted by status."""
    batch, jobs = _own_batch(request, services)
    return batch_response(200, batch, jobs)


def cancel_batch(request: HttpRequest, services: Services) -> HttpResponse:
    """Cancel the jobs of the batch that have not taken effect, and report the outcome of each."""
    request_fields.refuse_preconditions(request)
    batch, jobs = _own_batch(request, services)
    result = cancel_jobs(jobs, services, request.remaining_seconds)
    return batch_response(200, batch, result.jobs, problems=result.problems)


def retry_batch(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue the failed jobs of the batch again, and report the outcome of each."""
    request_fields.refuse_preconditions(request)
    batch, jobs = _own_batch(request, services)
    check_limit(sum(job.status is Status.FAILED for job in jobs.values()), request, services)
    result = retry_jobs(jobs, request.request_id, services, request.remaining_seconds)
    response = batch_response(202, batch, result.jobs, problems=result.problems)
    response.headers["Location"] = f"{request.to_root}batches/{batch.batch_id}"
    _count_accepted([result.jobs[position] for position in sorted(result.changed)], response)
    return response


def _own_batch(request: HttpRequest, services: Services) -> tuple[Batch, dict[int, Job]]:
    """Return the caller's batch, and its unexpired jobs by position."""
    batch_id = request.path_parameters["batch_id"]
    batch = services.batches().get(batch_id) if is_batch_id(batch_id) else None
    at = now()
    # Another caller's batch is a 404 too, so that callers learn nothing about each other.
    if batch is None or batch.owner != request.owner or batch.is_expired(at):
        raise NotFound("There is no such batch, or it has expired.")
    positions = {batch.job_id(position): position for position in batch.accepted_positions[: batch.stored]}
    found = services.batches().jobs(list(positions))
    return batch, {positions[job_id]: job for job_id, job in found.items() if not job.is_expired(at)}


def _count_accepted(jobs: Collection[Job], response: HttpResponse) -> None:
    """Log the jobs that the 202 promises, so that the audit finds them, and count them."""
    response.log["job_ids"] = [job.job_id for job in jobs]
    for collection, number in Counter(job.collection for job in jobs).items():
        meter.add(ACCEPTED, number, collection=collection)
