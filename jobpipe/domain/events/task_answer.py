"""The answer to the task that waits for a job, once the job has ended.

The task succeeds with the job as `GET /jobs/{id}` shows it, or it fails with the job's problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, CommandCancelled
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.job_json import job_without_result

MAX_OUTPUT_BYTES = 256 * 1024
"""The most bytes of UTF-8 that Step Functions accepts as the output of a state."""

MAX_ERROR_LENGTH = 256
MAX_CAUSE_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True)
class TaskSuccess:
    """The output of the task, as JSON."""

    output: str


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """The short name of a problem's type, such as `too-late`, and the problem as JSON."""

    error: str
    cause: str


def answer_of(job: Job, source: Source) -> TaskSuccess | TaskFailure:
    """Return the answer for an ended job; raise Unavailable if its result cannot be read now."""
    if job.status is Status.SUCCEEDED:
        text = source.job_with_result(job, MAX_OUTPUT_BYTES)
        return TaskSuccess(text or f'{job_without_result(job)[:-1]},"truncated":true}}')
    problem = job.error or CommandCancelled("The command was cancelled before it took effect.").to_problem()
    error = str(problem["type"]).removeprefix(PROBLEM_TYPE_PREFIX)[:MAX_ERROR_LENGTH]
    return TaskFailure(error, _cause({**problem, "job_id": job.job_id}))


def _cause(problem: dict[str, Any]) -> str:
    """Return the problem as JSON; without its list of errors, or the end of its detail, if it is too large."""
    text = json_text.encode(problem)
    if len(text.encode()) <= MAX_CAUSE_BYTES:
        return text
    short = {name: value for name, value in problem.items() if name != "errors"} | {"truncated": True}
    text = json_text.encode(short)
    if len(text.encode()) <= MAX_CAUSE_BYTES:
        return text
    # A character of a JSON string has at most six bytes.
    return json_text.encode({**short, "detail": str(short["detail"])[: MAX_CAUSE_BYTES // 8]})
