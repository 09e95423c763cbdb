"""The list of deliberate breakages stays true: each is still to be found in the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.breakages import Breakage, read_breakages

ROOT = Path(__file__).parents[2]
BREAKAGES = read_breakages()


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda each: each.name)
def test_what_is_to_be_broken_is_there(breakage: Breakage) -> None:
    assert breakage.old in (ROOT / breakage.path).read_text()
    assert breakage.old != breakage.new
    assert all((ROOT / test).exists() for test in breakage.tests if test.startswith("tests/"))


def test_every_promise_is_broken() -> None:
    assert {each.promise for each in BREAKAGES} == {f"P{i}" for i in range(1, 10)}
    assert len({each.name for each in BREAKAGES}) == len(BREAKAGES)
