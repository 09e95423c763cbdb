"""Build the responses that show a job, and the final responses that a synchronous API would have given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import now
from jobpipe.domain.errors import CommandCancelled, Problem
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.job_json import job_json, job_members, result_json
from jobpipe.runtime.telemetry import logged_id

from .request_and_response import HttpResponse

if TYPE_CHECKING:
    from jobpipe.domain.ports import DocumentStore

JSON = "application/json"
PROBLEM = "application/problem+json"

_LONGEST_POLL_DELAY = 30
_LONGEST_DELAY_UNTIL_DUE = 3600
_AGE_DIVISOR = 4


def poll_delay(age: float) -> int:
    """Return the seconds until the next poll of a job that last changed `age` seconds ago: a quarter of `age`."""
    return min(max(1, int(age / _AGE_DIVISOR)), _LONGEST_POLL_DELAY)


def job_response(
    status: int, job: Job, documents: DocumentStore, *, with_owner: bool = False, with_command: bool = False
) -> HttpResponse:
    """Return the job as a resource; raise InternalError or Unavailable if its result cannot be read."""
    text = job_json(job, documents, with_owner=with_owner, with_command=with_command)
    response = HttpResponse(status, text, {"Content-Type": JSON}, _ids(job))
    if job.status is Status.SCHEDULED and job.not_before is not None:
        response.headers["Retry-After"] = retry_when_due(job.not_before)
    elif not job.status.done:
        response.headers["Retry-After"] = retry_after(job.updated_at)
    return response


def retry_when_due(not_before: str) -> str:
    """Return the Retry-After header of a resource that waits until this time (RFC 3339)."""
    seconds = math.ceil((datetime.fromisoformat(not_before) - now()).total_seconds())
    return str(min(max(1, seconds), _LONGEST_DELAY_UNTIL_DUE))


def retry_after(changed_at: str) -> str:
    """Return the Retry-After header of a resource that last changed at this time (RFC 3339)."""
    return str(poll_delay((now() - datetime.fromisoformat(changed_at)).total_seconds()))


def jobs_response(jobs: Sequence[Job], next_page: str | None, *, with_owner: bool = False) -> HttpResponse:
    """Return a page of jobs without results; `next_page` is the next page's URL, relative to the request's."""
    text = ",".join(json_text.encode(job_members(job, with_owner=with_owner)) for job in jobs)
    response = HttpResponse(200, f"[{text}]", {"Content-Type": JSON})
    if next_page is not None:
        response.headers["Link"] = f'<{next_page}>; rel="next"'
    return response


def accepted_response(job: Job, documents: DocumentStore, to_root: str) -> HttpResponse:
    """Return a 202 with the job and the URL at which to poll it."""
    response = job_response(202, job, documents)
    # The URL is relative (RFC 9110, section 10.2.2), so that the stage's path need not be known.
    response.headers["Location"] = f"{to_root}jobs/{job.job_id}"
    return response


def final_response(job: Job, documents: DocumentStore, to_root: str, request_id: str) -> HttpResponse:
    """Return the response that a synchronous API would have given to the command of this ended job."""
    if job.status is not Status.SUCCEEDED:
        problem = job.error or CommandCancelled("The command was cancelled before it took effect.").to_problem()
        response = problem_response(problem, request_id)
        response.log.update(_ids(job))
        return response
    response = HttpResponse(200, result_json(job, documents), {"Content-Type": JSON}, _ids(job))
    if job.result_version is not None:
        response.headers["ETag"] = etags.etag(job.result_version)
    if job.operation == "create":
        response.status = 201
        response.headers["Location"] = f"{to_root}{job.collection}/{job.item_id}"
    return response


def problem_response(problem: Problem, request_id: str) -> HttpResponse:
    """Return the problem as an RFC 9457 document."""
    body = json_text.encode({**problem, "request_id": request_id})
    return HttpResponse(problem["status"], body, {"Content-Type": PROBLEM}, {"problem": problem["type"]})


def _ids(job: Job) -> dict[str, object]:
    return {
        "job_id": job.job_id,
        "collection": job.collection,
        "item_id": logged_id(job.item_id),
        "operation": job.operation,
    }
