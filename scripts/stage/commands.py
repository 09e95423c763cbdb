"""What the operators' commands share: options, one-line errors, and a progress bar."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infra.cli.command_line import OneLineParser
from infra.errors import OperatorError
from jobpipe.domain.errors import Unavailable


def command_parser(name: str, description: str | None, examples: str) -> argparse.ArgumentParser:
    """Return the parser of `python -m scripts.NAME`, with the option `--stage`."""
    parser = OneLineParser(
        prog=f"python -m scripts.{name}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--stage", help="the deployed stage (default: JOBPIPE_STAGE, else local)")
    return parser


def positive(text: str) -> int:
    """Parse the value of an option that must be at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn AWS outages and errors of the temporary file into OperatorError."""
    try:
        yield
    except Unavailable as error:
        raise OperatorError(error.detail) from error
    except sqlite3.Error as error:
        raise OperatorError(f"the temporary file: {error} (SQLITE_TMPDIR names another folder)") from error


@contextmanager
def progress_bar(console: Console, label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar on a terminal; the yielded function advances it by one."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=total)
        yield lambda: progress.advance(task)
