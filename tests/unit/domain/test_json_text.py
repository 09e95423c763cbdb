"""Numbers keep all digits or are refused, and invalid JSON is refused."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest

storable = st.decimals(min_value=Decimal("-1e38"), max_value=Decimal("1e38"), allow_nan=False, places=5).filter(
    lambda number: len(str(number).strip("-").replace(".", "").strip("0")) <= 38
)
text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**38) + 1, 10**38 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_value_survives_the_round_trip(value: Any) -> None:
    assert json_text.decode(json_text.encode(value)) == value


@given(storable)
def test_a_fraction_survives_exactly(number: Decimal) -> None:
    written = json_text.encode({"n": json_text.decode(f"[{number:f}]")[0]})
    assert json.loads(written, parse_float=Decimal, parse_int=Decimal)["n"] == number


@pytest.mark.parametrize(
    "literal",
    ["0.1", "12.95", "1e22", "-0.0", "0e999", "1E-130", "9.9E125", "1" * 38, "0." + "1" * 38, "1" + "0" * 125],
)
def test_storable_numbers_are_kept(literal: str) -> None:
    written = json_text.encode(json_text.decode(f"[{literal}]"))
    assert Decimal(written[1:-1]) == Decimal(literal)


@pytest.mark.parametrize(
    "literal",
    [
        "1E-131",
        "1E126",
        "1e400",
        "-1e400",
        "1" * 39,
        "0." + "1" * 39,
        "1" + "0" * 126,
        "9" * 100_000,
        "1e-999999",
        "1e" + "9" * 30,
        "0e" + "9" * 30,
    ],
)
def test_numbers_that_dynamodb_cannot_hold_are_refused(literal: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be stored exactly"):
        json_text.decode(f'{{"n":{literal}}}')


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nonsense",
        '{"a":1,}',
        "{'a':1}",
        "[1] [2]",
        '{"a":NaN}',
        "[Infinity]",
        "[-Infinity]",
        '{"a":1,"a":2}',
        '{"b":{"a":1,"a":1}}',
        '"\x01"',
        "\ufeff{}",
        b"\xff\xfe",
        b'{"a":"\xed\xa0\x80"}',
        "[" * 100_000,
        "[01]",
        "[+1]",
        "[.5]",
        "[1.]",
        "[0x10]",
    ],
)
def test_invalid_json_is_refused(body: str | bytes) -> None:
    with pytest.raises(InvalidRequest):
        json_text.decode(body)


def test_a_duplicate_name_is_named() -> None:
    with pytest.raises(InvalidRequest, match="'price' appears twice"):
        json_text.decode('{"price":1,"name":"x","price":2}')


def test_decimals_are_encoded_within_all_types_of_json() -> None:
    exact = Decimal("0.12345678901234567890123")
    value = {"b": [exact, None, True, "é\n"], "a": {"x": exact}}
    expected = '{"a":{"x":0.12345678901234567890123},"b":[0.12345678901234567890123,null,true,"é\\n"]}'
    assert json_text.encode(value, sort_keys=True) == expected


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(body: bytes) -> None:
    with contextlib.suppress(InvalidRequest):
        json_text.decode(body)
