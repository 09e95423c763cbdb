"""Task tokens: a task that waits for a job gets its answer when the job has ended.

The token stays in the job's row. The first answer ends the task; Step Functions refuses any other, which changes
nothing. So a repeated message may answer twice, and so may a job whose retry ends while nobody waits.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobpipe.domain.clock import now
from jobpipe.domain.errors import AnswerRefused, TaskEnded
from jobpipe.domain.events.ended_jobs import WaitingTask
from jobpipe.domain.events.task_answer import answer_of
from jobpipe.domain.jobs.job import Job
from jobpipe.runtime.metrics import TASK_REFUSED, meter
from jobpipe.runtime.telemetry import logger

from .services import NotificationServices


def answer_task(task: WaitingTask, services: NotificationServices) -> None:
    """Answer the task of a job that had already ended when it got its token.

    If a retry has queued the job again, the task is answered when the retry ends. Raise Unavailable in an outage.
    """
    job = services.jobs.get(task.job_id)
    if job is None or job.is_expired(now()) or not job.status.done:
        logger.info("task not answered: its job is gone or was retried", extra={"job_id": task.job_id})
        return
    answer_tasks([job], services)


def answer_tasks(ended: Sequence[Job], services: NotificationServices) -> None:
    """Answer the tasks that wait for these jobs.

    Raise Unavailable in an outage: then the message about the jobs is received again, and all are answered again.
    """
    if services.tasks is None:
        return
    for job in ended:
        if job.task_token is None:
            continue
        extra = {"job_id": job.job_id}
        try:
            services.tasks.answer(job.task_token, answer_of(job, services.source))
        except TaskEnded as why:
            logger.info("task not answered: nobody waits for the job any more (%s)", why, extra=extra)
        except AnswerRefused as why:
            meter.add(TASK_REFUSED)
            logger.error(
                "task not answered, and not tried again: %s. If access was denied, name the state machine in the"
                " parameter TaskTokens, then give the token again",
                why,
                extra=extra,
            )
        else:
            logger.info("task answered", extra=extra)
