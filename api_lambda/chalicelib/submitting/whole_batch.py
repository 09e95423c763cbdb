"""Cancel or retry the jobs of a batch, one after the other, by the rules for a single job.

If a call fails or time is short, the response has a problem for each job that was not reached. The same request can
be sent again to continue: jobs that are cancelled or queued again stay so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jobpipe.domain.clock import now
from jobpipe.domain.errors import InternalError, NotFound, Problem, Refusal, Unavailable
from jobpipe.domain.jobs.cancel import cancel, why_not_cancelled
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.retry import retry
from jobpipe.runtime.telemetry import logger

from ..services import Services

_SECONDS_FOR_A_JOB = 15.0
"""With less time left, no change begins: a call may hang in three tries, and the caller needs a response."""


@dataclass(slots=True)
class ChangedJobs:
    """The jobs of a batch after a request to change them, by their position in the batch."""

    jobs: dict[int, Job]  # as they are now, without expired jobs
    problems: dict[int, Problem] = field(default_factory=dict)  # why the request did not change the job
    # The jobs that the request changed; for a cancel, including jobs that were already cancelled.
    changed: list[int] = field(default_factory=list)


def cancel_jobs(jobs: Mapping[int, Job], services: Services, seconds_left: Callable[[], float]) -> ChangedJobs:
    """Cancel the jobs that have not taken effect; raise Unavailable if an outage prevents all of it.

    The last job is cancelled first. So no command takes effect after this request has cancelled an earlier command
    of the same item.
    """
    unfinished = [position for position in sorted(jobs, reverse=True) if not jobs[position].status.done]
    result = _change(
        unfinished, jobs, lambda job: cancel(job, services.jobs, sends_events=services.sends_events), seconds_left
    )
    for position, job in result.jobs.items():
        if job.status.done and job.status is not Status.CANCELLED:
            result.problems[position] = why_not_cancelled(job).to_problem()
    return result


def retry_jobs(
    jobs: Mapping[int, Job], request_id: str, services: Services, seconds_left: Callable[[], float]
) -> ChangedJobs:
    """Queue the failed jobs again, in the order of the batch; raise Unavailable if an outage prevents all of it.

    A job that another request has queued meanwhile does not count as changed, since the other request counts it. If
    both queue the job at the same moment, both count it, as two requests to retry a single job do.
    """
    queued: set[str] = set()

    def retry_listed(listed: Job) -> Job:
        job = services.jobs.get(listed.job_id)  # with its command, which the jobs of a batch are read without
        if job is None or job.is_expired(now()):
            raise NotFound("There is no such job, or it has expired.")
        if job.status is not Status.FAILED:
            return job
        job = retry(
            job,
            jobs=services.jobs,
            documents=services.documents,
            queue=services.queue,
            request_id=request_id,
            at=now(),
        )
        queued.add(job.job_id)
        return job

    failed = [position for position in sorted(jobs) if jobs[position].status is Status.FAILED]
    result = _change(failed, jobs, retry_listed, seconds_left)
    result.changed = [position for position in result.changed if result.jobs[position].job_id in queued]
    return result


def _change(
    positions: Sequence[int],
    jobs: Mapping[int, Job],
    change: Callable[[Job], Job],
    seconds_left: Callable[[], float],
) -> ChangedJobs:
    """Change the jobs at these positions in this order, and stop at the first outage."""
    result = ChangedJobs(dict(jobs))
    for n, position in enumerate(positions):
        try:
            _check_time(seconds_left())
            result.jobs[position] = change(jobs[position])
        except NotFound:
            del result.jobs[position]
        except Refusal as refusal:
            result.problems[position] = refusal.to_problem()
        except Unavailable as outage:
            if not result.changed:
                raise
            # The calls for the next job would hang as long.
            result.problems.update(dict.fromkeys(positions[n:], outage.to_problem()))
            break
        except Exception:  # noqa: BLE001  # the caller must learn the outcomes of the other jobs
            logger.exception(
                "a job of a batch could not be changed; the response has a problem",
                extra={"job_id": jobs[position].job_id},
            )
            result.problems[position] = InternalError("The job could not be changed.").to_problem()
        else:
            result.changed.append(position)
    return result


def _check_time(seconds_left: float) -> None:
    if seconds_left < _SECONDS_FOR_A_JOB:
        raise Unavailable("There was no time left for this job.")
