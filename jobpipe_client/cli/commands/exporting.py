"""`jobpipe export`: all items as JSON lines or CSV, whole or not at all."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn

from jobpipe_client import json_text
from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.exits import silence
from jobpipe_client.cli.files import atomic_file
from jobpipe_client.cli.importing.csv_columns import header_cell
from jobpipe_client.cli.output.escaping import escaped, escaped_json
from jobpipe_client.cli.output.unreadable_items import check_complete
from jobpipe_client.models import Item

_Write = Callable[[str], object]
_FIRST = ("id", "name", "description")
_EXAMPLES = """
jobpipe export items.csv
jobpipe export items.jsonl
jobpipe export --format csv | head
jobpipe export items.csv && jobpipe --stage other import items.csv --ignore id
"""


@click.command("export", cls=Command, examples=_EXAMPLES)
@click.argument("file", metavar="[FILE]", default="-")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="Where FILE's ending does not tell.")
@pass_state
def export(state: State, *, file: str, form: str | None) -> None:
    """Write all items to a file, or to standard output.

    They are read page by page while they are written. The file appears when it is whole. The header of a CSV says
    what is not text (price:number, tags:json), so that it can be imported as it is, but for the ids.

    If an item cannot be read, all others are still written; then its id is printed and the exit status is 1.
    """
    missing: list[str] = []
    form = form or ("csv" if file.lower().endswith(".csv") else "jsonl")
    if file == "-":
        # What goes to a person must not steer the terminal; what goes to a program is the value itself.
        shown = escaped_lines if sys.stdout.isatty() and form == "csv" else sys.stdout.write
        try:
            _write(form, _counted(state, missing), shown)
            sys.stdout.flush()
        except BrokenPipeError:  # whoever reads it has seen enough
            silence(sys.stdout)
        check_complete(state.output, missing)
        return
    with atomic_file(Path(file)) as opened:
        n = _write(
            form, _counted(state, missing), lambda text: opened.write(text.encode("utf-8", "backslashreplace"))
        )
    if state.output.json:
        unreadable = {"unreadable": missing} if missing else {}
        state.output.document({"items": n, "file": file, "format": form, **unreadable})
    else:
        state.output.line(f"{n:,} items in {file}")
    check_complete(state.output, missing)


def escaped_lines(text: str) -> None:
    """Text with its own ends of lines, and nothing else that a terminal obeys."""
    sys.stdout.write("".join(escaped(line.rstrip("\n")) + "\n" for line in text.splitlines(keepends=True)))


def _counted(state: State, missing: list[str]) -> Iterator[Item]:
    console = state.output.log
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} items"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        for item in state.client.iter_items(page_size=100, on_unreadable=missing.append):
            yield item
            progress.advance(task)


def _write(form: str, items: Iterable[Item], write: _Write) -> int:
    return write_csv(items, write) if form == "csv" else write_jsonl(items, write)


def write_jsonl(items: Iterable[Item], write: _Write) -> int:
    """An item a line; how many."""
    n = 0
    for item in items:
        write(escaped_json(json_text.encode(item)) + "\n")
        n += 1
    return n


@dataclass(slots=True)
class _Kinds:
    """What the values of one field are, as far as they were seen."""

    text: bool = False
    number: bool = False
    boolean: bool = False
    other: bool = False

    def see(self, value: Any) -> None:
        if isinstance(value, str):
            self.text = True
            self.other = self.other or value == ""  # an empty cell would leave the field out
        elif isinstance(value, bool):
            self.boolean = True
        elif value is None or isinstance(value, dict | list):
            self.other = True
        else:
            self.number = True

    @property
    def kind(self) -> str:
        kinds = [name for name in ("text", "number", "boolean") if getattr(self, name)]
        return kinds[0] if len(kinds) == 1 and not self.other else "json"


def write_csv(items: Iterable[Item], write: _Write) -> int:
    """An item a row; how many. In two passes, the first into a temporary file: the header needs all items."""
    fields = {name: _Kinds() for name in _FIRST}
    n = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass") as spool:
        for item in items:
            for name, value in item.items():
                fields.setdefault(name, _Kinds()).see(value)
            spool.write(json_text.encode(item) + "\n")
            n += 1
        spool.seek(0)
        kinds = {name: kinds.kind if n else "text" for name, kinds in fields.items()}
        write(_csv_line([header_cell(name, kind) for name, kind in kinds.items()]))
        for line in spool:
            item = json_text.decode(line)
            write(_csv_line([_cell(item, name, kind) for name, kind in kinds.items()]))
    return n


def _cell(item: dict[str, Any], name: str, kind: str) -> str:
    if name not in item:
        return ""
    return str(item[name]) if kind == "text" else json_text.encode(item[name])


def _csv_line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)  # with \r\n, so that either of them in a cell is quoted
    return out.getvalue().removesuffix("\r\n") + "\n"
