"""Commands about jobs: submit, status, wait, failed, retrying, cancel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Literal, TypeVar, get_args

import click

from jobpipe_client.batch_models import Batch
from jobpipe_client.cli.command import Command, State, page_size, pass_state, read_object
from jobpipe_client.cli.exits import ERROR, FAILED, NOT_ENDED, OK, describe, print_error
from jobpipe_client.cli.polling import Seconds
from jobpipe_client.cli.times import Time
from jobpipe_client.exceptions import ProblemError
from jobpipe_client.models import Job, Status, WaitTimeout

T = TypeVar("T")

TIMEOUT = 60.0
_ERRORS_OF_ONE_JOB = {
    "not-found",
    "job-ended",
    "job-not-failed",
    "too-late",
}  # the command continues
BEFORE = "In RFC 3339, or a duration from now: 90s, 30m, 2h, 7d."
seconds = Seconds(0, 7 * 24 * 3600)


@click.command(
    cls=Command,
    examples="""
    jobpipe submit '{"operation": "create", "item": {"name": "Tent", "description": "For two"}}' --wait
    jobpipe submit command.json --idempotency-key order-17
    jobpipe submit command.json --before 2026-12-01T12:00:00Z
    jobpipe submit command.json --before 2h
    jobpipe submit command.json --at 2026-12-01T08:00:00+01:00
    jobpipe submit command.json --in 2h
    echo '{"operation": "delete", "item_id": "…"}' | jobpipe submit -
    """,
)
@click.argument("command", metavar="JSON|FILE|-")
@click.option("--wait", is_flag=True, help="Wait until the job has ended; the exit status says how.")
@click.option("--timeout", type=seconds, default=TIMEOUT, show_default=True, help="Seconds to wait at most.")
@click.option("--idempotency-key", metavar="KEY", help="A repeated key returns the same job.")
@click.option("--at", type=Time(), metavar="TIME", help=f"Not before this time. {BEFORE}")
@click.option("--in", "after", type=Time(), metavar="DURATION", help="The same, as a duration from now.")
@click.option("--before", type=Time(), metavar="TIME", help=f"By this time or never. {BEFORE}")
@click.option("--task-token", metavar="TOKEN", help="The token of a Step Functions task that waits for the job.")
@pass_state
def submit(
    state: State,
    *,
    command: str,
    wait: bool,
    timeout: float,
    idempotency_key: str | None,
    at: datetime | timedelta | None,
    after: datetime | timedelta | None,
    before: datetime | timedelta | None,
    task_token: str | None,
) -> int:
    """Queue one command in its raw form.

    With --at or --in, the job is scheduled until that time, and can be cancelled until then. With --before, the
    command takes effect by that time or its job fails as too-late. To repeat a command with the same idempotency
    key, pass the same times, not durations.
    """
    if at is not None and after is not None:
        raise click.UsageError("Give --at or --in, not both.")
    raw = read_object(command)
    due = after if at is None else at
    job = state.client.submit(raw, idempotency_key=idempotency_key, at=due, before=before, task_token=task_token)
    if not wait:
        state.output.job(job)
        return OK
    return _wait_for(state, [job], timeout)


@click.command(cls=Command, examples="jobpipe status 5f0c…\njobpipe status 5f0c… --json | jq .error")
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@pass_state
def status(state: State, *, jobs: tuple[str, ...]) -> int:
    """Show the current state of jobs. The exit status is 3 if a job has failed or was cancelled."""
    found, complete = call_for_each(jobs, state.client.job)
    state.output.jobs(found)
    return _exit_status(found) if complete else ERROR


@click.command(
    cls=Command, examples="jobpipe wait 5f0c… --timeout 300\njobpipe wait 5f0c… 77ab… && echo both succeeded"
)
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@click.option("--timeout", type=seconds, default=TIMEOUT, show_default=True, help="Seconds for all jobs together.")
@pass_state
def wait(state: State, *, jobs: tuple[str, ...], timeout: float) -> int:
    """Wait for jobs, and show each as it ends. Exit status 3 if a job failed, 4 if a job did not end in time."""
    found, complete = call_for_each(jobs, state.client.job)
    result = _wait_for(state, found, timeout)
    return result if complete else ERROR


def _wait_for(state: State, jobs: Iterable[Job], timeout: float) -> int:
    """Show each job when it has ended, and return the exit status."""
    ended: list[Job] = []
    try:
        for job in state.client.as_completed(list(jobs), timeout=timeout):
            ended.append(job)
            state.output.job(job)
    except WaitTimeout as error:
        return print_error(f"{error} after {timeout:g} s", NOT_ENDED)
    return _exit_status(ended)


def _list(name: Literal["failed", "retrying"], text: str) -> click.Command:
    @click.command(name, cls=Command, help=text, examples=f"jobpipe {name}\njobpipe {name} --limit 20 --json")
    @click.option("--limit", type=click.IntRange(1), help="Show at most this many, the latest.")
    @pass_state
    def command(state: State, *, limit: int | None) -> None:
        state.output.stops_unread = True
        found = islice(state.client.jobs(name), limit)
        first = next(found, None)
        if first is None:
            state.output.note(f"no {name} jobs")
        else:
            state.output.jobs(chain([first], found))

    return command


@click.command(
    "jobs",
    cls=Command,
    examples="""
    jobpipe jobs --limit 20
    jobpipe jobs --status succeeded --since 2026-11-22T00:00:00Z --until 2026-11-23T00:00:00Z
    jobpipe jobs --collection orders --json | jq .id
    """,
)
@click.option("--status", "job_status", type=click.Choice(get_args(Status)), help="Only jobs with this status.")
@click.option("--collection", metavar="NAME", help="Only jobs of this collection.")
@click.option("--since", metavar="TIME", help="Only jobs accepted at this time (RFC 3339) or later.")
@click.option("--until", metavar="TIME", help="Only jobs accepted before this time (RFC 3339).")
@click.option(
    "--owner", metavar="NAME", help="Failed or retrying jobs of another caller, or of all (*): for operators."
)
@click.option("--limit", type=click.IntRange(1), help="Show at most this many, the latest.")
@pass_state
def list_jobs(state: State, /, *, job_status: Status | None, limit: int | None, **filters: str | None) -> None:
    """List your jobs, latest first.

    A stage without JobLists=on lists only scheduled, failed and retrying jobs, so it needs --status.
    """
    state.output.stops_unread = True
    state.output.jobs(islice(state.client.jobs(job_status, page_size(limit), **filters), limit))


failed = _list("failed", "List your jobs that have failed, latest first, and why.")
retrying = _list(
    "retrying", "List your jobs between two attempts, latest first, and what interrupted the last one."
)


@click.command(cls=Command, examples="jobpipe cancel 5f0c…\njobpipe cancel batch-77ab…")
@click.argument("jobs", metavar="JOB|BATCH...", nargs=-1, required=True)
@pass_state
def cancel(state: State, *, jobs: tuple[str, ...]) -> int:
    """Cancel jobs that have not taken effect, so that they never will.

    The id of a batch cancels all of its jobs that have not taken effect; other jobs of the batch are not an error.
    """
    return change_each(state, jobs, state.client.cancel, state.client.cancel_batch)


def change_each(
    state: State, ids: Iterable[str], change_job: Callable[[str], Job], change_batch: Callable[[str], Batch]
) -> int:
    """Call a function for each job or batch, show what it returns, and return the exit status."""
    all_complete = True
    for each in ids:
        if is_batch(each):
            batches, complete = call_for_each([each], change_batch)
            complete = all([complete, *(_show_batch(state, batch) for batch in batches)])
        else:
            found, complete = call_for_each([each], change_job)
            state.output.jobs(found)
        all_complete = all_complete and complete
    return OK if all_complete else ERROR


def is_batch(identifier: str) -> bool:
    """Return whether the id names a batch and not a job."""
    return identifier.startswith("batch-")


def _show_batch(state: State, batch: Batch) -> bool:
    """Show the batch, and why jobs were not changed. Return whether all jobs were reached."""
    state.output.batch(batch)
    for why, n in Counter(str(entry.unchanged) for entry in batch.entries if entry.unchanged).most_common():
        state.output.note(f"{batch.id}: {n:,} left unchanged: {why}")
    if batch.unreached:
        print_error(f"{batch.id}: not all jobs were reached; run the same command again")
    return not batch.unreached


def call_for_each(ids: Iterable[str], call: Callable[[str], T]) -> tuple[list[T], bool]:
    """Return the jobs or batches that the function returns, and whether it returned one for each id.

    If an id names no job or batch, or a job that has already ended, a line on standard error says so.
    """
    found: list[T] = []
    complete = True
    for each in ids:
        try:
            found.append(call(each))
        except (ProblemError, ValueError) as error:
            if isinstance(error, ProblemError) and error.slug not in _ERRORS_OF_ONE_JOB:
                raise
            print_error(f"{each}: {describe(error)}")
            complete = False
    return found, complete


def _exit_status(jobs: Iterable[Job]) -> int:
    return FAILED if any(job.done and not job.succeeded for job in jobs) else OK
