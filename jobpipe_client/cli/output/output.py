"""The output of commands: tables on a terminal, tabs in a pipe, JSON with --json."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table

from jobpipe_client import json_text
from jobpipe_client.batch_models import Batch
from jobpipe_client.calls import ITEMS
from jobpipe_client.cli.exits import OK, OperatorError, silence
from jobpipe_client.cli.files import is_output_unread
from jobpipe_client.cli.output import tables
from jobpipe_client.cli.output.escaping import cell, escaped, escaped_json
from jobpipe_client.models import Job

_JOB_COLUMNS = ("job", "status", "operation", "item", "attempts", "updated", "why")
_NARROW = tuple(map(_JOB_COLUMNS.index, ("job", "status", "operation", "updated", "why")))
_ITEM = _JOB_COLUMNS.index("item")
_MIN_WIDTH_OF_ALL = 150  # the width of a terminal that shows all columns; `why` takes the remaining width
_MIN_WIDTH_OF_TABLE = 120  # for the columns of _NARROW
_LONGEST_WHY = 600  # characters on a terminal; a pipe and --json show the whole reason
_LONGEST_LABEL = 36  # characters in the item column, as many as an id has


class Output:
    """Standard output in the requested form; `log` is standard error."""

    def __init__(self, *, json: bool, color: bool) -> None:
        self.json = json
        self.stops_unread = False  # whether the command ends when nobody reads its output
        self.out = Console(no_color=None if color else True, highlight=False)
        self.log = Console(stderr=True, no_color=None if color else True, highlight=False)

    def document(self, value: Any) -> None:
        """Print a JSON document on a line."""
        self._print(escaped_json(json_text.encode(value)))

    def line(self, text: str) -> None:
        """Print one line."""
        self._print(escaped(text))

    def script(self, text: str) -> None:
        """Print a shell script, unescaped."""
        self._print(text)

    def note(self, text: str) -> None:
        """Print one line on standard error; above a bar, if one is shown."""
        line = escaped(" ".join(text.split()))
        try:
            if self.log.is_terminal:
                self.log.print(line, markup=False, emoji=False, soft_wrap=True)
            else:
                click.echo(line, err=True)
        except OSError:  # nobody reads it
            silence(sys.stderr)

    def _print(self, text: str) -> None:
        try:
            click.echo(text)
        except BrokenPipeError:  # the reader has closed the pipe
            silence(sys.stdout)
            if self.stops_unread:
                raise click.exceptions.Exit(OK) from None

    def stop_if_unread(self) -> None:
        """End the command if nobody reads its output any more, even if there is nothing to print now."""
        if self.stops_unread and is_output_unread():
            silence(sys.stdout)
            raise click.exceptions.Exit(OK)

    def check_complete(self, unreadable: Sequence[str]) -> None:
        """Raise OperatorError if items could not be read, after a line on standard error for each of them."""
        for item_id in unreadable:
            self.note(f"item {item_id} cannot be read")
        if unreadable:
            items = "1 item is" if len(unreadable) == 1 else f"{len(unreadable):,} items are"
            raise OperatorError(
                f"{items} left out, since their documents are missing; `jobpipe audit` reports details (if one was "
                "written in the last half hour, try again)"
            )

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table on a terminal, else a line for each row, with tabs between the cells."""
        if self.out.is_terminal:
            self._draw(tables.draw_rows(columns, rows, self.out.width))
            return
        for row in rows:
            self._print("\t".join(map(escaped, row)))

    def _draw(self, drawn: RenderableType | None) -> None:
        if drawn is not None:
            self.out.print(drawn)

    def jobs(self, jobs: Iterable[Job]) -> None:
        """Print a JSON document for each job, or a table."""
        if not self.json:
            if self.out.is_terminal:
                self._draw(draw_jobs(jobs, self.out.width))
            else:
                self.table(_JOB_COLUMNS, (_row(job, shows_item=False) for job in jobs))
            return
        for job in jobs:
            self.document(job.raw)

    def job(self, job: Job) -> None:
        """Print one job as `jobs` does."""
        self.jobs([job])

    def batch(self, batch: Batch) -> None:
        """Print the batch as a JSON document, or a line with the number of its commands in each state."""
        if self.json:
            self.document(batch.raw)
            return
        counts = ", ".join(f"{count:,} {status}" for status, count in batch.counts.items() if count)
        self.line(f"{batch.id}: {counts}{f' ({batch.name})' if batch.name else ''}")


def draw_jobs(jobs: Iterable[Job], width: int, title: str | None = None) -> RenderableType | None:
    """Return the jobs for a terminal of this width; None if there are none.

    The id, the status and the reason of a failure are shown in full at any width; other columns may be left out.
    The label of a failed job replaces the item's id, or precedes the reason if there is no column for items.
    """
    shows_items = width >= _MIN_WIDTH_OF_ALL
    rows = [_row(job, shows_item=shows_items, most=_LONGEST_WHY) for job in jobs]
    if not shows_items:
        rows = [_with_item_as_reason(row) for row in rows]
    if not rows:
        return None
    if width < _MIN_WIDTH_OF_TABLE:
        return tables.group(title, (part for row in rows for part in _record(row, width)))
    shown = range(len(_JOB_COLUMNS)) if shows_items else _NARROW
    table = Table(*(_JOB_COLUMNS[place] for place in shown), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(cell(row[place]) for place in shown))
    for column in table.columns[:-1]:
        column.no_wrap = True
        column.overflow = "fold"
    return table


def _record(row: Sequence[str], width: int) -> list[RenderableType]:
    """Return a line with as many columns of the job as fit, and the reason of its failure below."""
    job, status, *others = (row[place] for place in _NARROW)
    why = others.pop()
    line, left = job, [status, *others]
    while left and cell_len(f"{line}  {left[0]}") <= width:
        line = f"{line}  {left.pop(0)}"
    if status in left:
        why = f"{status}: {why}" if why else status
    return [cell(line), *([tables.indent(why)] if why else [])]


def _row(job: Job, *, shows_item: bool, most: int | None = None) -> tuple[str, ...]:
    """Return the cells of a job, with at most `most` characters of the failure reason.

    The label of a failed job is in the item column if `shows_item`. Otherwise it precedes the reason, so that
    scripts find an id in the item column.
    """
    updated = job.updated_at.strftime("%Y-%m-%d %H:%M:%S")
    why = "" if job.error is None else _shorten(str(job.error), most)
    if job.status == "scheduled" and job.not_before is not None:
        why = f"due {job.not_before.strftime('%Y-%m-%d %H:%M:%S')}"
    item = job.item_id
    if job.label is not None and shows_item:
        item = job.label if len(job.label) <= _LONGEST_LABEL else f"{job.label[: _LONGEST_LABEL - 1]}…"
    elif job.label is not None:
        why = f"{job.label}: {why}"
    if job.collection != ITEMS:
        item = f"{job.collection}/{item}"
    return (job.id, job.status, job.operation, item, str(job.attempts), updated, why)


def _with_item_as_reason(row: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cells of a job with the item in the last cell, unless that cell says why the job failed."""
    *others, why = row
    item, is_error = row[_ITEM], bool(why) and not why.startswith("due ")
    return row if is_error else (*others, f"{item}  {why}".strip())


def _shorten(why: str, most: int | None) -> str:
    left = 0 if most is None else len(why) - most
    return why if left <= 0 else f"{why[:most]}… ({left:,} more characters: see --json)"
