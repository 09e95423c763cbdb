"""A dry run checks limits of numbers and sizes as the service does, and names the rules that it does not check."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobpipe_client.cli.importing.rules.schema_limits import limit_violations, unchecked_keywords
from tests.cli.conftest import Jobpipe
from tests.cli.importing import lines, report, write
from tests.client.service import Service
from tests.collections.schema.compiled import checker

NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18),
    st.integers(-(10**6), 10**6).filter(lambda n: n % 1000).map(lambda n: Decimal(n).scaleb(-3).normalize()),
    st.sampled_from([0, Decimal("0.1"), 2**53 + 1]),
)
TEXTS = st.text(st.sampled_from("aé漢😀\u0301"), max_size=6)
VALUES = st.one_of(NUMBERS, TEXTS, st.lists(st.just(1), max_size=4), st.booleans(), st.none())
COUNTS = st.integers(0, 4)
SCHEMAS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBERS),
        "multipleOf": st.sampled_from([1, 3, Decimal("0.01"), Decimal("0.1"), Decimal("2.5")]),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), COUNTS),
    },
)


@given(SCHEMAS, VALUES)
@example({"maxLength": 1}, "😀")
@example({"multipleOf": Decimal("0.01")}, Decimal("0.07"))
@example({"multipleOf": Decimal("0.1"), "maximum": 1}, Decimal("1.05"))
def test_both_find_the_same_limits_exceeded_with_the_same_messages(schema: dict[str, Any], value: Any) -> None:
    found = [detail for _, detail in checker(schema)(value)]
    assert sorted(limit_violations(schema, value)) == sorted(found)


def test_a_float_is_the_number_that_is_written() -> None:
    assert list(limit_violations({"multipleOf": 0.01}, 19.99)) == []
    assert list(limit_violations({"multipleOf": 0.01}, 19.995)) == ["The value must be a multiple of 0.01."]


def test_the_rules_that_are_not_checked_are_named_once() -> None:
    schema = {
        "properties": {
            "pattern": {"type": "string", "maxLength": 3},
            "a": {"pattern": "^a", "items": {"pattern": "^b", "uniqueItems": True}},
        },
        "$defs": {"line": {"allOf": [{"oneOf": [{"contains": {}}]}]}},
    }
    assert unchecked_keywords(schema) == ["pattern", "uniqueItems", "oneOf"]
    assert unchecked_keywords({"properties": {"pattern": True}}) == []


@pytest.fixture
def _rules(service: Service) -> None:
    properties = service.contract["components"]["schemas"]["Order"]["properties"]
    properties["customer"] = {"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"}
    properties["total"] = {"type": "number", "minimum": 0, "multipleOf": 0.01}


@pytest.mark.usefixtures("_rules")
def test_a_dry_run_says_what_would_be_refused_and_what_it_has_not_checked(jobpipe: Jobpipe) -> None:
    rows: list[dict[str, Any]] = [
        {"number": "1", "customer": "abcd"},
        {"number": "2", "total": 0.005},
        {"number": "3", "total": -1},
    ]
    write("orders.jsonl", lines(*rows, {"number": "4", "total": 0.07, "customer": "ABC"}, {"total": 1}))
    done = jobpipe("import", "orders.jsonl", "--collection", "orders", "--dry-run")
    assert done.exit_code == 3
    assert done.stdout.splitlines() == [
        "5 rows: 1 can be sent, 4 would be refused",
        "  4  invalid-request",
        "line 1: 400 invalid-request: #/customer: The text must have at most 3 characters.",
        "line 2: 400 invalid-request: #/total: The value must be a multiple of 0.01.",
        "line 3: 400 invalid-request: #/total: The value must be at least 0.",
        "line 5: 400 invalid-request: #/number: `number` is required.",
        "not checked: pattern, which the service checks when the rows are sent",
    ]
    assert report(jobpipe, "orders.jsonl", "--collection", "orders", "--dry-run")[1]["not_checked"] == ["pattern"]


def test_a_dry_run_writes_all_refused_rows_where_it_is_told_to(jobpipe: Jobpipe, service: Service) -> None:
    write("a.csv", "name,description,n:number\n" + "".join(f"A{n},d,x\n" for n in range(25)) + "B,d,1\n")
    assert (
        "and 15 more: --failures FILE writes all of them to a file"
        in jobpipe("import", "a.csv", "--dry-run").stdout
    )
    done = jobpipe("import", "a.csv", "--dry-run", "--failures", "refused.csv")
    assert "they are in refused.csv: repair them" in done.stdout
    text = Path("refused.csv").read_text().replace(",x\n", ",7\n")
    assert len(text.splitlines()) == 26
    Path("refused.csv").write_text(text)
    again = jobpipe("import", "a.csv", "--dry-run", "--failures", "refused.csv", "--json")
    assert json.loads(again.stdout)["failures"] == "refused-2.csv"
    assert Path("refused.csv").read_text() == text, "what was repaired is not lost"
    jobpipe.does("import", "refused.csv")
    assert len(service.items) == 25
