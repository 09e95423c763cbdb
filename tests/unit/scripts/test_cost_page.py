"""docs/cost.md has what the model computes from the committed data."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from infra.errors import OperatorError
from scripts.markdown import with_tables
from scripts.models.cost.__main__ import main
from scripts.models.cost.data import read_data
from scripts.models.cost.sheets import PAGE, Sheet, sheets

SHEET = Sheet("one", "One", ("what", "dollars"), (("a", Decimal("1234.5")), ("b", Decimal("0.004"))))
PLACE = "<!-- figures: one -->\nold\n<!-- end -->"


def test_the_page_is_up_to_date() -> None:
    text = PAGE.read_text()
    assert with_tables(text, {sheet.name: sheet.markdown() for sheet in sheets(read_data())}) == text, (
        "`make cost` brings it up to date"
    )


def test_a_table_takes_its_place() -> None:
    lines = "| what | dollars |\n| --- | ---: |\n| a | 1,234.50 |\n| b | 0.00 |\n"
    assert SHEET.markdown() == lines
    assert (
        with_tables(f"before\n{PLACE}\nafter", {"one": SHEET.markdown()})
        == f"before\n<!-- figures: one -->\n{lines}<!-- end -->\nafter"
    )


@pytest.mark.parametrize("text", ["no place", PLACE + PLACE, PLACE + PLACE.replace("one", "two")])
def test_each_table_has_one_place(text: str) -> None:
    with pytest.raises(OperatorError, match=r"once each: (one|two|one, one)$"):
        with_tables(text, {"one": SHEET.markdown()})


def test_every_row_has_all_columns() -> None:
    for sheet in sheets(read_data()):
        assert sheet.rows
        assert {len(row) for row in sheet.rows} == {len(sheet.columns)}


def test_json_has_the_same_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = PAGE.stat().st_mtime_ns
    main(["--json"])
    printed = json.loads(capsys.readouterr().out)
    assert PAGE.stat().st_mtime_ns == before
    assert list(printed["tables"]) == [sheet.name for sheet in sheets(read_data())]
    create = printed["tables"]["operations"][0]
    parts = [value for name, value in create.items() if name not in {"job", "total"}]
    assert sum(parts) == pytest.approx(create["total"])
