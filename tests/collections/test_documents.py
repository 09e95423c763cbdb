"""For schemas of every kind, documents are generated that they accept, always the same ones, the smallest first."""

from __future__ import annotations

from typing import Any

import pytest

from infra.collections import documents
from infra.collections.schema import compile_schema
from jobpipe.domain import json_text

PRICE = {"type": "number", "minimum": 0, "exclusiveMaximum": 100, "multipleOf": 0.01}
OBJECT = {"type": "object"}
SCHEMAS: dict[str, dict[str, Any]] = {
    "anything": OBJECT,
    "many required": {
        **OBJECT,
        "properties": {f"f{n}": {"type": "integer"} for n in range(30)},
        "required": [f"f{n}" for n in range(30)],
    },
    "required without a schema": {**OBJECT, "required": ["a"]},
    "decimals": {**OBJECT, "properties": {"price": PRICE}, "required": ["price"]},
    "a narrow range": {
        **OBJECT,
        "properties": {"n": {"type": "integer", "minimum": 10**37, "maximum": 10**37 + 1}},
        "required": ["n"],
    },
    "multiples": {
        **OBJECT,
        "properties": {"n": {"type": "integer", "multipleOf": 7, "minimum": 100}},
        "required": ["n"],
    },
    "fractions of an integer": {
        **OBJECT,
        "properties": {"n": {"type": "integer", "multipleOf": 2.5}},
        "required": ["n"],
    },
    "lines": {
        **OBJECT,
        "properties": {"lines": {"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/line"}}},
        "required": ["lines"],
        "$defs": {
            "line": {**OBJECT, "properties": {"price": PRICE}, "required": ["price"], "additionalProperties": False}
        },
    },
    "long lists": {
        **OBJECT,
        "properties": {"a": {"type": "array", "minItems": 40, "items": {"type": "integer"}}},
        "required": ["a"],
    },
    "a list of different values": {
        **OBJECT,
        "properties": {
            "tags": {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"enum": ["a", "b", "c"]}}
        },
        "required": ["tags"],
    },
    "a tuple": {
        **OBJECT,
        "properties": {
            "at": {"type": "array", "prefixItems": [PRICE, {"type": "string"}], "items": False, "minItems": 2}
        },
        "required": ["at"],
    },
    "a list that contains": {
        **OBJECT,
        "properties": {"a": {"type": "array", "items": {"type": "integer"}, "contains": {"const": 77}}},
        "required": ["a"],
    },
    "one of two kinds": {
        **OBJECT,
        "properties": {"kind": {"type": "string"}},
        "oneOf": [
            {
                "properties": {"kind": {"const": "card"}, "card": {"type": "string", "pattern": "^[0-9]{16}$"}},
                "required": ["kind", "card"],
            },
            {"properties": {"kind": {"const": "bill"}, "days": {"enum": [14, 30]}}, "required": ["kind", "days"]},
        ],
    },
    "any of": {
        **OBJECT,
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        "properties": {"a": {"type": "null"}, "b": {"type": "boolean"}},
    },
    "all of": {
        **OBJECT,
        "allOf": [
            {"required": ["a"]},
            {"properties": {"a": {"minimum": 3}}},
            {"properties": {"a": {"type": "integer", "maximum": 4}}},
        ],
    },
    "if and then": {
        **OBJECT,
        "properties": {"status": {"enum": ["open", "shipped"]}, "carrier": {"type": "string"}},
        "required": ["status"],
        "if": {"properties": {"status": {"const": "shipped"}}},
        "then": {"required": ["carrier"]},
        "else": {"properties": {"carrier": False}},
    },
    "dependent": {
        **OBJECT,
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "dependentRequired": {"a": ["b"]},
    },
    "not": {**OBJECT, "properties": {"a": {"type": "integer", "not": {"const": 0}}}, "required": ["a"]},
    "names by pattern": {
        **OBJECT,
        "patternProperties": {"^x-[a-z]+$": {"type": "integer"}},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "a map": {
        **OBJECT,
        "additionalProperties": {"type": "integer"},
        "propertyNames": {"pattern": "^[a-z]+$"},
        "minProperties": 2,
    },
    "a tree": {
        **OBJECT,
        "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["name", "children"],
    },
    "a list that ends": {
        **OBJECT,
        "properties": {"next": {"oneOf": [{"type": "null"}, {"$ref": "#"}]}, "n": {"type": "integer"}},
        "required": ["next", "n"],
    },
    "an anchor": {
        **OBJECT,
        "properties": {"a": {"$ref": "#here"}},
        "required": ["a"],
        "$defs": {"x": {"$anchor": "here", "type": "integer"}},
    },
    "several types": {**OBJECT, "properties": {"a": {"type": ["string", "null", "integer"]}}, "required": ["a"]},
    "no type": {
        **OBJECT,
        "properties": {"a": {"minLength": 3}, "b": {"minimum": 3}, "c": {"required": ["d"]}},
        "required": ["a", "b", "c"],
    },
    "lengths": {
        **OBJECT,
        "properties": {"a": {"type": "string", "minLength": 100, "maxLength": 101}},
        "required": ["a"],
    },
    "patterns": {
        **OBJECT,
        "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"}},
        "required": ["iban"],
    },
    "unevaluated": {
        **OBJECT,
        "properties": {"a": {"type": "integer"}},
        "allOf": [{"properties": {"b": {"type": "string"}}, "required": ["b"]}],
        "unevaluatedProperties": False,
    },
    **{
        f"the format {name}": {**OBJECT, "properties": {"a": {"type": "string", "format": name}}, "required": ["a"]}
        for name in ("date", "date-time", "time", "email", "uuid", "uri", "ipv4", "ipv6", "hostname", "duration")
    },
}


