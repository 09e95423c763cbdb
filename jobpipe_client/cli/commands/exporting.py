"""`jobpipe export`: write all items as JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.progress import Progress, SpinnerColumn, TextColumn

from jobpipe_client import json_text
from jobpipe_client.calls import ITEMS
from jobpipe_client.catalogue import CollectionInfo
from jobpipe_client.cli.collections import collection_info, with_collection
from jobpipe_client.cli.command import Command, State, pass_state
from jobpipe_client.cli.exits import silence
from jobpipe_client.cli.files import atomic_file
from jobpipe_client.cli.importing.reading.csv_columns import header_cell
from jobpipe_client.cli.output.escaping import escaped, escaped_json
from jobpipe_client.cli.schemas import kinds_of
from jobpipe_client.models import Item

_Write = Callable[[str], object]
_ITEM_COLUMNS = {"id": "text", "name": "text", "description": "text"}
_EXAMPLES = """
jobpipe export items.csv
jobpipe export items.jsonl
jobpipe export --format csv | head
jobpipe export orders.csv --collection orders
jobpipe export items.csv && jobpipe --stage other import items.csv --ignore id
"""


@click.command("export", cls=Command, examples=_EXAMPLES)
@click.argument("file", metavar="[FILE]", default="-")
@with_collection
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="csv for FILE.csv, else jsonl.")
@pass_state
def export(state: State, *, file: str, collection: str, form: str | None) -> None:
    """Write all items, or all documents of a collection, to a file or to standard output.

    Items are read page by page while they are written. The file appears when it is complete. The header of a CSV
    names the kind of each column that is not text (price:number, tags:json), so the file can be imported as it is,
    except for the ids. With --collection, the fields of the schema come first, in their order.

    If an item cannot be read, all others are still written; then its id is printed and the exit status is 1.
    """
    unreadable: list[str] = []
    info = None if collection == ITEMS else collection_info(state, collection)
    items = _with_progress(state, collection, unreadable)
    form = form or ("csv" if file.lower().endswith(".csv") else "jsonl")
    write_items = partial(write_csv, columns=_columns(info)) if form == "csv" else write_jsonl
    if file == "-":
        # On a terminal the text must not contain control sequences; a program gets the values themselves.
        is_shown = sys.stdout.isatty() and form == "csv"
        try:
            write_items(items, _write_escaped if is_shown else sys.stdout.write)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader has closed the pipe
            silence(sys.stdout)
    else:
        with atomic_file(Path(file)) as opened:
            n = write_items(items, lambda text: opened.write(text.encode("utf-8", "backslashreplace")))
        if state.output.json:
            more = {"unreadable": unreadable} if unreadable else {}
            state.output.document({collection: n, "file": file, "format": form, **more})
        else:
            state.output.line(f"{n:,} {collection} in {file}")
    state.output.check_complete(unreadable)


def _write_escaped(text: str) -> None:
    sys.stdout.write("".join(escaped(line.rstrip("\n")) + "\n" for line in text.splitlines(keepends=True)))


def _with_progress(state: State, collection: str, unreadable: list[str]) -> Iterator[Item]:
    """Yield all items, and show on a terminal how many have been read."""
    console = state.output.log
    columns = (SpinnerColumn(), TextColumn(f"{{task.completed:,.0f}} {collection}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        documents = state.client.collection(collection)
        for item in documents.iter_items(page_size=100, on_unreadable=unreadable.append):
            yield item
            progress.advance(task)


def write_jsonl(items: Iterable[Item], write: _Write) -> int:
    """Write each item on a line, and return how many there are."""
    n = 0
    for item in items:
        write(escaped_json(json_text.encode(item)) + "\n")
        n += 1
    return n


def write_csv(items: Iterable[Item], write: _Write, columns: Mapping[str, str] = _ITEM_COLUMNS) -> int:
    """Write each item as a row, and return how many there are. `columns` maps the first columns to their kinds.

    The header depends on all items, so they are written to a temporary file first.
    """
    kinds: dict[str, set[str]] = {name: set() for name in columns}
    n = 0
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass") as spool:
        for item in items:
            for name, value in item.items():
                kinds.setdefault(name, set()).add(_kind(value))
            spool.write(json_text.encode(item) + "\n")
            n += 1
        spool.seek(0)
        found = {name: _common_kind(each, columns.get(name, "text")) for name, each in kinds.items()}
        write(_csv_line([header_cell(name, kind, columns.get(name, "text")) for name, kind in found.items()]))
        for line in spool:
            item = json_text.decode(line)
            write(_csv_line([_cell(item, name, kind) for name, kind in found.items()]))
    return n


def _columns(info: CollectionInfo | None) -> Mapping[str, str]:
    if info is None:
        return _ITEM_COLUMNS
    return {"id": "text", **kinds_of(info)}


def _common_kind(kinds: set[str], usual: str) -> str:
    """Return the kind of a column: the kind of all its values, else json; `usual` if it has no values."""
    return min(kinds, default=usual) if len(kinds) < 2 else "json"  # noqa: PLR2004


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if value is None or value == "" or isinstance(value, dict | list):  # an empty cell would leave the field out
        return "json"
    return "text" if isinstance(value, str) else "number"


def _cell(item: dict[str, Any], name: str, kind: str) -> str:
    if name not in item:
        return ""
    return str(item[name]) if kind == "text" else json_text.encode(item[name])


def _csv_line(cells: list[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)  # with \r\n, so that either of them in a cell is quoted
    return out.getvalue().removesuffix("\r\n") + "\n"
