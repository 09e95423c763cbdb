"""Rows of untrusted text on a terminal: as a table, or as records where a table does not fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from jobpipe_client.cli.output.escaping import cell, escaped

_MIN_CELL_WIDTH = 20  # unless the text is shorter
_INDENT = 2


def draw_rows(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int, title: str | None = None
) -> RenderableType | None:
    """Return the rows for a terminal of this width, with no cell cut off, or None if there are no rows."""
    all_rows = [tuple(row) for row in rows]
    if not all_rows:
        return None
    draw = _draw_table if _fits(columns, all_rows, width) else _draw_records
    return draw(columns, all_rows, title)


def group(title: str | None, parts: Iterable[RenderableType]) -> Group:
    """Return the parts below each other, under the title if there is one."""
    return Group(*([] if title is None else [Text(title, style="table.title")]), *parts)


def indent(text: str) -> Padding:
    """Return the text, indented."""
    return Padding(cell(text), (0, 0, 0, _INDENT))


def _fits(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> bool:
    """Return whether the first column, which users copy, fits on one line and leaves the others readable."""
    lengths = [
        max(map(cell_len, (name, *map(escaped, cells)))) for name, *cells in zip(columns, *rows, strict=True)
    ]
    borders = 3 * len(columns) + 1
    return lengths[0] + sum(min(length, _MIN_CELL_WIDTH) for length in lengths[1:]) + borders <= width


def _draw_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> Table:
    table = Table(*columns, title=title, title_justify="left", show_header=any(columns))
    table.columns[0].no_wrap = True
    table.columns[0].overflow = "fold"
    for row in rows:
        table.add_row(*map(cell, row))
    return table


def _draw_records(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> Group:
    """Return the first cell of each row on a line, and the others below, with their names if there are several."""
    parts: list[RenderableType] = []
    for first, *others in rows:
        parts.append(cell(first))
        for name, text in zip(columns[1:], others, strict=True):
            if text:
                parts.append(indent(text if len(others) == 1 else f"{name}: {text}"))
    return group(title, parts)
