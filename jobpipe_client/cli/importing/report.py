"""What an import prints while it runs and when it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.output.output import Output
from jobpipe_client.cli.pace import Pace, approximate_time

SHOWN_FAILURES = 10


@contextmanager
def progress_bar(output: Output, progress: Progress, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal, with the number of rows that have ended, their rate, and the time left.

    Yields a function that updates the bar. Its argument is the number of ended rows in unfinished batches.
    """
    description = TextColumn("{task.description}")
    columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), description)
    console = output.log
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size, completed=progress.bytes_done)
        text = BarText(progress, size, time.monotonic())

        def update(ended: int) -> None:
            bar.update(task, completed=progress.bytes_done, description=text.at(time.monotonic(), ended))

        update(0)
        yield update
        update(0)
        bar.update(task, completed=size)  # the bytes of the header are in no batch


class BarText:
    """The text beside the bar. The time left is shown as soon as the rate of the last minute is known."""

    def __init__(self, progress: Progress, size: int | None, began: float) -> None:
        self._progress = progress
        self._size = size
        self._began = began
        self._rows_before = progress.rows
        self._pace = Pace()

    def at(self, now: float, ended: int = 0) -> str:
        """Return the text at this time; `ended` is the number of ended rows in unfinished batches."""
        progress = self._progress
        rows = progress.rows + ended
        self._pace.note(now, progress.bytes_done)
        left = None if self._size is None else self._pace.seconds_for(self._size - progress.bytes_done, now)
        rate = (rows - self._rows_before) / max(now - self._began, 0.001)
        others = "".join(f", {n:,} {outcome}" for outcome, n in progress.outcomes().items() if n)
        time_left = "" if left is None else f", {approximate_time(left)} left"
        return f"{rows:,} rows{others}, {rate:,.0f} rows/s{time_left}"


def print_report(
    output: Output,
    progress: Progress,
    failures: Iterable[Failure],
    *,
    failures_file: Path | None,
    seconds: float,
    not_checked: Sequence[str] | None = None,
    options: str = "",
) -> None:
    """Print how the rows ended, as text or JSON. After a dry run, `not_checked` names the unchecked rules."""
    is_dry = not_checked is not None
    first = list(islice(failures, SHOWN_FAILURES))
    if output.json:
        output.document(
            {
                "rows": progress.rows,
                "succeeded": progress.succeeded,
                **progress.outcomes(),
                "reasons": dict(progress.reasons.most_common()),
                "failures": None if failures_file is None else str(failures_file),
                "first_failures": [{"line": f.line, "reason": f.reason, "error": f.error} for f in first],
                "seconds": round(seconds, 3),
                "dry_run": is_dry,
                **({"not_checked": list(not_checked)} if not_checked is not None else {}),
            }
        )
        return
    rows = "1 row" if progress.rows == 1 else f"{progress.rows:,} rows"
    output.line(f"{rows}: {', '.join(_outcomes(progress, is_dry=is_dry))}")
    for reason, n in progress.reasons.most_common():
        output.line(f"  {n:,}  {reason}")
    for failure in first:
        output.line(f"line {failure.line}: {failure.error}")
    if progress.failed > len(first):
        how = ": --failures FILE writes all of them to a file" if is_dry and failures_file is None else ""
        output.line(f"and {progress.failed - len(first):,} more{how}")
    if not_checked:
        output.line(f"not checked: {', '.join(not_checked)}, which the service checks when the rows are sent")
    if failures_file is not None:
        output.line(f"they are in {failures_file}: repair them, and import that file{options}")
    if jobs := progress.outcomes()["failed"]:
        stay, them = ("1 failed job stays", "it") if jobs == 1 else (f"{jobs:,} failed jobs stay", "them")
        output.line(
            f"{stay} in the list of `jobpipe failed` after the repair, until you dismiss {them}:"
            " `jobpipe dismiss --all-failed`, or --reason NAME"
        )


def _outcomes(progress: Progress, *, is_dry: bool) -> list[str]:
    """Return how many rows had each outcome; together they are all rows."""
    if is_dry:
        return [f"{progress.succeeded:,} can be sent", f"{progress.failed:,} would be refused"]
    others = [f"{n:,} {outcome}" for outcome, n in progress.outcomes().items() if n or outcome == "failed"]
    return [f"{progress.succeeded:,} succeeded", *others]
