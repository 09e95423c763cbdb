"""`make calls`: count the AWS calls of each operation and rewrite tests/calls/calls.json."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.cli.command_line import run
from tests.calls.calls_file import CALLS_FILE, Entries, measure, read_calls, write_calls
from tests.calls.lab import laboratory


def main() -> None:
    found: Entries = {}
    for events in (False, True):
        with tempfile.TemporaryDirectory() as directory, laboratory(Path(directory), events=events) as lab:
            found |= measure(lab)
    write_calls(found)
    Console().print(as_table(read_calls()))
    Console().print(
        f"written to {CALLS_FILE.relative_to(Path.cwd())}"
        if CALLS_FILE.is_relative_to(Path.cwd())
        else str(CALLS_FILE)
    )


def as_table(entries: Entries) -> Table:
    """Return the counts as a table to print."""
    columns = ("", "operation", "AWS calls", "writes", "reads", "SQS", "log bytes")
    table = Table(*columns, title="Calls and units by operation", title_justify="left")
    table.columns[1].no_wrap = True
    for lambda_name, operations in entries.items():
        table.add_section()
        for name, entry in operations.items():
            short_names = ((call.partition(":")[2], n) for call, n in entry.calls.items())
            calls = ", ".join(f"{n} x {call}" if n > 1 else call for call, n in short_names)
            units = (entry.write_units, entry.read_units, entry.sqs_requests, entry.log_bytes)
            table.add_row(lambda_name, name, calls or "none", *(f"{number:g}" for number in units))
    return table


if __name__ == "__main__":
    sys.exit(run("calls", main))
