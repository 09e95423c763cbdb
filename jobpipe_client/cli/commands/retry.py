"""`jobpipe retry`: queue failed jobs again, by id or by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

import click

from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.jobs import BEFORE, change_each, is_batch
from jobpipe_client.cli.commands.reasons import reason_of, reason_option, was_interrupted
from jobpipe_client.cli.exits import OK
from jobpipe_client.cli.times import Time
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Job

_NOT_RETRIABLE = {
    "job-ended",
    "not-found",
    "too-late",
}  # no longer stored, or the time limit has passed


@click.command(
    cls=Command,
    examples="""
    jobpipe retry 5f0c…
    jobpipe retry batch-77ab…
    jobpipe retry --all-failed
    jobpipe retry --reason name-taken --reason not-found
    """,
)
@click.argument("jobs", metavar="[JOB|BATCH]...", nargs=-1)
@click.option("--all-failed", is_flag=True, help="All of your failed jobs that were interrupted.")
@reason_option
@click.option("--before", type=Time(), metavar="TIME", help=f"A new time limit for the named jobs. {BEFORE}")
@pass_state
def retry(
    state: State,
    *,
    jobs: tuple[str, ...],
    all_failed: bool,
    reasons: tuple[str, ...],
    before: datetime | timedelta | None,
) -> int:
    """Queue failed jobs again, each in a new place of its item's order.

    --all-failed retries the jobs that were interrupted: their problem has a status of 500 or more. A job that a
    rule refused (name-taken, not-found, version-mismatch, too-large) would be refused again until the items change.
    Such jobs are left and counted by reason, and --reason retries them.

    The id of a batch retries all of its failed jobs, whatever the reason. A job whose time limit has passed is
    retried only by its own id, with --before.

    The exit status is 1 if a named job cannot be retried; jobs that are left are not an error.
    """
    if bool(jobs) == (all_failed or bool(reasons)):
        raise click.UsageError("Name jobs, or say --all-failed or --reason.")
    if before is not None and not all(job and not is_batch(job) for job in jobs or [""]):
        raise click.UsageError("--before needs the ids of jobs.")
    if jobs:
        return change_each(state, jobs, partial(state.client.retry, before=before), state.client.retry_batch)
    # Read the whole list first, since a retried job leaves the list and may come back.
    failed = list(state.client.jobs("failed"))
    chosen = [job for job in failed if (reason_of(job) in reasons if reasons else was_interrupted(job))]
    left = Counter(map(reason_of, failed)) - Counter(map(reason_of, chosen))
    if reasons and chosen:
        left.clear()  # the caller did not ask for the others
    _retry(state, chosen, left)
    return OK


def _retry(state: State, chosen: Iterable[Job], left: Counter[str]) -> None:
    """Retry the jobs and show them, then print how many were retried, refused and left."""
    retried, refused = 0, Counter[str]()
    try:
        for job in chosen:
            try:
                retried_job = state.client.retry(job.id)
            except ProblemError as error:
                if error.problem.slug not in _NOT_RETRIABLE:
                    raise
                refused[error.problem.detail or str(error)] += 1
            else:
                retried += 1
                state.output.job(retried_job)
    finally:  # also after an error, since some jobs may have been retried
        state.output.note(f"{retried:,} retried")
        for why, n in refused.most_common():
            state.output.note(f"{n:,} cannot be retried: {why}")
        for reason, n in left.most_common():
            state.output.note(f"{n:,} left: {reason} (--reason {reason} retries them)")
