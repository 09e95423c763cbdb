"""The cost of a request: memory in proportion to its body, and linear time for its headers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api_lambda.chalicelib.http.request_fields import MAX_PREFER_LENGTH
from tests.measurements.growth import BODIES, HEADERS, MAX_HEADERS, UNITS, accept, peak, read, within

ROOT = Path(__file__).parents[3]
SIZE = 8 * 1024
MOST = 200
"""Bytes of memory for each byte of the body: 200 MB of the API's 1,024 for the largest one."""


@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
def test_memory_is_in_proportion_to_the_body(text: Callable[[int], str]) -> None:
    body = text(SIZE)
    assert SIZE * 0.9 < len(body.encode()) <= SIZE * 1.1
    accept(body)
    assert peak(lambda: accept(body)) < MOST * SIZE


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("name", HEADERS)
def test_no_header_takes_more_than_its_length(name: str, unit: str) -> None:
    """A pattern that can match a text in two ways would practically never end here."""
    for start in ("", HEADERS[name]):
        for size in (40, 1000, MAX_HEADERS):
            outcome = read(name, within(start, unit, "\x01")(size))
            # Unknown preferences are ignored, up to a length.
            assert outcome != "taken" or (name == "prefer" and size <= MAX_PREFER_LENGTH)


def test_colliding_names_cannot_be_prepared() -> None:
    """Python hashes text with a random key of the process, unless PYTHONHASHSEED is set."""
    assert sys.flags.hash_randomization == 1
    for path in (*ROOT.glob("infra/**/*.y*ml"), *ROOT.glob("infra/**/*.py"), *ROOT.glob("*/.chalice/config.json")):
        # Operations are tried with fixed seeds before a deployment, in a process of their own.
        assert path.name == "guests.py" or "PYTHONHASHSEED" not in path.read_text(), path
