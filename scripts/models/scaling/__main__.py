"""Simulate jobpipe on AWS, and compare the simulation with a real run on an emulator.

python -m scripts.models.scaling           simulate, check, and write docs/scaling.json, its tables and its plots
python -m scripts.models.scaling simulate  only the simulation: the same figures for the same seed
python -m scripts.models.scaling check     only the real run and its prediction
python -m scripts.models.scaling tables    only the tables and plots, from docs/scaling.json as it is
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from infra.settings import ROOT
from scripts.markdown import with_tables
from scripts.models.scaling.emulator_check import check
from scripts.models.scaling.figures import simulate
from scripts.models.scaling.tables import tables

FIGURES = ROOT / "docs" / "scaling.json"
PAGE = ROOT / "docs" / "scaling.md"
PLOTS = ROOT / "docs" / "plots"
_DIGITS = 4
_POINT = re.compile(r"\[\s+([\d.]+),\s+([\d.]+)\s+\]")  # a pair, which is written on one line


def main(arguments: list[str] | None = None) -> int:
    """Make the figures that are asked for, and keep the others."""
    parser = OneLineParser(
        prog="python -m scripts.models.scaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", choices=("all", "simulate", "check", "tables"), default="all")
    parser.add_argument("--seed", type=int, default=1, help="the seed of everything random (%(default)s)")
    options = parser.parse_args(arguments)
    return run("scaling", lambda: _command(options.what, options.seed))


def _command(what: str, seed: int) -> None:
    try:  # before the minutes of a simulation
        from scripts.models.scaling.plots import draw_all  # noqa: PLC0415  # the only part that needs matplotlib
    except ImportError:
        raise OperatorError("the plots need matplotlib: make simulate installs it") from None
    figures: dict[str, Any] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if what in {"all", "simulate"}:
        figures |= simulate(seed)
    if what in {"all", "check"}:
        figures["emulator"] = check(seed)
    if not {"rates", "emulator"} <= set(figures):
        raise OperatorError("nothing is written: `python -m scripts.models.scaling` makes all figures first")
    figures = rounded(figures)
    FIGURES.write_text(_POINT.sub(r"[\1, \2]", json.dumps(figures, indent=1)) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text(), tables(figures)))
    draw_all(figures, PLOTS)
    for name, table in tables(figures).items():
        Console(highlight=False).print(Markdown(f"**{name}**\n\n{table}"))


def rounded(figures: Any) -> Any:
    """Round to the digits that are significant."""
    if isinstance(figures, dict):
        return {name: rounded(value) for name, value in figures.items()}
    if isinstance(figures, list):
        return [rounded(value) for value in figures]
    return float(f"{figures:.{_DIGITS}g}") if isinstance(figures, float) else figures


if __name__ == "__main__":
    sys.exit(main())
