"""Options that are a length of time."""

from __future__ import annotations

import argparse

import pytest

from infra.cli.command_line import duration


@pytest.mark.parametrize(("unit", "longest"), [("minutes", 3650 * 24 * 60), ("seconds", 3650 * 24 * 3600)])
def test_a_duration_is_a_number_within_ten_years(unit: str, longest: int) -> None:
    parsed = duration(unit)
    assert [parsed(text) for text in ("0", "2.5", str(longest))] == [0, 2.5, longest]
    for text in ("-1", "nan", "inf", "1e12", "ten", str(longest + 1)):
        with pytest.raises(argparse.ArgumentTypeError, match=f"is no number of {unit} within ten years"):
            parsed(text)
