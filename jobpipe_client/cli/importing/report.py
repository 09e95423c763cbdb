"""What an import prints while it runs and at its end, and its file of failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.output.output import Output

SHOWN_FAILURES = 10


@contextmanager
def progress_bar(output: Output, progress: Progress, size: int | None) -> Iterator[Callable[[], None]]:
    """Show on a terminal how many rows have ended, how fast, and the time left. Yields the update of the bar."""
    description = TextColumn("{task.description}")
    columns = (SpinnerColumn(), BarColumn(), TaskProgressColumn(), description, TimeRemainingColumn())
    console = output.log
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size, completed=progress.bytes_done)
        began, rows_before = time.monotonic(), progress.rows

        def update() -> None:
            rate = (progress.rows - rows_before) / max(time.monotonic() - began, 0.001)
            failed = f", {progress.failed:,} failed" if progress.failed else ""
            text = f"{progress.rows:,} rows{failed}, {rate:,.0f} rows/s, left"
            bar.update(task, completed=progress.bytes_done, description=text)

        update()
        yield update
        update()
        bar.update(task, completed=size)  # the bytes of the header are in no batch


def print_report(
    output: Output,
    progress: Progress,
    failures: Iterable[Failure],
    *,
    failures_file: Path | None,
    seconds: float,
    dry_run: bool = False,
    options: str = "",
) -> None:
    """Print how the rows ended, as text or JSON."""
    first = list(islice(failures, SHOWN_FAILURES))
    if output.json:
        output.document(
            {
                "rows": progress.rows,
                "succeeded": progress.succeeded,
                "failed": progress.failed,
                "reasons": dict(progress.reasons.most_common()),
                "failures": None if failures_file is None else str(failures_file),
                "first_failures": [{"line": f.line, "reason": f.reason, "error": f.error} for f in first],
                "seconds": round(seconds, 3),
                "dry_run": dry_run,
            }
        )
        return
    rows = "1 row" if progress.rows == 1 else f"{progress.rows:,} rows"
    succeeded = "can be read" if dry_run else "succeeded"
    output.line(f"{rows}: {progress.succeeded:,} {succeeded}, {progress.failed:,} failed")
    for reason, n in progress.reasons.most_common():
        output.line(f"  {n:,}  {reason}")
    for failure in first:
        output.line(f"line {failure.line}: {failure.error}")
    if progress.failed > len(first):
        output.line(f"and {progress.failed - len(first):,} more")
    if failures_file is not None:
        output.line(f"they are in {failures_file}: repair them, and import that file{options}")
