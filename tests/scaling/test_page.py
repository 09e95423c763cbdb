"""docs/scaling.md shows the figures of docs/scaling.json, and its plots exist."""

from __future__ import annotations

import json
import re

from infra.settings import ROOT
from scripts.markdown import with_tables
from scripts.models.scaling.assumptions import assumptions, quota
from scripts.models.scaling.figures import RATES
from scripts.models.scaling.tables import seconds, tables

PAGE = (ROOT / "docs" / "scaling.md").read_text()
FIGURES = json.loads((ROOT / "docs" / "scaling.json").read_text())


def test_the_page_has_every_table_of_the_figures() -> None:
    assert with_tables(PAGE, tables(FIGURES)) == PAGE


def test_every_plot_exists() -> None:
    plots = re.findall(r"\]\((plots/[\w-]+\.png)\)", PAGE)
    assert len(plots) == 4
    assert [plot for plot in plots if not (ROOT / "docs" / plot).is_file()] == []


def test_every_rate_was_simulated() -> None:
    assert list(FIGURES["rates"]) == [str(rate) for rate in RATES]


def test_a_hot_item_needs_a_small_part_of_a_partitions_capacity() -> None:
    """Therefore the simulation omits the partitions of its row and its message group."""
    units = max(operation["write_units"]["items"] for operation in assumptions()["operations"].values())
    for hot in FIGURES["hot"].values():
        assert hot["hot_per_second"] * units < quota("partition_write_units") / 10
        assert hot["hot_per_second"] < quota("group_rate") / 10


def test_times_are_formatted_by_their_size() -> None:
    formatted = [seconds(value) for value in (None, 0.12, 0.9994, 3.42, 89, 1_460, 9_000)]
    assert formatted == ["\u2013", "120 ms", "999 ms", "3.4 s", "89.0 s", "24 min", "2.5 h"]
