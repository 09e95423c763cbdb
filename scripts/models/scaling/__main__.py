"""Simulates jobpipe on AWS, and holds the simulation against a real run on an emulator.

python -m scripts.models.scaling           simulate, check, and write docs/scaling.json, its tables and its plots
python -m scripts.models.scaling simulate  only the simulation: the same figures for the same seed
python -m scripts.models.scaling check     only the real run and what was predicted of it
python -m scripts.models.scaling tables    only the tables and plots, from docs/scaling.json as it is
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from infra.settings import ROOT
from scripts.models.scaling.check import check
from scripts.models.scaling.runs import run_all
from scripts.models.scaling.tables import TABLES, filled_in

FIGURES = ROOT / "docs" / "scaling.json"
PAGE = ROOT / "docs" / "scaling.md"
PLOTS = ROOT / "docs" / "plots"
_SIMULATED = ("rates", "steps", "bursts", "burst-steps", "outages", "hot", "index", "costs", "validation")
_DIGITS = 4
_PAIR = re.compile(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]")  # a point of a line, which is to stand on one


def main(arguments: list[str] | None = None) -> int:
    """Runs what is asked for and keeps the other figures."""
    parser = OneLineParser(
        prog="python -m scripts.models.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=("all", "simulate", "check", "tables"), default="all")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (%(default)s)")
    options = parser.parse_args(arguments)
    return run("scaling", lambda: _command(options.what, options.seed))


def _command(what: str, seed: int) -> None:
    draw_all = _drawing()  # before anything that takes minutes
    console = Console(highlight=False)
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if what in {"all", "simulate"}:
        figures |= run_all(seed)
        _show(console, figures, _SIMULATED)
    if what in {"all", "check"}:
        figures["emulator"] = check(seed)
        _show(console, figures, ("emulator",))
    missing = {"rates", "emulator"} - set(figures)
    if missing:
        console.print("not written: `python -m scripts.models.scaling` makes all figures first")
        return
    figures = rounded(figures)
    _write(figures)
    draw_all(figures, PLOTS)


def _show(console: Console, figures: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        table = TABLES[name](figures)
        shown = Shown(*table.head, title=name)
        for line in table.lines:
            shown.add_row(*line)
        console.print(shown)


def _write(figures: dict[str, Any]) -> None:
    FIGURES.write_text(_PAIR.sub(r"[\1, \2]", json.dumps(figures, indent=1)) + "\n")
    PAGE.write_text(filled_in(PAGE.read_text(), figures))


def _drawing() -> Callable[[dict[str, Any], Path], None]:
    try:
        from scripts.models.scaling.plots import draw_all  # noqa: PLC0415  # the only part that needs matplotlib
    except ImportError:
        raise OperatorError("the plots need matplotlib: make simulate installs it") from None
    return draw_all


def rounded(figures: Any) -> Any:
    """With as many digits as they are worth."""
    if isinstance(figures, dict):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [rounded(value) for value in figures]
    return float(f"{figures:.{_DIGITS}g}") if isinstance(figures, float) else figures


if __name__ == "__main__":
    sys.exit(main())
