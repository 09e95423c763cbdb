"""`jobpipe dismiss`: remove failed jobs from the list of failed jobs, by id or by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.jobs import call_for_each
from jobpipe_client.cli.commands.reasons import reason_of, reason_option
from jobpipe_client.cli.exits import ERROR, OK
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Job

_NOT_LISTED = {"job-not-failed", "not-found"}  # since it was listed, it was retried or has expired


@click.command(
    cls=Command,
    examples="""
    jobpipe dismiss 5f0c…
    jobpipe dismiss --reason name-taken --reason not-found
    jobpipe dismiss --all-failed
    """,
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--all-failed", is_flag=True, help="All of your failed jobs.")
@reason_option
@pass_state
def dismiss(state: State, *, jobs: tuple[str, ...], all_failed: bool, reasons: tuple[str, ...]) -> int:
    """Remove failed jobs from the list of failed jobs.

    A dismissed job is kept until it expires: `jobpipe status` shows it, and `jobpipe retry` with its id queues it
    again. If it fails again, it is listed again.

    The exit status is 1 if a job that was named has not failed or does not exist.
    """
    if sum(map(bool, (jobs, all_failed, reasons))) != 1:
        raise click.UsageError("Name jobs, or say --all-failed or --reason.")
    if jobs:
        found, complete = call_for_each(jobs, state.client.dismiss)
        state.output.jobs(found)
        return OK if complete else ERROR
    failed = list(state.client.jobs("failed"))  # the whole list first: a dismissed job leaves it
    chosen = [job for job in failed if all_failed or reason_of(job) in reasons]
    _dismiss(state, chosen)
    if not chosen:  # no job has the given reason, so name the existing reasons
        for reason, n in Counter(map(reason_of, failed)).most_common():
            state.output.note(f"{n:,} left: {reason} (--reason {reason} dismisses them)")
    return OK


def _dismiss(state: State, chosen: Sequence[Job]) -> None:
    """Dismiss the jobs and show them, then print how many were dismissed."""
    dismissed = 0
    try:
        for job in chosen:
            try:
                state.output.job(state.client.dismiss(job.id))
            except ProblemError as error:
                if error.slug not in _NOT_LISTED:
                    raise
            else:
                dismissed += 1
    finally:  # also after an error, since some jobs may have been dismissed
        state.output.note(f"{dismissed:,} dismissed")
