"""Entity tags and If-Match."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.domain import etags
from jobpipe.domain.errors import InvalidRequest


@pytest.mark.parametrize("value", ["*", '"a1"', '""', 'W/"a1"', '"a", "b"', '"a","b" , W/"c"', None])
def test_well_formed(value: str | None) -> None:
    assert etags.check_if_match(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "a1", '"a', 'a"', "'a'", '*, "a"', '"a" "b"', '"a",', '"a\x7f"', '"é"', 'w/"a"', '"' * 1025, 5, []],
)
def test_malformed(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        etags.check_if_match(value)


@pytest.mark.parametrize(
    ("if_match", "met"),
    [
        (None, True),
        ("*", True),
        ('"v"', True),
        ('"a", "v"', True),
        ('"a"', False),
        ('W/"v"', False),
        ('"vv"', False),
    ],
)
def test_the_comparison_is_strong(if_match: str | None, met: bool) -> None:
    assert etags.matches(if_match, "v") is met
