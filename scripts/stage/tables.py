"""Prints tables for operators: fitted to a terminal, or as lines of tab-separated cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from jobpipe_client.cli.output import tables
from jobpipe_client.cli.output.escaping import escaped


def print_table(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None
) -> None:
    """Print rows of untrusted text; print nothing if there are none."""
    if console.is_terminal:
        drawn = tables.draw_rows(columns, rows, console.width, title)
        if drawn is not None:
            console.print(drawn)
    elif not console.quiet:
        lines = ["\t".join(map(escaped, row)) + "\n" for row in rows]
        try:
            # Not by console.print, which replaces tabs by spaces.
            console.file.writelines(lines)
            console.file.flush()
        except BrokenPipeError:
            console.on_broken_pipe()
