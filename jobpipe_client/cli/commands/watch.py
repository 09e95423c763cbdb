"""`jobpipe watch`: jobs as they move, those in trouble, and the queue."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import click
from rich.console import Group, RenderableType
from rich.live import Live

from jobpipe_client.cli import polling as pace
from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.commands.jobs import each_of
from jobpipe_client.cli.commands.stats import depth_rows
from jobpipe_client.cli.exits import ERROR, FAILED, OK
from jobpipe_client.cli.output.escaping import cell
from jobpipe_client.cli.output.output import drawn_jobs
from jobpipe_client.models import Job

_IN_TROUBLE = 10  # of each kind are shown


@click.command(
    cls=Command, examples="jobpipe watch\njobpipe watch 5f0c… 77ab…\njobpipe watch 5f0c… --json | jq .status"
)
@click.argument("jobs", metavar="[JOB]...", nargs=-1)
@click.option("--interval", type=pace.INTERVAL, default=1.0, show_default=True, help="Seconds between looks.")
@pass_state
def watch(state: State, jobs: tuple[str, ...], interval: float) -> int:
    """Watch jobs until they have ended, and your jobs in trouble with the queue.

    Without JOB it goes on until Ctrl-C. Where the output is no terminal, each change is a line. Exit status 3 if
    one of the jobs failed.
    """
    state.output.ends_unread = not jobs
    found, missing = each_of(jobs, state.client.job)
    if missing and not found:
        return ERROR
    watched = _Watched(state, found)
    if state.output.json or not state.output.out.is_terminal:
        for _ in pace.every(interval):
            watched.look()
            state.output.jobs(watched.changed())
            state.output.end_if_unread()
            if watched.ended:
                break
    else:
        with Live(console=state.output.out, auto_refresh=False) as live:
            for _ in pace.every(interval):
                watched.look()
                live.update(watched.drawn(), refresh=True)
                if watched.ended:
                    break
    if missing:
        return ERROR
    return FAILED if watched.failed else OK


class _Watched:
    """The jobs that were asked for, and those in trouble, as they were last seen."""

    def __init__(self, state: State, jobs: Iterable[Job]) -> None:
        self._state = state
        self._jobs = {job.id: job for job in jobs}
        self._failed_or_retrying: list[Job] = []
        self._said: dict[str, tuple[str, int, int]] = {}

    @property
    def ended(self) -> bool:
        return bool(self._jobs) and all(job.done for job in self._jobs.values())

    @property
    def failed(self) -> bool:
        return any(job.done and not job.succeeded for job in self._jobs.values())

    def look(self) -> None:
        client = self._state.client
        for job in list(self._jobs.values()):
            if not job.done:
                self._jobs[job.id] = client.job(job.id)
        retrying = islice(client.jobs("retrying", page_size=_IN_TROUBLE), _IN_TROUBLE)
        failed = islice(client.jobs("failed", page_size=_IN_TROUBLE), _IN_TROUBLE)
        self._failed_or_retrying = [job for job in (*retrying, *failed) if job.id not in self._jobs]

    def changed(self) -> list[Job]:
        """Those that are not as they were said to be; the others in trouble only where no jobs were asked for."""
        shown = list(self._jobs.values()) or self._failed_or_retrying
        now: dict[str, tuple[str, int, int]] = {job.id: (job.status, job.attempts, job.retries) for job in shown}
        changed = [job for job in shown if self._said.get(job.id) != now[job.id]]
        self._said = now
        return changed

    def drawn(self) -> RenderableType:
        width = self._state.output.out.width
        depths = ", ".join(f"{name}: {value}" for name, value in depth_rows(self._state.client.stats()))
        parts: list[RenderableType] = [cell(depths)]
        asked_for = drawn_jobs(self._jobs.values(), width, "Jobs")
        in_trouble = drawn_jobs(self._failed_or_retrying, width, "In trouble")
        parts += [each for each in (asked_for, in_trouble) if each is not None]
        if len(parts) == 1:
            parts.append(cell("no jobs in trouble"))
        return Group(*parts)
