"""`make calls`: counts the calls anew and rewrites tests/calls/calls.json."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.cli.command_line import run
from tests.calls.lab import laboratory
from tests.calls.table import TABLE, Entries, measure, read_table, write_table


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, laboratory(Path(directory)) as lab:
        write_table(measure(lab))
    Console().print(as_table(read_table()))
    Console().print(
        f"written to {TABLE.relative_to(Path.cwd())}" if TABLE.is_relative_to(Path.cwd()) else str(TABLE)
    )


def as_table(entries: Entries) -> Table:
    """For people."""
    columns = ("", "operation", "calls of AWS", "writes", "reads", "SQS", "log bytes")
    table = Table(*columns, title="Calls and units by operation", title_justify="left")
    table.columns[1].no_wrap = True
    for side, named in entries.items():
        table.add_section()
        for name, entry in named.items():
            named_calls = ((call.partition(":")[2], n) for call, n in entry.calls.items())
            calls = ", ".join(f"{n} x {call}" if n > 1 else call for call, n in named_calls)
            units = (entry.write_units, entry.read_units, entry.sqs_requests, entry.log_bytes)
            table.add_row(side, name, calls or "none", *(f"{number:g}" for number in units))
    return table


if __name__ == "__main__":
    sys.exit(run("calls", main))
