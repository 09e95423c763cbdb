"""`make cost`: print the price of a million jobs on AWS, and write the tables of docs/cost.md."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.markdown import Markdown

from infra.cli.command_line import OneLineParser, run
from infra.settings import ROOT
from scripts.markdown import with_tables
from scripts.models.cost.data import TIMES, Data, read_data
from scripts.models.cost.sheets import PAGE, Cell, Sheet, sheets


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, and write the ones that have changed."""
    parser = OneLineParser(prog="cost", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON, and write nothing")
    options = parser.parse_args(arguments)
    data = read_data()
    found = list(sheets(data))
    if options.json:
        print(json.dumps(as_json(data, found), indent=2))
        return
    console = Console()
    for sheet in found:
        console.print(Markdown(f"**{sheet.title}**\n\n{sheet.markdown()}"))
    times = f"times measured ({TIMES.relative_to(ROOT)})"
    if not any(data.measured.values()):
        times = f"times assumed on {data.assumed['as_of']}: `make bench` measures them"
    console.print(f"Dollars, {data.prices['region']}, prices of {data.prices['as_of']}; {times}", soft_wrap=True)
    before = PAGE.read_text()
    after = with_tables(before, {sheet.name: sheet.markdown() for sheet in found})
    if after != before:
        PAGE.write_text(after)
        console.print(f"{PAGE.relative_to(ROOT)} has new figures", style="bold")


def as_json(data: Data, found: Sequence[Sheet]) -> dict[str, object]:
    """Return the tables with dollars as numbers."""

    def plain(cell: Cell) -> str | float:
        return round(float(cell), 6) if isinstance(cell, Decimal) else cell

    tables = {
        sheet.name: [dict(zip(sheet.columns, map(plain, row), strict=True)) for row in sheet.rows]
        for sheet in found
    }
    return {"region": data.prices["region"], "as_of": data.prices["as_of"], "tables": tables}


if __name__ == "__main__":
    sys.exit(run("cost", main))