def compiled(schema: dict[str, Any]) -> Any:
    module: dict[str, Any] = {}
    exec(compile_schema(schema, "schema.json"), module)  # noqa: S102
    return module["check"]


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_documents_are_found_and_valid(schema: dict[str, Any]) -> None:
    check = compiled(schema)
    found = documents.examples(documents.documents(schema, check), 8)
    assert found
    assert all(documents.accepts(check, each) for each in found)
    sizes = [len(json_text.encode(each, sort_keys=True)) for each in found]
    assert sizes == sorted(sizes)
    assert documents.examples(documents.documents(schema, check), 8) == found


def test_no_document_is_one_that_the_api_refuses() -> None:
    """The trial of an operation must not fail by text that no request can have."""
    texts: list[dict[str, Any]] = [
        {"type": "string"},
        {"type": "string", "pattern": "^a.$"},
        {"enum": ["a\0", "b"]},
        {"const": "a\0"},
    ]
    for schema in texts:
        whole = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
        check = compiled(whole)
        assert not documents.accepts(check, {"a": "a\0"})
        found = documents.examples(documents.documents(whole, check), 40)
        assert bool(found) == ("const" not in schema)
        assert not any("\0" in each["a"] for each in found)


def test_every_branch_has_documents() -> None:
    for name, member in (("one of two kinds", "kind"), ("if and then", "status")):
        schema = SCHEMAS[name]
        found = documents.examples(documents.documents(schema, compiled(schema)), 20)
        assert len({each[member] for each in found}) == 2


def test_numbers_are_as_a_lambda_reads_them() -> None:
    schema = {**OBJECT, "properties": {"n": {"type": "number"}}, "required": ["n"]}
    found = documents.examples(documents.documents(schema, compiled(schema)), 50)
    assert {type(each["n"]).__name__ for each in found} == {"int", "float", "Decimal"}


@pytest.mark.parametrize(
    "schema",
    [
        {**OBJECT, "properties": {"a": {"type": "null", "not": {"const": None}}}, "required": ["a"]},
        {**OBJECT, "properties": {"a": {"enum": ["a"], "type": "string", "minLength": 2}}, "required": ["a"]},
        {**OBJECT, "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    ],
)
def test_a_schema_that_accepts_nothing_has_no_documents(schema: dict[str, Any]) -> None:
    check = compiled(schema)
    assert documents.examples(documents.documents(schema, check), 8) == []
