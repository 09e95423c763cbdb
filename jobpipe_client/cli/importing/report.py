"""What an import says while it runs, and at its end."""

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

SHOWN = 10  # failures; all of them are in the file


@contextmanager
def progress_bar(output: Output, progress: Progress, size: int | None) -> Iterator[Callable[[], None]]:
    """On a terminal: how many rows have ended, how fast, and when the file's bytes will be done."""
    columns = (
        SpinnerColumn(),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    console = output.log
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=size, completed=progress.bytes_done)
        began, before = time.monotonic(), progress.rows

        def show() -> None:
            rate = (progress.rows - before) / max(time.monotonic() - began, 0.001)
            failed = f", {progress.failed:,} failed" if progress.failed else ""
            bar.update(
                task,
                completed=progress.bytes_done,
                description=f"{progress.rows:,} rows{failed}, {rate:,.0f} rows/s, left",
            )

        show()
        yield show
        show()
        bar.update(task, completed=size)  # a header is no row, and is done too


def told(
    output: Output,
    progress: Progress,
    failures: Iterable[Failure],
    *,
    file: Path | None,
    seconds: float,
    dry: bool = False,
    commands: bool = False,
) -> None:
    """The end, for people or programs."""
    first = list(islice(failures, SHOWN))
    if output.json:
        output.document(
            {
                "rows": progress.rows,
                "succeeded": progress.succeeded,
                "failed": progress.failed,
                "reasons": dict(progress.reasons.most_common()),
                "failures": None if file is None else str(file),
                "first_failures": [{"line": f.line, "reason": f.reason, "error": f.error} for f in first],
                "seconds": round(seconds, 3),
                "dry_run": dry,
            }
        )
        return
    well = "can be read" if dry else "succeeded"
    rows = "1 row" if progress.rows == 1 else f"{progress.rows:,} rows"
    output.line(f"{rows}: {progress.succeeded:,} {well}, {progress.failed:,} failed")
    for reason, n in progress.reasons.most_common():
        output.line(f"  {n:,}  {reason}")
    for failure in first:
        output.line(f"line {failure.line}: {failure.error}")
    if progress.failed > len(first):
        output.line(f"and {progress.failed - len(first):,} more")
    if file is not None:
        output.line(f"they are in {file}: repair them, and import that file{' with --commands' * commands}")
