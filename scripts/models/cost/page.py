"""docs/cost.md: its words are written by hand, its tables between marks by the model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from infra.errors import OperatorError
from infra.settings import ROOT
from scripts.models.cost.sheets import Cell, Sheet

PAGE = ROOT / "docs" / "cost.md"
_PLACE = re.compile(r"(<!-- figures: (?P<name>[a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str, sheets: Iterable[Sheet]) -> str:
    """The page with its tables as they are now; each has one place."""
    tables = {sheet.name: markdown(sheet) for sheet in sheets}
    places = [place["name"] for place in _PLACE.finditer(text)]
    if sorted(places) != sorted(tables):
        odd = ", ".join(sorted({*places} ^ {*tables}) or sorted(places))
        raise OperatorError(f"docs/cost.md and the model do not have the same tables, once each: {odd}")
    return _PLACE.sub(lambda place: f"{place[1]}{tables[place['name']]}{place[3]}", text)


def markdown(sheet: Sheet) -> str:
    """The table alone."""
    rows = [sheet.columns, tuple("---:" if _is_number(sheet, n) else "---" for n in range(len(sheet.columns)))]
    rows += [tuple(shown(cell) for cell in row) for row in sheet.rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def shown(cell: Cell) -> str:
    """A cell as people read it."""
    return f"{cell:,.2f}" if isinstance(cell, Decimal) else cell


def _is_number(sheet: Sheet, column: int) -> bool:
    return isinstance(sheet.rows[0][column], Decimal)
