"""The tables of docs/performance.md, which a complete run rewrites between their markers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.laboratory.rounds import Row

_MARKED = re.compile(r"<!-- figures: (?P<name>[a-z_]+) -->\n.*?<!-- end -->", re.DOTALL)


def markdown(rows: Iterable[Row]) -> str:
    """Return a table whose first row is the header; all columns but the first are right-aligned."""
    header, *lines = rows
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    return "\n".join([_row(header), f"|{rule}|", *map(_row, lines)])


def rewritten(page: str, tables: Mapping[str, str]) -> str:
    """Return the page with these tables, and its other tables unchanged."""

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        return f"<!-- figures: {name} -->\n{tables[name]}\n<!-- end -->" if name in tables else match[0]

    return _MARKED.sub(table, page)


def names(page: str) -> set[str]:
    """Return the names of the tables that the page has markers for."""
    return {match["name"] for match in _MARKED.finditer(page)}


def origin(about: Mapping[str, Any]) -> Iterable[Row]:
    """Yield the rows of the table that describes the run."""
    machine, versions = about["machine"], about["versions"]
    yield "measured on", about["date"]
    yield "machine", f"{machine['cores']} cores, {machine['processor']}, {machine['memory_gib']} GiB"
    yield "system", machine["system"]
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    if about.get("commit"):
        yield "commit", about["commit"]
    yield "duration", f"{about['seconds']:.0f} s"
    if about.get("seconds_by_part"):
        yield "duration of the parts", seconds_by_part(about)
    warning = " (**high: compare the rounds**)" if about["load_before"] > 1 else ""
    yield "load of the machine before the run", f"{about['load_before']:.1f}{warning}"


def seconds_by_part(about: Mapping[str, Any]) -> str:
    """Return the seconds of each part, the longest first. The start of the emulator and stages is not included."""
    parts = sorted(about["seconds_by_part"].items(), key=lambda part: -float(part[1]))
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in parts)


def _row(row: Row) -> str:
    return "| " + " | ".join(row) + " |"
