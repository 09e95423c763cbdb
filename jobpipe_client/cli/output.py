"""What the commands print: tables on a terminal, tabs into a pipe, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from jobpipe_client import json_text
from jobpipe_client.cli.escaped import cell, escaped, escaped_json
from jobpipe_client.cli.exits import OK, silence
from jobpipe_client.models import Job

JOB_COLUMNS = ("job", "status", "operation", "item", "attempts", "updated", "why")
_NARROW = tuple(map(JOB_COLUMNS.index, ("job", "status", "operation", "updated", "why")))
_WIDE = 150  # columns of a terminal; with all of them in fewer, `why` would have no room


class Output:
    """Standard output in the form that was asked for; `log` is for people, on standard error."""

    def __init__(self, *, json: bool, color: bool) -> None:
        self.json = json
        self.ends_unread = False  # whether the command has nothing else to do than to be read
        self.out = Console(no_color=None if color else True, highlight=False, soft_wrap=True)
        self.log = Console(stderr=True, no_color=None if color else True, highlight=False)

    def document(self, value: Any) -> None:
        """One JSON text on a line."""
        self._print(escaped_json(json_text.encode(value)))

    def line(self, text: str) -> None:
        """One line for people."""
        self._print(escaped(text))

    def note(self, text: str) -> None:
        """One line beside the output, on standard error."""
        try:
            click.echo(escaped(" ".join(text.split())), err=True)
        except OSError:  # nobody reads it
            silence(sys.stderr)

    def _print(self, text: str) -> None:
        try:
            click.echo(text)
        except BrokenPipeError:  # whoever read it has seen enough
            silence(sys.stdout)
            if self.ends_unread:
                raise click.exceptions.Exit(OK) from None

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table on a terminal; else a line for each row, with tabs between the cells."""
        if not self.out.is_terminal:
            for row in rows:
                self._print("\t".join(map(escaped, row)))
            return
        self._draw(table(columns, rows))

    def _draw(self, drawn: Table) -> None:
        if drawn.row_count:
            self.out.print(drawn)

    def jobs(self, jobs: Iterable[Job]) -> None:
        """A line of JSON for each, or a table."""
        if not self.json:
            if self.out.is_terminal:
                self._draw(jobs_table(jobs, self.out.width))
            else:
                self.table(JOB_COLUMNS, map(job_row, jobs))
            return
        for job in jobs:
            self.document(job.raw)

    def job(self, job: Job) -> None:
        """The same for one, at once."""
        self.jobs([job])


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Table:
    """Rows of text of unknown origin. The first column is to be copied, so it is never cut."""
    drawn = Table(*columns, title=title, title_justify="left", show_header=any(columns))
    drawn.columns[0].no_wrap = True
    drawn.columns[0].overflow = "fold"
    for row in rows:
        drawn.add_row(*map(cell, row))
    return drawn


def jobs_table(jobs: Iterable[Job], width: int, title: str | None = None) -> Table:
    """Jobs on a terminal of so many columns: why one failed has the room; only a wide one shows all the rest."""
    shown = range(len(JOB_COLUMNS)) if width >= _WIDE else _NARROW
    columns, *rows = ([row[place] for place in shown] for row in (JOB_COLUMNS, *map(job_row, jobs)))
    drawn = table(columns, rows, title)
    for column in drawn.columns[:-1]:
        column.no_wrap = True
    return drawn


def job_row(job: Job) -> tuple[str, ...]:
    """The cells of JOB_COLUMNS."""
    updated = job.updated_at.strftime("%Y-%m-%d %H:%M:%S")
    why = "" if job.error is None else str(job.error)
    return (job.id, job.status, job.operation, job.item_id, str(job.attempts), updated, why)
