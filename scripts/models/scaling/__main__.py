"""`make simulate`: simulate jobpipe on AWS, and write docs/scaling.json, its tables and its plots."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.markdown import Markdown

from infra.cli.command_line import OneLineParser, run
from infra.errors import OperatorError
from infra.settings import ROOT
from scripts.models.scaling.figures import simulate
from scripts.models.scaling.tables import read_figures, tables, write_figures


def main(arguments: list[str] | None = None) -> int:
    """Make all figures, except the emulator's, which tests.scaling.emulator_check makes."""
    parser = OneLineParser(prog="python -m scripts.models.scaling", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the seed of everything random (%(default)s)")
    parser.add_argument("--tables", action="store_true", help="write the tables and plots from docs/scaling.json")
    options = parser.parse_args(arguments)
    return run("scaling", lambda: _command(options))


def _command(options: argparse.Namespace) -> None:
    try:  # before a simulation of some minutes
        from scripts.models.scaling.plots import draw_all  # noqa: PLC0415  # the only part that needs matplotlib
    except ImportError:
        raise OperatorError("the plots need matplotlib: make simulate installs it") from None
    figures = write_figures({**read_figures(), **({} if options.tables else simulate(options.seed))})
    draw_all(figures, ROOT / "docs" / "plots")
    for name, table in tables(figures).items():
        Console(highlight=False).print(Markdown(f"**{name}**\n\n{table}"))


if __name__ == "__main__":
    sys.exit(main())
