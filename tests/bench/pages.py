"""docs/performance.md: its tables stand between markers and are written anew with every run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tests.bench.rounds import Row

_MARKED = re.compile(r"<!-- figures: (?P<name>[a-z_]+) -->\n.*?<!-- end -->", re.DOTALL)


def markdown(rows: Iterable[Row]) -> str:
    """A table; the first row is its header, what follows the first column is aligned to the right."""
    header, *lines = rows
    rule = "|".join(["---", *["---:"] * (len(header) - 1)])
    return "\n".join([_line(header), f"|{rule}|", *map(_line, lines)])


def rewritten(page: str, tables: Mapping[str, str]) -> str:
    """The page with these tables; one that was not measured stays as it is."""

    def marked(found: re.Match[str]) -> str:
        name = found["name"]
        return f"<!-- figures: {name} -->\n{tables[name]}\n<!-- end -->" if name in tables else found[0]

    return _MARKED.sub(marked, page)


def names(page: str) -> set[str]:
    """The tables that a page has a place for."""
    return {found["name"] for found in _MARKED.finditer(page)}


def origin(about: Mapping[str, Any]) -> Iterable[Row]:
    """Where the figures come from."""
    machine, versions = about["machine"], about["versions"]
    yield "measured on", about["date"]
    yield "machine", f"{machine['cores']} cores, {machine['processor']}, {machine['memory_gib']} GiB"
    yield "system", machine["system"]
    yield "versions", ", ".join(f"{name} {version}" for name, version in versions.items())
    if about.get("commit"):
        yield "commit", about["commit"]
    yield "the whole run", f"{about['seconds']:.0f} s"
    if about.get("seconds_by_part"):
        yield "its parts", seconds_by_part(about)
    busy = " — **it was busy with other things: see the rounds**" if about["load_before"] > 1 else ""
    yield "load of the machine before it", f"{about['load_before']:.1f}{busy}"


def seconds_by_part(about: Mapping[str, Any]) -> str:
    """The longest first; what is missing to the whole is the emulator's start and the stages' deployment."""
    parts = sorted(about["seconds_by_part"].items(), key=lambda part: -float(part[1]))
    return ", ".join(f"{name} {seconds:.0f} s" for name, seconds in parts)


def _line(row: Row) -> str:
    return "| " + " | ".join(row) + " |"
