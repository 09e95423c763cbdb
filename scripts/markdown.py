"""Writes Markdown tables, and puts tables between two comments of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from infra.errors import OperatorError

_PLACE = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Return a table; the columns with the numbers `right` are aligned to the right."""
    rules = ["---:" if n in {*right} else "---" for n in range(len(columns))]
    lines = [columns, rules, *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def code(text: object) -> str:
    """Return the text as code, or nothing if it is empty."""
    return f"`{text}`" if str(text) else ""


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """Return the page with new tables; raise OperatorError unless it has exactly one place for each table."""
    places = [name for _, name, _ in _PLACE.findall(page)]
    if sorted(places) != sorted(tables):
        odd = ", ".join(sorted({*places} ^ {*tables}) or sorted(places))
        raise OperatorError(f"the page and its program do not have the same tables, once each: {odd}")
    return _PLACE.sub(lambda place: f"{place[1]}{tables[place[2]]}{place[3]}", page)
