"""`make bench`: measure all parts; write docs/performance.json, the plots and the tables of docs/performance.md.

A run of some parts (`make bench BENCH="ceiling pipeline"`) and a quick run only print their tables.
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
from itertools import chain
from types import ModuleType
from typing import Any

from rich.console import Console
from rich.table import Table

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from tests.bench.laboratory.environment import laboratory
from tests.bench.laboratory.lambda_process import Foundation, open_foundation
from tests.bench.laboratory.open_stage import open_stage
from tests.bench.laboratory.rounds import Figures, Part, Row, Seconds, measure_in_turns, timed
from tests.bench.parts.ceiling import Ceiling
from tests.bench.parts.celery_redis import CeleryRedis
from tests.bench.parts.compared import Compared
from tests.bench.parts.durable import Durable
from tests.bench.parts.growth import Growth
from tests.bench.parts.original import Original
from tests.bench.parts.pipeline import Pipeline
from tests.bench.peers.previous_release import start_packaging
from tests.bench.report import targets
from tests.bench.report.machine import about
from tests.bench.report.pages import markdown, origin, rewritten, seconds_by_part
from tests.helpers.commands import ROOT
from tests.helpers.deployed import Stage

INTERLEAVED: list[list[type[Part]]] = [[Ceiling, Pipeline, CeleryRedis, Durable, Compared], [Original, Growth]]
"""The groups of parts that are measured in turns: on nearly empty tables, and on large ones."""

INDEPENDENT = [
    "own_code",
    "profile_own_code",
    "full_batches",
    "peak_memory",
    "accepting",
    "parallel",
    "memory",
    "cold_start",
    "waiting",
    "telling",
    "fairness",
    "batches",
]
"""The modules that are measured one after the other. Each has `rows(figures)`, and
`measure_on(foundation, quick)` or `measure_in(stage, quick)`, or for a stage of its own `measure(quick)`."""

WHEN_ASKED = ["releasing"]
"""The modules that are only measured if they are named, since they take minutes."""

WITH_RELEASE_BEFORE = {"full_batches", "peak_memory", "parallel"}
"""Those of them that measure the release before too."""

DOCS = ROOT / "docs"
PAGE, DATA, PLOTS = DOCS / "performance.md", DOCS / "performance.json", DOCS / "plots"


def main() -> int:
    """Return 0 also if targets are missed: the reader judges them by the load of the machine."""
    parser = OneLineParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", help="the parts to measure (default: all)")
    parser.add_argument("--page", action="store_true", help="evaluate the last figures and rewrite the page")
    parser.add_argument("--quick", action="store_true", help="measure one small round, to test the benchmark")
    options = parser.parse_args()
    return run("bench", lambda: _bench(options, Console(highlight=False)))


def _bench(options: argparse.Namespace, console: Console) -> None:
    if options.page:
        document = json.loads(DATA.read_text())
        document["targets"] = summary_of(list(targets.targets(document)))
        _write_figures(document)
        return
    if importlib.util.find_spec("matplotlib") is None or importlib.util.find_spec("flask") is None:
        raise OperatorError("Flask and matplotlib are not installed: make bench, or make .venv/.bench-installed")
    groups, others = chosen(options.parts)
    if Compared in chain(*groups) or not WITH_RELEASE_BEFORE.isdisjoint(others):
        start_packaging()
    started, load = time.perf_counter(), os.getloadavg()[0]
    figures: dict[str, Any] = {}
    spent: Seconds = defaultdict(float)
    if any(groups):
        with laboratory(quick=options.quick):
            for group in groups:
                figures |= measure_in_turns(group, quick=options.quick, spent=spent)
    figures |= _measured_alone(others, options.quick, spent, console)
    seconds = round(time.perf_counter() - started, 1)
    is_complete = not (options.parts or options.quick)
    found = list(targets.targets({**figures, "seconds": seconds} if is_complete else figures))
    by_part = {name: round(each, 1) for name, each in spent.items()}
    facts = {**about(), "seconds": seconds, "seconds_by_part": by_part, "load_before": round(load, 1)}
    tables = all_rows(figures, found)
    for rows in tables.values():
        console.print(_table(rows))
    console.print(f"{seconds} s: {seconds_by_part(facts)}", markup=False)
    if not is_complete:
        return
    write({**facts, "targets": summary_of(found), **figures})
    console.print(f"written: {DATA}, {PLOTS}, the tables of {PAGE}", markup=False, soft_wrap=True)


def _measured_alone(names: Iterable[str], quick: bool, spent: Seconds, console: Console) -> dict[str, Any]:
    """Return the figures of the independent parts, which are measured one after the other."""
    figures: dict[str, Any] = {}
    with ExitStack() as stack:
        foundation: Foundation | None = None  # shared by the parts that deploy no Lambda
        stage: Stage | None = None  # shared by the parts that only send requests
        for name in names:
            console.print(f"[dim]{name}[/]")
            with timed(spent, name):
                module = _module(name)
                if hasattr(module, "measure_on"):
                    foundation = foundation or stack.enter_context(open_foundation())
                    figures[name] = module.measure_on(foundation, quick)
                elif hasattr(module, "measure_in"):
                    stage = stage or stack.enter_context(open_stage())
                    figures[name] = module.measure_in(stage, quick)
                else:
                    figures[name] = module.measure(quick)
    return figures


def chosen(parts: Iterable[str]) -> tuple[list[list[type[Part]]], list[str]]:
    """Return the interleaved groups and the independent parts to run; raise OperatorError for an unknown one."""
    requested = set(parts)
    existing = [name for name in INDEPENDENT if importlib.util.find_spec(f"tests.bench.parts.{name}")]
    usual = {part.name for group in INTERLEAVED for part in group} | set(existing)
    known = usual | set(WHEN_ASKED)
    if requested - known:
        raise OperatorError(f"unknown part {min(requested - known)!r}; the parts are {', '.join(sorted(known))}")
    requested = requested or usual
    groups = [[part for part in group if part.name in requested] for group in INTERLEAVED]
    return [group for group in groups if group], [name for name in (*existing, *WHEN_ASKED) if name in requested]


def all_rows(figures: dict[str, Figures], found: list[targets.Target]) -> dict[str, list[Row]]:
    """Return the table of the targets, then those of the parts."""
    tables = {"targets": list(targets.rows(found))}
    if {"ceiling", "pipeline"} <= set(figures):
        tables["batch"] = list(targets.batch_budget(figures))
    for name, each in figures.items():
        module = _module(name)
        if hasattr(module, "rows"):
            tables[name] = [tuple(map(str, row)) for row in module.rows(each)]
        if hasattr(module, "profile_rows"):
            tables[f"{name}_profile"] = list(module.profile_rows(each))
    return tables


def write(document: dict[str, Any]) -> None:
    """Write the figures, the plots, and the tables of the page."""
    from tests.bench.report.plots import draw  # noqa: PLC0415  # matplotlib may not be installed

    draw(document, PLOTS)
    _write_figures(document)


def _write_figures(document: dict[str, Any]) -> None:
    DATA.write_text(json.dumps(document, indent=1) + "\n")
    PAGE.write_text(rewritten(PAGE.read_text(), page_tables(document)))


def page_tables(document: dict[str, Any]) -> dict[str, str]:
    """Return the tables of docs/performance.md for the figures of docs/performance.json."""
    figures = {name: each for name, each in document.items() if name in _part_names()}
    tables = all_rows(figures, list(targets.targets(document)))
    return {name: markdown(rows) for name, rows in {**tables, "origin": list(origin(document))}.items()}


def summary_of(found: list[targets.Target]) -> list[dict[str, object]]:
    """Return the targets for JSON."""
    return [
        {"name": each.name, "median": round(each.figure, 3), "bound": each.bound, "verdict": each.verdict}
        for each in found
    ]


def _part_names() -> set[str]:
    return {part.name for group in INTERLEAVED for part in group} | set(INDEPENDENT)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tests.bench.parts.{name}")


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
