"""What the commands print: tables on a terminal, tabs into a pipe, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from jobpipe_client import json_text
from jobpipe_client.cli.exits import OK, silence
from jobpipe_client.cli.files import is_output_unread
from jobpipe_client.cli.output import tables
from jobpipe_client.cli.output.escaping import cell, escaped, escaped_json
from jobpipe_client.models import Job

JOB_COLUMNS = ("job", "status", "operation", "item", "attempts", "updated", "why")
_NARROW = tuple(map(JOB_COLUMNS.index, ("job", "status", "operation", "updated", "why")))
_WIDE = 150  # columns of a terminal; with all of them in fewer, `why` would have no room
_TABLE = 120  # in fewer, even the columns of _NARROW would leave `why` no room
_LONGEST_WHY = 600  # characters of `why` on a terminal; a pipe and --json show all of it


class Output:
    """Standard output in the form that was asked for; `log` is for people, on standard error."""

    def __init__(self, *, json: bool, color: bool) -> None:
        self.json = json
        self.ends_unread = False  # whether the command has nothing else to do than to be read
        self.out = Console(no_color=None if color else True, highlight=False)
        self.log = Console(stderr=True, no_color=None if color else True, highlight=False)

    def document(self, value: Any) -> None:
        """One JSON text on a line."""
        self._print(escaped_json(json_text.encode(value)))

    def line(self, text: str) -> None:
        """One line for people."""
        self._print(escaped(text))

    def script(self, text: str) -> None:
        """A shell script, unescaped."""
        self._print(text)

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

    def end_if_unread(self) -> None:
        """End a command that only shows something, and has nothing to show now, when its reader is gone."""
        if self.ends_unread and is_output_unread():
            silence(sys.stdout)
            raise click.exceptions.Exit(OK)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table on a terminal; else a line for each row, with tabs between the cells."""
        if self.out.is_terminal:
            self._draw(tables.drawn(columns, rows, self.out.width))
            return
        for row in rows:
            self._print("\t".join(map(escaped, row)))

    def _draw(self, drawn: RenderableType | None) -> None:
        if drawn is not None:
            self.out.print(drawn)

    def jobs(self, jobs: Iterable[Job]) -> None:
        """A line of JSON for each, or a table."""
        if not self.json:
            if self.out.is_terminal:
                self._draw(drawn_jobs(jobs, self.out.width))
            else:
                self.table(JOB_COLUMNS, map(job_row, jobs))
            return
        for job in jobs:
            self.document(job.raw)

    def job(self, job: Job) -> None:
        """The same for one, at once."""
        self.jobs([job])


def drawn_jobs(jobs: Iterable[Job], width: int, title: str | None = None) -> RenderableType | None:
    """Jobs on a terminal of this width; None if there are none.

    The id, the status and the reason of a failure are complete at any width; other columns give way to them.
    """
    rows = [(*others, _shortened(why)) for *others, why in map(job_row, jobs)]
    if not rows:
        return None
    if width < _TABLE:
        return tables.group(title, (part for row in rows for part in _record(row, width)))
    shown = range(len(JOB_COLUMNS)) if width >= _WIDE else _NARROW
    made = Table(*(JOB_COLUMNS[place] for place in shown), title=title, title_justify="left")
    for row in rows:
        made.add_row(*(cell(row[place]) for place in shown))
    for column in made.columns[:-1]:
        column.no_wrap = True
        column.overflow = "fold"
    return made


def _record(row: Sequence[str], width: int) -> list[RenderableType]:
    """A job on its own line, with as many columns as fit, and the reason of its failure below."""
    job, status, *others = (row[place] for place in _NARROW)
    why = others.pop()
    line, left = job, [status, *others]
    while left and cell_len(f"{line}  {left[0]}") <= width:
        line = f"{line}  {left.pop(0)}"
    if status in left:
        why = f"{status}: {why}" if why else status
    return [cell(line), *([tables.indented(why)] if why else [])]


def _shortened(why: str) -> str:
    left = len(why) - _LONGEST_WHY
    return why if left <= 0 else f"{why[:_LONGEST_WHY]}… ({left:,} more characters: see --json)"


def job_row(job: Job) -> tuple[str, ...]:
    """The cells of JOB_COLUMNS."""
    updated = job.updated_at.strftime("%Y-%m-%d %H:%M:%S")
    why = "" if job.error is None else str(job.error)
    return (job.id, job.status, job.operation, job.item_id, str(job.attempts), updated, why)
