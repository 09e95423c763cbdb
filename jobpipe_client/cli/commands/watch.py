"""`jobpipe watch`: the changes of jobs, the failed and retrying jobs, the throughput, imports and the queue."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import click
from rich.console import Group, RenderableType

from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.jobs import call_for_each
from jobpipe_client.cli.commands.stats import count_rows
from jobpipe_client.cli.exits import ERROR, FAILED, OK, describe
from jobpipe_client.cli.output.escaping import cell
from jobpipe_client.cli.output.output import draw_jobs
from jobpipe_client.cli.polling import INTERVAL, show_repeatedly
from jobpipe_client.cli.watching.activity import Activity
from jobpipe_client.cli.watching.failures import MAX_OLD_FAILURES, NewFailures
from jobpipe_client.cli.watching.lines import wrap_parts
from jobpipe_client.exceptions import Forbidden
from jobpipe_client.models import Job

_MAX_SHOWN = 10  # failed jobs, and as many retrying jobs
_MAX_RETRYING = 100  # in a pipe


@click.command(
    cls=Command, examples="jobpipe watch\njobpipe watch 5f0c… 77ab…\njobpipe watch 5f0c… --json | jq .status"
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--interval", type=INTERVAL, default=1.0, show_default=True, help="Seconds between two requests.")
@pass_state
def watch(state: State, jobs: tuple[str, ...], interval: float) -> int:
    """Watch jobs until they have ended, with the queue, the throughput and running imports.

    Without JOB, the command continues until Ctrl-C, even during an outage of the service. It shows your own jobs:
    how many were accepted, ended and failed in the last minute and the last five minutes, and the progress of
    running imports and batches, whichever program sent them. An import that runs on this machine is shown with the
    name of its file and the time left. The throughput and batches need a stage with JobLists=on.

    If the output is not a terminal, there is a line for each job that fails and for each change of the latest 100
    retrying jobs. Without JOB, standard error has a line when something begins or ends, and once a minute in
    between. Jobs that had failed before are counted but not shown. Exit status 3 if a job failed.
    """
    state.output.stops_unread = not jobs
    found, complete = call_for_each(jobs, state.client.job)
    if not complete and not found:
        return ERROR
    view = _View(state, found)
    show_repeatedly(state.output, interval, write=view.write, draw=view.draw, has_ended=view.has_ended)
    if not complete:
        return ERROR
    return FAILED if view.has_failed() else OK


class _View:
    """The watched jobs and the other failed and retrying jobs, as last read."""

    def __init__(self, state: State, jobs: Iterable[Job]) -> None:
        self._state = state
        self._activity = Activity(state.client)
        self._watched = {job.id: job for job in jobs}
        self._failures = NewFailures(state.client)
        self._has_begun = False
        self._before = 0  # jobs that had failed before
        self._written: dict[str, tuple[str, int, int]] = {}  # the last written state of watched or retrying jobs

    def has_ended(self) -> bool:
        return bool(self._watched) and all(job.done for job in self._watched.values())

    def has_failed(self) -> bool:
        return any(job.done and not job.succeeded for job in self._watched.values())

    def write(self) -> None:
        """Write the watched jobs that have changed; without any, new failures and changed retrying jobs."""
        if self._watched:
            self._read_watched()
            self._write_changed(self._watched.values())
            return
        if not self._has_begun:
            self._begin()
            if self._before:
                self._state.output.note(self._old_failures())
        self._write_changed(self._retrying(_MAX_RETRYING))
        self._state.output.jobs(self._failures.read())
        self._activity.read()
        for text in self._activity.notes():
            self._state.output.note(text)

    def _write_changed(self, jobs: Iterable[Job]) -> None:
        current = {job.id: (job, (job.status, job.attempts, job.retries)) for job in jobs}
        self._state.output.jobs([job for job, now in current.values() if self._written.get(job.id) != now])
        self._written = {job_id: now for job_id, (_, now) in current.items()}

    def draw(self) -> RenderableType:
        """Return the queue, the throughput, imports, batches and all jobs for a terminal."""
        if not self._has_begun:
            self._begin()
        self._read_watched()
        self._failures.read()
        self._activity.read()
        width = self._state.output.out.width
        lines = [
            *self._counts(width),
            *self._activity.lines(width),
            *([self._old_failures()] if self._before else []),
        ]
        retrying, failed = self._retrying(_MAX_SHOWN), self._failures.latest(_MAX_SHOWN)
        others = [job for job in (*retrying, *failed) if job.id not in self._watched]
        tables = [
            draw_jobs(self._watched.values(), width, "Jobs"),
            draw_jobs(others, width, "Failed or retrying"),
        ]
        shown = [table for table in tables if table is not None]
        if not shown:
            shown = [cell(f"no failed or retrying jobs{' since then' if self._before else ''}")]
        more = self._failures.count - len(failed)
        if len(failed) == _MAX_SHOWN and more > 0:
            shown.append(cell(f"and {more:,} earlier failures since the start: `jobpipe failed` lists all"))
        return Group(*map(cell, lines), *shown)

    def _counts(self, width: int) -> list[str]:
        """Return a line with the numbers of the queue, or why the key may not see them.

        If the numbers do not fit on a line, zeros are left out.
        """
        try:
            rows = count_rows(self._state.client.stats())
        except Forbidden as error:
            return [f"no counts of the queue: {describe(error)}"]
        label, *parts = (f"{name}: {value}" for name, value in rows)
        found = wrap_parts("", [label, *parts], width)
        if len(found) == 1:
            return found
        return wrap_parts(
            "", [label, *(part for part in parts if not part.endswith((": 0", ": 0 s", ": unknown")))], width
        )

    def _old_failures(self) -> str:
        """Return a line that says how many jobs had failed before the command was started."""
        count = self._before
        jobs = "1 job" if count == 1 else f"{count} jobs" if count < MAX_OLD_FAILURES else f"{count} jobs or more"
        return f"{jobs} had failed before: `jobpipe failed` lists them, `jobpipe dismiss` takes them off the list"

    def _begin(self) -> None:
        self._has_begun = True
        self._before = sum(job.id not in self._watched for job in self._failures.begin())

    def _read_watched(self) -> None:
        for job in list(self._watched.values()):
            if not job.done:
                self._watched[job.id] = self._state.client.job(job.id)

    def _retrying(self, most: int) -> list[Job]:
        return list(islice(self._state.client.jobs("retrying", page_size=most), most))
