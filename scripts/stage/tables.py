"""Tables for operators: drawn on a terminal of any width, as lines with tabs in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console

from jobpipe_client.cli.output import tables
from scripts.escaped import escaped


def print_table(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None
) -> None:
    """Print rows of untrusted text; print nothing if there are none."""
    if not console.is_terminal:
        _write(console, ["\t".join(map(escaped, row)) for row in rows])
        return
    drawn = tables.drawn(columns, rows, console.width, title)
    if drawn is not None:
        console.print(drawn)


def _write(console: Console, lines: Iterable[str]) -> None:
    """Write the lines unchanged, since rich would replace tabs by blanks."""
    if console.quiet:
        return
    try:
        console.file.writelines(f"{line}\n" for line in lines)
        console.file.flush()
    except BrokenPipeError:
        console.on_broken_pipe()
