"""`make cost`: what a million jobs cost on AWS; it brings the tables of docs/cost.md up to date."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from infra.cli.command_line import OneLineParser, run
from infra.settings import ROOT
from scripts.models.cost.data import TIMES, Data, read_data
from scripts.models.cost.page import PAGE, shown, with_tables
from scripts.models.cost.sheets import Cell, Sheet, sheets


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints, and writes what has changed."""
    options = _parse(arguments)
    data = read_data()
    found = list(sheets(data))
    if options.json:
        print(json.dumps(as_json(data, found), indent=2))
        return
    console = Console()
    for sheet in found:
        console.print(as_table(sheet))
    console.print(
        f"Dollars, {data.prices['region']}, prices of {data.prices['as_of']}; {_times(data)}", soft_wrap=True
    )
    before = PAGE.read_text()
    after = with_tables(before, found)
    if after != before:
        PAGE.write_text(after)
        console.print(f"{PAGE.relative_to(ROOT)} has new figures", style="bold")


def as_json(data: Data, found: Sequence[Sheet]) -> dict[str, object]:
    """For scripts: dollars as numbers."""

    def plain(cell: Cell) -> str | float:
        return round(float(cell), 6) if isinstance(cell, Decimal) else cell

    tables = {
        sheet.name: [dict(zip(sheet.columns, map(plain, row), strict=True)) for row in sheet.rows]
        for sheet in found
    }
    return {"region": data.prices["region"], "as_of": data.prices["as_of"], "tables": tables}


def as_table(sheet: Sheet) -> Table:
    """For people."""
    table = Table(title=sheet.title, title_justify="left")
    for n, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if isinstance(sheet.rows[0][n], Decimal) else "left")
    for row in sheet.rows:
        table.add_row(*map(shown, row))
    return table


def _times(data: Data) -> str:
    if any(data.measured.values()):
        return f"times measured ({TIMES.relative_to(ROOT)})"
    return f"times assumed on {data.assumed['as_of']}: `make bench` measures them"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OneLineParser(prog="cost", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON, and write nothing")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(run("cost", main))
