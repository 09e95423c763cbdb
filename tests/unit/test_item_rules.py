"""What may become an item, and how updates change one."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe import item_rules
from jobpipe.errors import InvalidRequest, TooLarge


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


GOOD = {"name": "Tent", "description": "For two"}


@pytest.mark.parametrize(
    "document",
    [
        GOOD,
        {**GOOD, "price": 12.95, "tags": [], "sizes": {"": None}},
        {**GOOD, "name": "x" * 255},
        {**GOOD, "name": "テント ⛺"},
        {**GOOD, "description": ""},
        {**GOOD, "deep": nested(31)},
    ],
)
def test_a_good_document_is_taken_as_it_is(document: Any) -> None:
    assert item_rules.check_new_document(document) is document


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], None),
        ("text", None),
        (None, None),
        ({}, "#/name"),
        ({"description": "d"}, "#/name"),
        ({"name": "n"}, "#/description"),
        ({**GOOD, "name": ""}, "#/name"),
        ({**GOOD, "name": " \t"}, "#/name"),
        ({**GOOD, "name": None}, "#/name"),
        ({**GOOD, "name": 5}, "#/name"),
        ({**GOOD, "name": ["n"]}, "#/name"),
        ({**GOOD, "name": "x" * 256}, "#/name"),
        ({**GOOD, "name": "\u0958" * 200}, "#/name"),  # NFC makes two characters of each
        ({**GOOD, "name": "a\nb"}, "#/name"),
        ({**GOOD, "description": None}, "#/description"),
        ({**GOOD, "description": {}}, "#/description"),
        ({**GOOD, "id": "mine"}, "#/id"),
        ({**GOOD, "deep": nested(32)}, None),
        ({**GOOD, "deep": [[[nested(29)]]]}, None),
        ({**GOOD, "x": ["\ud800"]}, "#/x/0"),
        ({**GOOD, "\udfff": 1}, "#"),
        ({**GOOD, "a/b": {"~": "\0"}}, "#/a~1b/~0"),
        ({**GOOD, "é %": "\0"}, "#/%C3%A9%20%25"),
        ({**GOOD, "nul\0": 1}, "#"),
    ],
)
def test_a_bad_document_is_refused_where_it_is_bad(document: Any, pointer: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        item_rules.check_new_document(document)
    assert refused.value.pointer == pointer


@pytest.mark.parametrize("fields", [{}, [], None, {"name": None}, {"id": "x"}, {"name": "\ud800"}])
def test_bad_fields_to_set(fields: Any) -> None:
    with pytest.raises(InvalidRequest):
        item_rules.check_fields_to_set(fields)


@pytest.mark.parametrize("patch", [[], "x", {"name": None}, {"description": None}, {"name": 1}, {"id": None}])
def test_bad_patches(patch: Any) -> None:
    with pytest.raises(InvalidRequest):
        item_rules.check_merge_patch(patch)


def test_an_empty_patch_is_one() -> None:
    assert item_rules.check_merge_patch({}) == {}


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    # RFC 7396, appendix A, whole
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_is_rfc_7396(target: Any, patch: Any, result: Any) -> None:
    assert item_rules.merge_patch(target, patch) == result


def test_set_fields_leaves_the_others() -> None:
    assert item_rules.set_fields({"a": {"x": 1}, "b": 2}, {"a": {"y": 1}}) == {"a": {"y": 1}, "b": 2}


@pytest.mark.parametrize("item_id", ["x", "x" * 128, "non-existent-id", "päth/../..", " "])
def test_ids_that_could_be(item_id: str) -> None:
    assert item_rules.check_item_id(item_id) == item_id


@pytest.mark.parametrize("item_id", ["", "x" * 129, "a\0b", "a\nb", "\x7f", "\x85", "\ud800", None, 7])
def test_ids_that_cannot_be(item_id: Any) -> None:
    with pytest.raises(InvalidRequest):
        item_rules.check_item_id(item_id)


def test_names_that_only_compose_differently_are_one() -> None:
    assert item_rules.name_key("Cafe\u0301") == item_rules.name_key("Caf\u00e9")


def test_the_size_limit_counts_bytes() -> None:
    item_rules.check_size("é" * (item_rules.MAX_DOCUMENT_BYTES // 2))
    with pytest.raises(TooLarge):
        item_rules.check_size("é" * (item_rules.MAX_DOCUMENT_BYTES // 2) + "x")
