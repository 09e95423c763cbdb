"""What is refused at packaging: one line that names the file, the place, and the keyword that may be meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.collections.schema import (
    check_is_schema,
    compile_members,
    compile_operations,
    compile_schema,
    compile_value_schema,
    field_type,
    load_schema,
)
from infra.collections.schema.keywords import CLAIMED, DESCRIBING, DIALECT, REFUSED
from infra.errors import OperatorError
from tests.collections.schema.compiled import load
from tests.helpers.commands import ROOT

FILE = "orders/schema.json"
OBJECT = {"type": "object"}


def refusal(schema: Any) -> str:
    with pytest.raises(OperatorError) as refused:
        compile_schema(schema, FILE)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("schema", "line"),
    [
        ({"propertys": {}}, "at #: 'propertys' is no keyword; did you mean 'properties'?"),
        (
            {"properties": {"a": {"maxlength": 1}}},
            "at #/properties/a: 'maxlength' is no keyword; did you mean 'maxLength'?",
        ),
        ({"colour": 1}, "at #: 'colour' is no keyword; names of your own start with x-"),
        (
            {"properties": {"a/b": {"Type": "x"}}},
            "at #/properties/a~1b: 'Type' is no keyword; did you mean 'type'?",
        ),
        ({"definitions": {}}, "at #: definitions is not supported: it is of an older draft; use $defs"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, "at #/properties/a: $dynamicRef is not supported"),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#"},
            f"at #/$schema: the only supported dialect is {DIALECT}",
        ),
        ({"$defs": {"a": {"$id": "x"}}}, "at #/$defs/a/$id: $id is supported at the root only"),
        ({"$ref": "other.json"}, "at #/$ref: 'other.json' is not in this file"),
        (
            {"$ref": "https://example.com/x#/$defs/a"},
            "at #/$ref: 'https://example.com/x#/$defs/a' is not in this file",
        ),
        ({"$ref": "#/$defs/nothing"}, "at #/$ref: '#/$defs/nothing' refers to no schema in this file"),
        ({"examples": [{}], "$ref": "#/examples/0"}, "at #/$ref: '#/examples/0' refers to no schema"),
        ({"$ref": "#"}, "the schema refers to itself for the same value: # → #"),
        ({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "refers to itself for the same value: #/$defs/a"),
        (
            {"$defs": {"a": {"$anchor": "x"}, "b": {"$anchor": "x"}}},
            "at #/$defs/b/$anchor: the anchor 'x' appears twice",
        ),
        (
            {"type": "text"},
            "at #/type: 'text' is no type; the types are null, boolean, object",
        ),
        (
            {"properties": {"a": {"minLength": -1}}},
            "at #/properties/a/minLength: this is no valid schema: -1 is less",
        ),
        ({"properties": {"type": 5}}, "at #/properties/type: this is no valid schema: 5 is not of type"),
        ({"required": "a"}, "at #/required: this is no valid schema: 'a' is not of type 'array'"),
        (
            {"properties": {"a": {"pattern": "(?=x)"}}},
            "at #/properties/a/pattern: the pattern '(?=x)' is refused: it looks",
        ),
        (
            {"patternProperties": {"(": {}}},
            "at #/patternProperties/(: the pattern '(' is refused: it has a ( without its )",
        ),
        ({"minimum": float("nan")}, "at #/minimum: a number is too large or too small"),
        ({"const": {1, 2}}, "at #/const: set has no form in JSON"),
        ({"const": {1: 2}}, "at #/const: the name 1 is not a string"),
        ({"title": "\ud800"}, "at #/title: a text has half of a surrogate pair"),
        ([], "a schema must be an object"),
        (False, "the schema accepts no document; a document is an object"),
        ({"type": "string"}, "the schema accepts no document"),
        ({"enum": [1, "a"]}, "the schema accepts no document"),
        ({"allOf": [OBJECT, {"type": "array"}]}, "the schema accepts no document"),
        ({"anyOf": [{"type": "null"}, False]}, "the schema accepts no document"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"const": 1}}}, "the schema accepts no document"),
        ({"not": {}}, "the schema accepts no document"),
        ({"minProperties": 2, "maxProperties": 1}, "the schema accepts no document"),
        (
            {"required": ["a"], "properties": {"a": {"type": "string", "enum": [1]}}},
            "the schema accepts no document",
        ),
        (
            {"required": ["a"], "properties": {"b": {}}, "additionalProperties": False},
            "the schema accepts no document",
        ),
    ],
)
def test_a_schema_is_refused_with_its_place(schema: Any, line: str) -> None:
    assert line in refusal(schema)
    assert refusal(schema).startswith(FILE)


@pytest.mark.parametrize("keyword", REFUSED)
def test_every_keyword_that_is_not_supported_is_refused(keyword: str) -> None:
    assert f"{keyword} is not supported" in refusal({keyword: {}})


@pytest.mark.parametrize("keyword", [each for each in DESCRIBING if each not in ("$schema", "$id")])
def test_what_only_describes_refuses_no_document(keyword: str) -> None:
    value: Any = (
        True if keyword in ("deprecated", "readOnly", "writeOnly") else [1] if keyword == "examples" else "email"
    )
    check = load(compile_schema({keyword: {"type": "string"} if keyword == "contentSchema" else value}, FILE))
    assert check({"a": 1}) == []


def test_what_starts_with_x_is_kept_out_of_the_way() -> None:
    assert (
        load(compile_schema({"x-order": ["anything"], "$schema": DIALECT, "$id": "https://example.com/o"}, FILE))(
            {}
        )
        == []
    )


def test_a_schema_may_have_so_many_levels_and_no_more() -> None:
    schema: Any = OBJECT
    for _ in range(34):
        schema = {"properties": {"a": schema}}
    compile_schema(schema, FILE)
    assert "nested more than 70 levels deep" in refusal({"properties": {"a": {"properties": {"a": schema}}}})
    within = {f"d{n}": {"required": ["a"], "properties": {"a": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(180)}
    compile_schema({"$ref": "#/$defs/d0", "$defs": {**within, "d180": OBJECT}}, FILE)
    chain = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {}]} for n in range(14)}
    compile_schema({"$ref": "#/$defs/d0", "unevaluatedProperties": False, "$defs": {**chain, "d14": OBJECT}}, FILE)
    chain = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {}]} for n in range(300)}
    assert "more deeply than a check can follow" in refusal(
        {"$ref": "#/$defs/d0", "$defs": {**chain, "d300": OBJECT}}
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "line 1, column 2"),
        ('{"a": 1, "a": 2}', "the name 'a' appears twice in an object"),
        ('{"a": NaN}', "NaN is not a number of JSON"),
        (b"\xff", "the file is not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused(text: str | bytes, line: str) -> None:
    with pytest.raises(OperatorError) as refused:
        load_schema(text, FILE)
    assert line in str(refused.value)
    assert str(refused.value).startswith(FILE)


def test_numbers_of_a_schema_are_read_exactly() -> None:
    schema = load_schema('{"properties": {"a": {"maximum": 0.12345678901234567890123456789}}}', FILE)
    assert 'Decimal("0.12345678901234567890123456789")' in compile_schema(schema, FILE)


def test_the_same_schema_gives_the_same_source() -> None:
    schema = {"properties": {name: {"enum": [1, name]} for name in "cab"}, "patternProperties": {"^f.*o": {}}}
    assert compile_schema(schema, FILE) == compile_schema(schema, FILE)
    assert compile_schema(schema, FILE).isascii()


def test_names_that_are_no_identifiers_do_no_harm() -> None:
    names = ["a b", "", "class", "ü", '"\\\n', "x" * 300, "a-b", "A B", "\0", "value", "add", "{name}"]
    schema = {
        "properties": {name: {"type": "string"} for name in names},
        "required": names,
        "patternProperties": {"^ü\n": {}},
    }
    check = load(compile_schema(schema, FILE))
    assert check(dict.fromkeys(names, "text")) == []
    assert [path for path, _ in check(dict.fromkeys(names, 1))] == [(name,) for name in names]
    assert len(check({})) == len(names)


def test_a_generated_module_imports_the_standard_library_only() -> None:
    source = compile_schema({"properties": {"a": {"pattern": "^a$", "multipleOf": 0.1, "uniqueItems": True}}}, FILE)
    imports = {
        line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))
    }
    assert imports <= {"re", "bisect", "decimal", "hashlib", "json"}


TAKES = {
    "carrier": {"type": "string", "minLength": 1},
    "tree": {"properties": {"of": {"$ref": "#"}}, "type": "object"},
}


def test_members_of_an_operation() -> None:
    check = load(
        compile_members(TAKES, {"note": {"$ref": "#/$defs/n", "$defs": {"n": {"type": "string"}}}}, "orders")
    )
    assert check({"carrier": "dhl", "tree": {"of": {"of": {}}}, "note": "x"}) == []
    assert check({"carrier": "", "tree": {"of": {"of": 1}}, "note": 1, "more": 1}) == [
        (("carrier",), "The text must have at least 1 character."),
        (("tree", "of", "of"), "The value must be an object."),
        (("note",), "The value must be a string."),
        (("more",), "`more` is not allowed here."),
    ]
    assert check({}) == [(("carrier",), "`carrier` is required."), (("tree",), "`tree` is required.")]
    assert load(compile_members({}, {}, "orders"))({}) == []
    assert load(compile_members({}, {}, "orders"))({"a": 1}) == [(("a",), "`a` is not allowed here.")]


def test_members_of_all_operations() -> None:
    source = compile_operations({"ship": (TAKES, {}), "send-back": ({}, {"note": {"type": "string"}})}, "orders")
    assert load(source, "ship")({"tree": {}}) == [(("carrier",), "`carrier` is required.")]
    assert load(source, "send-back")({"note": 1}) == [(("note",), "The value must be a string.")]
    assert "CHECKS = {}" in compile_operations({}, "orders")


@pytest.mark.parametrize(
    ("takes", "line"),
    [
        (
            {"carrier": {"typ": "string"}},
            "orders/operations.py, 'carrier', at #: 'typ' is no keyword; did you mean 'type'?",
        ),
        ({"carrier": False}, "orders/operations.py, 'carrier': the schema accepts no value"),
        ({"note": {}}, "orders/operations.py: 'note' is both taken and optional"),
    ],
)
def test_members_are_refused(takes: dict[str, Any], line: str) -> None:
    with pytest.raises(OperatorError) as refused:
        compile_members(takes, {"note": {}}, "orders/operations.py")
    assert str(refused.value) == line


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"properties": {"a": {"type": "string"}}}, "string"),
        ({"properties": {"a": {"type": ["integer", "null"]}}}, "integer"),
        ({"properties": {"a": {"type": "number"}}}, None),
        ({"properties": {"a": {"type": "number", "multipleOf": 1}}}, "integer"),
        ({"properties": {"a": {"enum": ["x", "y", None]}}}, "string"),
        ({"properties": {"a": {"enum": ["x", 1]}}}, None),
        ({"properties": {"a": {"const": 1.0}}}, "integer"),
        ({"properties": {"a": {"$ref": "#/$defs/s"}}, "$defs": {"s": {"type": "string"}}}, "string"),
        ({"$ref": "#/$defs/o", "$defs": {"o": {"properties": {"a": {"type": "string"}}}}}, "string"),
        ({"allOf": [{}, {"properties": {"a": {"type": "integer"}}}]}, "integer"),
        ({"oneOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"const": "x"}}}]}, "string"),
        ({"oneOf": [{"properties": {"a": {"type": "string"}}}, {}]}, None),
        ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}, None),
        ({"properties": {"a": {"type": "boolean"}}}, None),
        ({"properties": {"a": {}}}, None),
        ({}, None),
        (True, None),
    ],
)
def test_the_type_of_a_field(schema: Any, kind: str | None) -> None:
    check_is_schema(schema, FILE)
    assert field_type(schema, "a") == kind


def test_the_page_names_every_keyword() -> None:
    page = (ROOT / "docs" / "reference" / "schemas.md").read_text()
    for keyword in (*CLAIMED, *DESCRIBING, *REFUSED):
        assert f"`{keyword}`" in page, keyword


def test_every_claimed_keyword_can_refuse_or_names_something() -> None:
    compile_value_schema({"$defs": {"a": {"$anchor": "b"}}, "$ref": "#b"}, FILE)


STEPS = st.sampled_from([*CLAIMED, *DESCRIBING, "x-y", "a", "#", "#/$defs/a", "http://[", "%zz", "string", "$defs"])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | STEPS | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STEPS, inner, max_size=3),
    max_leaves=12,
)


@given(ANYTHING)
def test_anything_is_compiled_or_refused_with_one_line(schema: Any) -> None:
    line = ""
    try:
        check = load(compile_value_schema(schema, FILE))
    except OperatorError as error:
        line = str(error)
    if line:
        assert "\n" not in line
        assert line.startswith(FILE)
        return
    for value in (None, 1, "a", [1], {"a": 1}):
        check(value)
