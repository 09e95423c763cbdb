"""What an import prints while it runs and at its end, and its file of failures."""

from __future__ import annotations

import codecs
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path

from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from jobpipe_client.cli.exits import OperatorError
from jobpipe_client.cli.files import atomic_file, is_pipe
from jobpipe_client.cli.importing.journal import Failure, Progress
from jobpipe_client.cli.importing.rows import LINE, Format
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


def check_writable(failures_file: Path) -> None:
    """Raise OperatorError, before anything is sent, if the file of failures could not be written."""
    if is_pipe(failures_file):
        return
    folder = failures_file.parent
    if not folder.is_dir():
        raise OperatorError(f"{failures_file} cannot be written: {folder} is no folder")
    if not os.access(folder, os.W_OK):
        raise OperatorError(f"{failures_file} cannot be written: {folder} is read-only")


def write_failures(path: Path, form: Format, failures: Iterable[Failure], source: Path | None) -> bool:
    """Write the file of failures; return whether there are any. If not, that of an earlier import is deleted."""
    rows = (failure.text for failure in failures if failure.text is not None)
    first = next(rows, None)
    if first is None:
        _delete_earlier(path, source)
        return False
    header = form.failures_header()
    with atomic_file(path) as file:
        for line in chain([] if header is None else [header], [first], rows):
            file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    return True


def _delete_earlier(path: Path, source: Path | None) -> None:
    if not path.is_file() or is_pipe(path) or (source is not None and path.samefile(source)):
        return
    with path.open("rb") as file:
        beginning = file.read(64).removeprefix(codecs.BOM_UTF8)
    if beginning.lstrip(b'{"').startswith(LINE.encode()):  # otherwise it is no file of failures
        path.unlink()
