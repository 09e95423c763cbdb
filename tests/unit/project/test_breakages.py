"""The text of each deliberate breakage is in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.breakages import Breakage, read_breakages

ROOT = Path(__file__).parents[3]
BREAKAGES = read_breakages()


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.name)
def test_the_text_of_each_breakage_is_in_its_file(breakage: Breakage) -> None:
    assert breakage.old in (ROOT / breakage.path).read_text()
    assert breakage.old != breakage.new
    assert all((ROOT / test).exists() for test in breakage.tests if test.startswith("tests/"))


def test_each_promise_has_a_breakage() -> None:
    assert {each.promise for each in BREAKAGES} == {f"P{i}" for i in range(1, 12)}
    assert len({each.name for each in BREAKAGES}) == len(BREAKAGES)
