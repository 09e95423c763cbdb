"""What compiled schemas accept and what they say: numbers, places, sentences, limits."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.collections.schema import compile_schema, compile_value_schema, load_schema
from infra.errors import OperatorError
from jobpipe.domain.json_text import decode
from tests.collections.schema.compiled import checker, load

ORDER = """{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "required": ["number", "lines"],
  "additionalProperties": false,
  "properties": {
    "number": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
    "note": {"type": ["string", "null"], "maxLength": 3},
    "status": {"enum": ["open", "paid"]},
    "lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}},
    "payment": {"oneOf": [{"$ref": "#/$defs/card"}, {"$ref": "#/$defs/invoice"}]}
  },
  "$defs": {
    "line": {"type": "object", "required": ["price"], "properties": {"price": {"$ref": "#/$defs/money"}}},
    "money": {"type": "number", "minimum": 0, "multipleOf": 0.01},
    "card": {"title": "Card", "type": "object", "properties": {"kind": {"const": "card"},
      "last": {"type": "string", "minLength": 4}}, "required": ["kind", "last"]},
    "invoice": {"title": "Invoice", "type": "object", "properties": {"kind": {"const": "invoice"}},
      "required": ["kind"]}
  }
}"""


def test_violations_are_sentences_with_places_in_the_order_of_the_document() -> None:
    check = load(compile_schema(load_schema(ORDER, "orders/schema.json"), "orders/schema.json"))
    assert check(decode('{"number": "AB-1234", "lines": [{"price": 19.99}], "payment": {"kind": "invoice"}}')) == []
    assert check(
        decode('{"status": 1, "note": "four", "number": "x", "colour": 1, "payment": {"kind": "cash"}}')
    ) == [
        (("lines",), "`lines` is required."),
        (("status",), 'The value must be one of "open", "paid".'),
        (("note",), "The text must have at most 3 characters."),
        (("number",), "The text must match the pattern ^[A-Z]{2}-[0-9]{4}$."),
        (("colour",), "`colour` is not allowed here."),
        (("payment",), "The value must be one of: Card, Invoice."),
    ]
    assert check(decode('{"number": "AB-1234", "lines": [{"price": 1}, {"price": 19.995}, {}, 7]}')) == [
        (("lines", 1, "price"), "The value must be a multiple of 0.01."),
        (("lines", 2, "price"), "`price` is required."),
        (("lines", 3), "The value must be an object."),
    ]
    assert check([]) == [((), "The value must be an object.")]


def test_of_alternatives_the_one_that_was_meant_is_explained() -> None:
    check = load(compile_schema(load_schema(ORDER, "s"), "s"))
    found = check({"number": "AB-1234", "lines": [{"price": 1}], "payment": {"kind": "card", "last": "12"}})
    assert found == [(("payment", "last"), "The text must have at least 4 characters.")]
    by_type = checker({"anyOf": [{"type": "string", "minLength": 2}, {"type": "integer", "minimum": 5}]})
    assert by_type("a") == [((), "The text must have at least 2 characters.")]
    assert by_type(1) == [((), "The value must be at least 5.")]
    assert by_type(None) == [((), "The value fits none of 2 alternatives.")]
    both = checker({"oneOf": [{"type": "integer"}, {"minimum": 2}]})
    assert both(3) == [((), "The value fits 2 of 2 alternatives; it must fit exactly one.")]


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": ["string", "boolean", "null"]}, 1, "The value must be a string, true or false or null."),
        ({"type": "integer"}, 1.5, "The value must be an integer."),
        ({"const": {"a": [1, None]}}, 1, 'The value must be {"a": [1, null]}.'),
        ({"const": None}, 1, "The value must be null."),
        ({"enum": list(range(20))}, "a", f"The value must be one of {', '.join(map(str, range(12)))} or 8 others."),
        ({"enum": ["a", None]}, 1, 'The value must be one of "a", null.'),
        ({"minimum": 1}, 0, "The value must be at least 1."),
        ({"exclusiveMinimum": 1}, 1, "The value must be greater than 1."),
        ({"maximum": 1}, 2, "The value must be at most 1."),
        ({"exclusiveMaximum": Decimal("1.5")}, 1.5, "The value must be less than 1.5."),
        ({"minItems": 1}, [], "The array must have at least 1 element."),
        ({"uniqueItems": True}, [1, 2, 1.0], "The elements must differ; elements 0 and 2 are equal."),
        ({"contains": {"type": "string"}}, [1], "At least 1 element must be as `contains` says; 0 are."),
        ({"contains": {}, "maxContains": 0}, [1], "No element may be as `contains` says; 1 are."),
        (
            {"contains": {"const": 1}, "maxContains": 2},
            [1, 1, 1],
            "At most 2 elements must be as `contains` says; 3 are.",
        ),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "The object must have at most 1 member."),
        ({"not": {"type": "string"}}, "a", "The value must not be what `not` describes."),
        (False, 1, "No value is allowed here."),
    ],
)
def test_each_keyword_has_its_sentence(schema: Any, value: Any, sentence: str) -> None:
    assert checker(schema)(value) == [((), sentence)]


def test_a_member_that_is_missing_beside_another_is_named_at_its_place() -> None:
    check = checker({"dependentRequired": {"a": ["b"]}})
    assert check({"a": 1}) == [(("b",), "`b` is required beside `a`.")]


def test_names_are_explained() -> None:
    check = checker({"propertyNames": {"maxLength": 2}})
    assert check({"ab": 1, "abc": 2}) == [
        (("abc",), "The name `abc` is not allowed: The text must have at most 2 characters.")
    ]
    assert checker({"unevaluatedProperties": False})({"a": 1}) == [(("a",), "`a` is not allowed here.")]


def test_twenty_violations_are_reported() -> None:
    assert len(checker({"items": {"type": "string"}})([1] * 50)) == 20


@pytest.mark.parametrize("value", [19.99, Decimal("19.99"), 19, 19.0, Decimal("1E+30"), 10**37, 12345678.91, -0.01])
def test_a_multiple_is_exact(value: Any) -> None:
    assert checker({"multipleOf": Decimal("0.01")})(value) == []
    assert checker({"multipleOf": 0.01})(value) == []


@pytest.mark.parametrize(
    "value", [19.995, Decimal("19.995"), 0.001, Decimal("12345678901234567890123456789012345.678")]
)
def test_no_multiple_is_taken_for_one(value: Any) -> None:
    assert checker({"multipleOf": 0.01})(value) != []


LARGE = 12345678901234567890123456789012345678


def test_integers_of_38_digits_are_exact() -> None:
    assert checker({"const": LARGE})(LARGE) == []
    assert checker({"const": LARGE})(LARGE + 1) != []
    assert checker({"maximum": LARGE})(LARGE + 1) != []
    assert checker({"multipleOf": 10})(LARGE) != []
    assert checker({"enum": [LARGE, "a"]})(Decimal(LARGE)) == []
    assert checker({"type": "integer"})(Decimal("1E+100")) == []
    assert checker({"minimum": 10**23, "maximum": 10**23})(1e23) == []  # the float is slightly less


def test_integers_without_a_fraction_equal_and_booleans_do_not() -> None:
    for value in (1, 1.0, Decimal("1.00")):
        assert checker({"type": "integer", "const": 1, "enum": [1.0]})(value) == []
    others: list[Any] = [True, "1", [1], 1.5, None]
    for other in others:
        assert checker({"const": 1})(other) != []
        assert checker({"enum": [1, "x"]})(other) != []
    assert checker({"type": ["integer", "number"]})(True) != []
    assert checker({"const": True})(1) != []
    assert checker({"const": [0, {"a": 1.0}]})([0.0, {"a": 1}]) == []
    assert checker({"const": [0]})([False]) != []
    assert checker({"uniqueItems": True})([1, True, "1", 0, False, None, [1], [True]]) == []
    assert checker({"minimum": 5})(True) == []


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20),
    st.decimals(-1000, 1000, places=2),
    st.floats(-1e25, 1e25),
)


@given(NUMBERS, NUMBERS)
def test_comparisons_are_of_the_numbers_as_they_are_written(limit: Any, value: Any) -> None:
    def written(number: Any) -> Decimal:
        return Decimal(repr(number)) if isinstance(number, float) else Decimal(number)

    assert (checker({"minimum": limit})(value) == []) is (written(value) >= written(limit))
    assert (checker({"exclusiveMaximum": limit})(value) == []) is (written(value) < written(limit))
    assert (checker({"const": limit})(value) == []) is (written(value) == written(limit))
    assert (checker({"uniqueItems": True})([limit, value]) != []) is (written(value) == written(limit))


def test_a_length_counts_characters() -> None:
    assert checker({"maxLength": 1})("\U0001f600") == []


def calls_of(schema: Any, value: Any) -> int:
    """Return how many functions a check calls."""
    check, calls = checker(schema), 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event == "call"
        assert calls < 200_000, "the calls grow with each level"

    sys.setprofile(count)
    try:
        check(value)
    finally:
        sys.setprofile(None)
    return calls


def nested(levels: int, leaf: Any) -> Any:
    value = leaf
    for _ in range(levels):
        value = {"kind": "other", "of": [value]}
    return value


CHILDREN = {"type": "array", "items": {"$ref": "#"}}
HARD = {
    "alternatives": {
        "oneOf": [
            {"type": "string"},
            *[{"properties": {"of": CHILDREN, "kind": {"const": kind}}, "required": ["kind"]} for kind in "abc"],
        ]
    },
    "twice the same": {
        "allOf": [{"properties": {"of": CHILDREN}}, {"properties": {"of": CHILDREN}}],
        "type": "object",
    },
    "conditions": {
        "if": {"properties": {"of": CHILDREN}},
        "then": {"properties": {"of": CHILDREN}},
        "else": {"properties": {"of": CHILDREN}, "required": ["x"]},
    },
    "unevaluated": {
        "anyOf": [
            {"properties": {"of": CHILDREN}},
            {"properties": {"of": CHILDREN, "kind": True}},
            {"required": ["x"]},
        ],
        "unevaluatedProperties": False,
    },
    "the only branch": {
        "allOf": [
            {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
            {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]},
        ],
        "$defs": {"node": {"type": "object", "properties": {"of": CHILDREN, "x": {"type": "string"}}}},
    },
    "not": {"not": {"not": {"properties": {"of": CHILDREN}}}},
}


@pytest.mark.parametrize("name", HARD)
def test_the_work_grows_with_the_document_and_not_with_its_levels(name: str) -> None:
    """A schema that refers to itself twice would double the work with each level."""
    few, many = (calls_of(HARD[name], nested(levels, {"x": 1})) for levels in (7, 14))
    assert many <= 3 * few


def test_the_deepest_document_is_followed_by_the_deepest_schema() -> None:
    schema: Any = {"properties": {"of": CHILDREN}, "type": "object"}
    for _ in range(15):
        schema = {"allOf": [schema]}
    value: Any = {}
    for _ in range(16):
        value = {"of": [value]}
    assert checker(schema)(value) == []


def test_a_schema_that_refers_to_itself_too_deeply_is_refused() -> None:
    schema: Any = {"properties": {"of": CHILDREN}}
    for _ in range(25):
        schema = {"allOf": [schema]}
    with pytest.raises(OperatorError, match="more deeply than a check can follow"):
        checker(schema)


def test_a_long_array_of_colliding_numbers_takes_no_longer() -> None:
    colliding = [n * (2**61 - 1) for n in range(1, 20_000)]  # their hashes are equal
    assert checker({"uniqueItems": True})(colliding) == []


def test_every_place_of_equal_texts_is_reported() -> None:
    """A schema that refers to itself checks each part once, but a text of one character is one object in Python."""
    tree = {"type": ["integer", "object"], "additionalProperties": {"$ref": "#"}}
    assert [path for path, _ in checker(tree)({"a": "x", "b": "x", "c": {"d": "x"}})] == [
        ("a",),
        ("b",),
        ("c", "d"),
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"oneOf": [{"properties": {"kind": {"const": f"k{n}"}}, "required": ["kind"]} for n in range(30)]},
        {"anyOf": [{"properties": {"kind": {"const": {"n": n}}}} for n in range(30)]},
        {"allOf": [{"properties": {"kind": {"not": {"const": [n]}}}} for n in range(30)]},
    ],
    ids=["tagged branches", "constants", "excluded constants"],
)
def test_a_large_part_is_written_out_once_whatever_it_is_compared_with(schema: Any) -> None:
    module: dict[str, Any] = {}
    exec(compile(compile_value_schema(schema, "schema.json"), "schema.py", "exec"), module)  # noqa: S102
    parts = 0
    plain = module["encode_basestring"]

    def counted(text: str) -> str:
        nonlocal parts
        parts += 1
        return str(plain(text))

    module["encode_basestring"] = counted
    module["check"]({"kind": [["x"] for _ in range(100)]}, lambda *_: None)
    assert parts <= 200
