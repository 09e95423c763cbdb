"""`make bench`: everything that is measured, its tables, docs/performance.json, the plots and docs/performance.md.

A run of some parts only (`make bench BENCH="ceiling pipeline"`), or a quick one, prints its
tables and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from tests.bench import targets
from tests.bench.ceiling import Ceiling
from tests.bench.celery_redis import CeleryRedis
from tests.bench.growth import Growth
from tests.bench.laboratory import laboratory
from tests.bench.lambda_process import Foundation, open_foundation
from tests.bench.machine import about
from tests.bench.original import Original
from tests.bench.pages import markdown, origin, rewritten, seconds_by_part
from tests.bench.pipeline import Pipeline
from tests.bench.rounds import Figures, Part, Row, Seconds, take_turns, timed
from tests.helpers.commands import ROOT

IN_TURNS: list[list[type[Part]]] = [[Ceiling, Pipeline, CeleryRedis], [Original, Growth]]
"""What shares the machine's moods: the first on tables that are nearly empty, the second on large ones."""

BY_THEMSELVES = ["own_code", "parallel", "memory", "cold_start", "batches", "waiting"]
"""Modules of tests/bench, if they are there: `measure(quick)`, and `rows(figures)` whose first row is a header."""

DOCS = ROOT / "docs"
PAGE, DATA, PLOTS = DOCS / "performance.md", DOCS / "performance.json", DOCS / "plots"


def main() -> int:
    """0; whether targets are met is for the reader, who knows how quiet the machine was."""
    parser = OneLineParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help="all")
    parser.add_argument("--page", action="store_true", help="only judge the last figures and write their page anew")
    parser.add_argument("--quick", action="store_true", help="one small round of each: does it run at all?")
    options = parser.parse_args()
    return run("bench", lambda: _bench(options, Console(highlight=False)))


def _bench(options: argparse.Namespace, console: Console) -> None:
    if options.page:
        document = json.loads(DATA.read_text())
        document["targets"] = summed_up(list(targets.targets(document)))
        _write_figures(document)
        return
    if importlib.util.find_spec("matplotlib") is None or importlib.util.find_spec("flask") is None:
        raise OperatorError("Flask and matplotlib are not installed: make bench, or make .venv/.bench-installed")
    groups, others = chosen(options.parts)
    began, load = time.perf_counter(), os.getloadavg()[0]
    figures: dict[str, Any] = {}
    spent: Seconds = defaultdict(float)
    if any(groups):
        with laboratory(quick=options.quick):
            for group in groups:
                figures |= take_turns(group, quick=options.quick, spent=spent)
    with ExitStack() as stack:
        foundation: Foundation | None = None  # one for all that deploy no Lambda
        for name in others:
            console.print(f"[dim]{name}[/]")
            with timed(spent, name):
                module = _module(name)
                if hasattr(module, "measure_on"):
                    foundation = foundation or stack.enter_context(open_foundation())
                    figures[name] = module.measure_on(foundation, options.quick)
                else:
                    figures[name] = module.measure(options.quick)
    seconds = round(time.perf_counter() - began, 1)
    whole = not (options.parts or options.quick)
    found = list(targets.targets({**figures, "seconds": seconds} if whole else figures))
    by_part = {name: round(each, 1) for name, each in spent.items()}
    facts = {**about(), "seconds": seconds, "seconds_by_part": by_part, "load_before": round(load, 1)}
    tables = all_rows(figures, found)
    for rows in tables.values():
        console.print(_table(rows))
    console.print(f"{seconds} s: {seconds_by_part(facts)}", markup=False)
    if not whole:
        return
    write({**facts, "targets": summed_up(found), **figures})
    console.print(f"written: {DATA}, {PLOTS}, the tables of {PAGE}", markup=False, soft_wrap=True)


def chosen(parts: Iterable[str]) -> tuple[list[list[type[Part]]], list[str]]:
    """What to run, of that what takes turns first."""
    wanted = set(parts)
    there = [name for name in BY_THEMSELVES if importlib.util.find_spec(f"tests.bench.{name}")]
    known = {part.name for group in IN_TURNS for part in group} | set(there)
    if wanted - known:
        raise OperatorError(f"no part is named {min(wanted - known)!r}, but {', '.join(sorted(known))}")
    wanted = wanted or known
    groups = [[part for part in group if part.name in wanted] for group in IN_TURNS]
    return [group for group in groups if group], [name for name in there if name in wanted]


def all_rows(figures: dict[str, Figures], found: list[targets.Target]) -> dict[str, list[Row]]:
    """The table of each part, the targets' first."""
    tables = {"targets": list(targets.rows(found))}
    if {"ceiling", "pipeline"} <= set(figures):
        tables["batch"] = list(targets.batch_budget(figures))
    for name, each in figures.items():
        module = _module(name)
        if hasattr(module, "rows"):
            tables[name] = [tuple(map(str, row)) for row in module.rows(each)]
    return tables


def write(document: dict[str, Any]) -> None:
    """The figures, the plots, and the tables of the page."""
    from tests.bench.plots import draw  # noqa: PLC0415  # matplotlib: for those who have it

    draw(document, PLOTS)
    _write_figures(document)


def _write_figures(document: dict[str, Any]) -> None:
    DATA.write_text(json.dumps(document, indent=1) + "\n")
    PAGE.write_text(rewritten(PAGE.read_text(), page_tables(document)))


def page_tables(document: dict[str, Any]) -> dict[str, str]:
    """The tables of docs/performance.md, as docs/performance.json has the figures."""
    figures = {name: each for name, each in document.items() if name in _part_names()}
    tables = all_rows(figures, list(targets.targets(document)))
    return {name: markdown(rows) for name, rows in {**tables, "origin": list(origin(document))}.items()}


def summed_up(found: list[targets.Target]) -> list[dict[str, object]]:
    """Targets as JSON."""
    return [
        {"name": each.name, "median": round(each.figure, 3), "bound": each.bound, "verdict": each.verdict}
        for each in found
    ]


def _part_names() -> set[str]:
    return {part.name for group in IN_TURNS for part in group} | set(BY_THEMSELVES)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.bench.{name}")


def _table(rows: list[Row]) -> Table:
    header, *lines = rows
    table = Table(title_justify="left")
    for number, column in enumerate(header):
        table.add_column(column, justify="right" if number else "left")
    for line in lines:
        table.add_row(*line)
    return table


if __name__ == "__main__":
    sys.exit(main())
