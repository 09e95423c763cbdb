"""All violations in a body are reported at once, each with its pointer, on every route with a body."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_rules import check_new_document
from jobpipe.domain.errors import InvalidRequest, Unstorable
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe.domain.json_text import decode
from jobpipe.domain.violations import MAX_VIOLATIONS
from jobpipe.stores.jobs.batch_rows import batch_to_row
from tests.helpers.pipeline import Answer, Pipeline

GOOD = {"name": "Tent", "description": "For two"}


def pointers(answer: Answer) -> list[str]:
    return [error["pointer"] for error in answer.json["errors"]]


BAD = '{"id":1,"name":" ","x":{"a":[1e999,NaN,"\\u0000"]},"twice":{"b":1,"b":2},"price":' + "1" * 39 + "}"
EVERYWHERE = {"/id", "/name", "/x/a/0", "/x/a/1", "/x/a/2", "/twice/b", "/price"}


@pytest.mark.parametrize(
    ("method", "target", "body", "under", "more"),
    [
        ("POST", "/items", BAD, "#", {"#/description"}),
        ("PUT", "/items/i", BAD, "#", set()),
        ("PATCH", "/items/i", BAD, "#", set()),
        ("POST", "/jobs", '{"operation":"create","item":' + BAD + "}", "#/item", {"#/item/description"}),
        (
            *(
                "POST",
                "/jobs",
                '{"operation":"update","item_id":"","if_match":"x","y":1,"set":' + BAD + "}",
                "#/set",
            ),
            {"#/item_id", "#/if_match", "#"},
        ),
        (
            *("POST", "/jobs", '{"operation":"update","merge":' + BAD.replace('" "', "null") + "}", "#/merge"),
            {"#/item_id"},
        ),
        (
            *("POST", "/batches", '{"commands":[{"operation":"create","item":' + BAD + "}]}", "#/commands/0/item"),
            {"#/commands/0/item/description"},
        ),
    ],
)
def test_all_violations_are_reported_at_once(
    pipeline: Pipeline, method: str, target: str, body: str, under: str, more: set[str]
) -> None:
    before = pipeline.state()
    answer = pipeline.request(method, target, raw=body)
    assert answer.status == 400
    assert set(pointers(answer)) == {under + each for each in EVERYWHERE} | more
    assert len(pointers(answer)) == len(EVERYWHERE | more)
    assert pipeline.state() == before


def test_a_single_violation_is_the_detail_and_several_are_counted(pipeline: Pipeline) -> None:
    one = pipeline.request("POST", "/items", {"name": "n"}).json
    assert one["detail"] == one["errors"][0]["detail"] == "An item needs a description."
    two = pipeline.request("POST", "/items", {"name": ""}).json
    assert two["detail"] == "An item needs a description. There is 1 more error."
    three = pipeline.request("POST", "/items", {"name": "", "id": 1}).json
    assert three["detail"] == "An item needs a description. There are 2 more errors."


@pytest.mark.parametrize("part", ["1e999", '"\\u0000"', '{"a":1,"a":1}', "[" * 40 + "]" * 40])
def test_at_most_twenty_violations_are_reported(pipeline: Pipeline, part: str) -> None:
    body = '{"name":"n","description":"d","x":[' + ",".join([part] * 100) + "]}"
    answer = pipeline.request("POST", "/items", raw=body)
    assert len(answer.json["errors"]) == MAX_VIOLATIONS == 20


def test_a_number_that_cannot_be_stored_names_its_field(pipeline: Pipeline) -> None:
    [error] = pipeline.request("POST", "/items", raw='{"name":"n","description":"d","a/b":[0,1E400]}').json[
        "errors"
    ]
    assert error["pointer"] == "#/a~1b/1"
    assert "1E400 cannot be stored exactly" in error["detail"]


json_values = st.recursive(
    st.sampled_from(["1", "1e999", "NaN", "-Infinity", "1" * 40, '"x"', '"\\u0000"', "null", "1.5"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "[" + ",".join(parts) + "]")
        | st.lists(st.tuples(st.sampled_from(["a", "b", "~/", "\u00fc %", ""]), inner), max_size=3).map(
            lambda members: "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"
        )
    ),
    max_leaves=12,
)


def at(value: Any, pointer: str) -> Any:
    """Return the value at a pointer (RFC 6901, section 4)."""
    for step in pointer.removeprefix("#").split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return value


@given(json_values)
def test_each_reported_place_has_a_value_that_cannot_be_stored(text: str) -> None:
    as_python_reads_it = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    refusal = refused(text)
    for each in refusal.violations if refusal else ():
        found = at(as_python_reads_it, each.pointer)
        assert "twice" in each.detail or found in {"1e999", "NaN", "-Infinity", "1" * 40}
    if refusal:
        assert decode(json_text.encode(refusal.value)) == refusal.value, "the rest can be stored"


def refused(text: str) -> Unstorable | None:
    try:
        decode(text)
    except Unstorable as refusal:
        return refusal
    return None


@given(json_values)
def test_a_body_with_a_value_that_cannot_be_stored_is_refused(text: str) -> None:
    pipeline = Pipeline()
    answer = pipeline.request("POST", "/items", raw='{"name":"n","description":"d","x":' + text + "}")
    try:
        check_new_document(decode('{"name":"n","description":"d","x":' + text + "}"))
    except InvalidRequest:
        assert answer.status == 400
        assert not pipeline.jobs.rows
    else:
        assert answer.status == 202


def test_a_batch_of_the_worst_refusals_fits_its_row(pipeline: Pipeline) -> None:
    """A row has at most 400 KB; each command keeps its first violation, and further ones if they fit."""
    name = "\U000e0001" * 79  # each character is twelve in a pointer, and ten in a detail
    bad = {"operation": "create", "item": {**GOOD, "x": {name: ["\0"] * 30}}}
    unknown = {"operation": "read", "item_id": "i", **{f"{n}{name}": 1 for n in range(25)}}
    for worst in (bad, unknown, {"operation": "create", "item": {"id": 1, "name": "", "x": ["\0"] * 30}}):
        commands = [worst] * (MAX_COMMANDS - 1) + [{"operation": "read", "item_id": "i"}]
        pipeline.batches.rows.clear()
        answer = pipeline.request("POST", "/batches", raw=json.dumps({"commands": commands}, ensure_ascii=False))
        assert answer.status == 202, answer.text
        [batch] = pipeline.batches.rows.values()
        assert len(json.dumps(batch_to_row(batch)).encode()) < 400 * 1024
        assert all(entry["problem"]["errors"] for entry in answer.json["entries"][:-1])
    counts = {len(entry["problem"]["errors"]) for entry in answer.json["entries"][:-1]}
    assert counts == {MAX_VIOLATIONS}, "usually all fit"


def test_if_no_command_of_a_batch_is_valid_the_violations_of_each_are_reported(pipeline: Pipeline) -> None:
    bad = {"operation": "create", "item": {"name": "", "id": 1}}
    answer = pipeline.request("POST", "/batches", {"commands": [bad, {"operation": "read", "item_id": 5}], "x": 1})
    assert pointers(answer) == ["#"], "an invalid batch is reported first"
    answer = pipeline.request("POST", "/batches", {"commands": [bad, {"operation": "read", "item_id": 5}]})
    first = [f"#/commands/0/item/{field}" for field in ("description", "id", "name")]
    assert pointers(answer) == [*first, "#/commands/1/item_id"]
