"""Build the responses that show a batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from jobpipe.domain import json_text
from jobpipe.domain.errors import NotFound, Problem
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import UNFINISHED, Job, Status

from .job_responses import JSON, retry_after, retry_when_due
from .request_and_response import HttpResponse

EXPIRED, REFUSED = "expired", "refused"
COUNTS = (*(status.value for status in Status), EXPIRED, REFUSED)
"""The states by which the commands of a batch are counted."""


def batch_response(
    http_status: int,
    batch: Batch,
    jobs: Mapping[int, Job],
    *,
    unsent: Mapping[int, Problem] | None = None,
    problems: Mapping[int, Problem] | None = None,
) -> HttpResponse:
    """Return the batch as a resource; the keys of the mappings are the positions of the commands.

    `unsent` has the problems of commands without a job, and `problems` the problems of jobs that were not changed.
    """
    refused = {**batch.refused, **(unsent or {})}
    expired = NotFound("The job has expired.").to_problem()
    counts = Counter(dict.fromkeys(COUNTS, 0))
    entries: list[dict[str, Any]] = []
    for position in range(batch.size):
        job = jobs.get(position)
        if position in refused:
            counts[REFUSED] += 1
            entries.append({"problem": refused[position]})
        elif job is None:
            counts[EXPIRED] += 1
            entries.append({"problem": expired})
        else:
            counts[job.status.value] += 1
            entry = {"job": _job(job)}
            if problems and position in problems:
                entry["unchanged"] = problems[position]
            entries.append(entry)
    done = not any(counts[status.value] for status in UNFINISHED)
    members = {
        "id": batch.batch_id,
        "done": done,
        "size": batch.size,
        "counts": counts,
        "created_at": batch.created_at,
        "entries": entries,
        "links": {"self": f"/batches/{batch.batch_id}"},
    }
    optional = {"name": batch.name, "idempotency_key": batch.idempotency_key}
    members |= {member: value for member, value in optional.items() if value is not None}
    response = HttpResponse(
        http_status, json_text.encode(members), {"Content-Type": JSON}, {"batch_id": batch.batch_id}
    )
    if not done:
        unfinished = [job for job in jobs.values() if not job.status.done]
        waiting = [job.not_before for job in unfinished if job.status is Status.SCHEDULED and job.not_before]
        if len(waiting) == len(unfinished):
            response.headers["Retry-After"] = retry_when_due(min(waiting))
        else:
            response.headers["Retry-After"] = retry_after(max(job.updated_at for job in jobs.values()))
    return response


def _job(job: Job) -> dict[str, Any]:
    """Return a job without its result: a hundred results would not fit into one response."""
    members: dict[str, Any] = {
        "id": job.job_id,
        "status": job.status.value,
        "done": job.status.done,
        "collection": job.collection,
        "operation": job.operation,
        "item_id": job.item_id,
        "links": {"self": f"/jobs/{job.job_id}", "item": f"/{job.collection}/{quote(job.item_id, safe='')}"},
    }
    if job.not_before is not None:
        members["not_before"] = job.not_before
    if job.not_after is not None:
        members["not_after"] = job.not_after
    if job.error is not None:
        members["error"] = job.error
    if job.label is not None:
        members["label"] = job.label
    return members
