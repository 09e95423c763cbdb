"""A dry run has the service's rules: both refuse the same commands with the same messages."""

from __future__ import annotations

from contextlib import nullcontext
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobpipe.domain import etags
from jobpipe.domain import json_text as service_json
from jobpipe.domain.commands.command import OPERATIONS
from jobpipe.domain.commands.command_parsing import parse_command
from jobpipe.domain.documents import item_rules as service_rules
from jobpipe.domain.errors import InvalidRequest, TooLarge, Unstorable
from jobpipe.domain.violations import MAX_VIOLATIONS, Violations
from jobpipe_client import json_text
from jobpipe_client.cli.importing.rules import item_rules
from jobpipe_client.cli.importing.rules.item_rules import violations

characters = st.sampled_from(
    [
        "a",
        "é",
        "e\u0301",
        " ",
        "\u2028",
        "\u2800",
        "\u200b",
        "\u200d",
        "\ufe0f",
        "\ufeff",
        "\U000e0001",
        "\x1f",
        "\0",
    ]
)
texts = st.text(max_size=4) | st.lists(characters, max_size=4).map("".join)
texts |= st.sampled_from(["x" * 255, "x" * 256, "\ud800", "e\u0301" * 200])
numbers = (
    st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        [Decimal("1e126"), Decimal("9.9e125"), Decimal("1e-131"), Decimal("0e-999"), Decimal("0.1") ** 39]
    )
    | st.sampled_from([10**38 - 1, 10**38, 10**38 + 1, 10**125, 10**126])
)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
documents = st.dictionaries(st.sampled_from(["name", "description", "id", "n"]) | texts, values, max_size=4)
documents |= st.fixed_dictionaries(
    {"name": texts, "description": texts | values}, optional={"x": values, "id": texts}
)
ids = st.sampled_from(["i", "", "x" * 128, "x" * 129, "a\nb", "a\u200bb", 7, None]) | texts
tags = st.sampled_from([None, "*", '"a"', 'W/"a", "b"', "a", "", 7, '"' + "x" * 1023 + '"'])
members: dict[str, st.SearchStrategy[Any]] = {
    "item": documents | values,
    "item_id": ids,
    "set": documents | values,
    "merge": documents | values,
    "if_match": tags,
    "other": values,
}
commands = st.fixed_dictionaries(
    {"operation": st.sampled_from([*OPERATIONS, "fly", None])}, optional=members
) | st.dictionaries(st.sampled_from(list(members)), values, max_size=3)


def deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


@given(commands)
@example({"operation": "create", "item": {"name": "A", "description": "d", "deep": deep(31)}})
@example({"operation": "create", "item": {"name": "A", "description": "d", "deep": deep(32)}})
@example({"operation": "create", "item": {"name": "A", "description": "d", "deep": [deep(32), "\0"]}})
@example({"operation": "create", "item": {"name": "A", "description": "d", "a/b": ["x", {"~": "\0"}]}})
@example({"operation": "create", "item": {"name": "a\x1f\u200b", "description": "d"}})
def test_both_refuse_the_same_commands_with_the_same_messages_and_places(command: dict[str, Any]) -> None:
    found = {(each.pointer, each.detail) for each in violations(command)}
    told = violations_of_the_service(command)
    assert told <= found
    assert told == found or len(told) == MAX_VIOLATIONS


def violations_of_the_service(command: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the violations that the service reports for the JSON and the command."""
    found = Violations()
    try:
        value = service_json.decode(json_text.encode(command))
    except Unstorable as refusal:
        found.add_all(refusal)
        value = refusal.value
    found.collect(lambda: parse_command(value, new_item_id="new"))
    try:
        found.check()
    except InvalidRequest as refusal:
        return {(each.pointer, each.detail) for each in refusal.violations}
    return set()


def test_all_violations_are_reported() -> None:
    item = {"name": "", "id": "7", "n": 10**38 + 1, "t": ["\0"]}
    assert [each.pointer for each in violations({"operation": "create", "item": item})] == [
        "#/item/description",
        "#/item/id",
        "#/item/name",
        "#/item/t/0",
        "#/item/n",
    ]


@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("character", ["x", "\x7f", "é", '"'])
def test_both_count_the_same_bytes_of_a_document(character: str, more: int) -> None:
    one = item_rules.document_bytes({"n": character}) - item_rules.document_bytes({"n": ""})
    whole, rest = divmod(service_rules.MAX_DOCUMENT_BYTES + more - item_rules.document_bytes({"n": ""}), one)
    document = {"n": character * whole + "x" * rest}
    assert item_rules.document_bytes(document) == service_rules.MAX_DOCUMENT_BYTES + more
    with pytest.raises(TooLarge) if more > 0 else nullcontext():
        service_rules.check_size(service_json.encode(document))


@given(texts)
def test_both_regard_the_same_names_as_equal(name: str) -> None:
    assert item_rules.name_key(name) == service_rules.name_key(name)


@pytest.mark.parametrize(
    "limit", ["MAX_NAME_LENGTH", "MAX_ID_LENGTH", "MAX_DEPTH", "MAX_DOCUMENT_BYTES", "MAX_IF_MATCH_LENGTH"]
)
def test_both_have_the_same_limits(limit: str) -> None:
    owner = service_rules if hasattr(service_rules, limit) else etags
    assert getattr(item_rules, limit) == getattr(owner, limit)


@pytest.mark.parametrize("kind", ["_INVISIBLE", "_JOINERS", "_UNSTORABLE"])
def test_both_classify_every_character_alike(kind: str) -> None:
    every = "".join(map(chr, range(0x110000)))
    found = getattr(item_rules, kind).findall(every)
    assert found
    assert found == getattr(service_rules, kind).findall(every)
