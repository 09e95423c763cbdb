"""docs/scaling.md says what docs/scaling.json has, and its plots are there."""

from __future__ import annotations

import json
import re

from infra.settings import ROOT
from scripts.models.scaling.assumptions import assumptions, quota
from scripts.models.scaling.runs import RATES
from scripts.models.scaling.tables import TABLES, filled_in, seconds

PAGE = (ROOT / "docs" / "scaling.md").read_text()
FIGURES = json.loads((ROOT / "docs" / "scaling.json").read_text())


def test_the_tables_are_those_of_the_figures() -> None:
    assert filled_in(PAGE, FIGURES) == PAGE


def test_every_table_has_its_place() -> None:
    assert sorted(re.findall(r"<!-- figures: ([\w-]+) -->", PAGE)) == sorted(TABLES)


def test_every_plot_is_there() -> None:
    plots = re.findall(r"\]\((plots/[\w-]+\.png)\)", PAGE)
    assert len(plots) == 4
    assert [plot for plot in plots if not (ROOT / "docs" / plot).is_file()] == []


def test_every_rate_was_run() -> None:
    assert list(FIGURES["rates"]) == [str(rate) for rate in RATES]


def test_a_hot_item_is_far_below_what_a_partition_takes() -> None:
    """So that partitions need not be simulated: of its row, and of its message group."""
    units = max(operation["write_units"]["items"] for operation in assumptions()["operations"].values())
    for hot in FIGURES["hot"].values():
        assert hot["hot_per_second"] * units < quota("partition_write_units") / 10
        assert hot["hot_per_second"] < quota("group_rate") / 10


def test_times_are_said_as_one_says_them() -> None:
    said = [seconds(value) for value in (None, 0.12, 0.9994, 3.42, 89, 1_460, 9_000)]
    assert said == ["\u2013", "120 ms", "999 ms", "3.4 s", "89.0 s", "24 min", "2.5 h"]
