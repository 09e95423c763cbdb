"""Which documents are valid, and how updates change one."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.documents import item_rules
from jobpipe.domain.errors import InvalidRequest, TooLarge


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
        {**GOOD, "name": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"},  # Persian, with a non-joiner
        {**GOOD, "name": "\u0915\u094d\u200d\u0937"},  # Hindi, with a joiner
        {**GOOD, "name": "\U0001f469\u200d\U0001f680 \u2764\ufe0f"},  # emoji: a joined one, and a variant
        {**GOOD, "name": "\u0600 \u05d0"},  # a format character that shows, and a letter written from the right
        {**GOOD, "description": "\u202e\u200b"},
        {**GOOD, "description": ""},
        {**GOOD, "deep": nested(31)},
    ],
)
def test_a_valid_document_is_returned_unchanged(document: Any) -> None:
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
        ({**GOOD, "name": "Tent\u202egnp.exe"}, "#/name"),  # shown as Tentexe.png
        ({**GOOD, "name": "Te\u200bnt"}, "#/name"),
        ({**GOOD, "name": "Te\u00adnt"}, "#/name"),
        ({**GOOD, "name": "\u2066Tent\u2069"}, "#/name"),
        ({**GOOD, "name": "Tent\U000e0041"}, "#/name"),
        ({**GOOD, "name": "\u3164"}, "#/name"),  # a letter by its category
        ({**GOOD, "name": "\u200d\ufe0f"}, "#/name"),
        ({**GOOD, "name": "\u2800 "}, "#/name"),
        ({**GOOD, "description": None}, "#/description"),
        ({**GOOD, "description": {}}, "#/description"),
        ({**GOOD, "id": "mine"}, "#/id"),
        ({**GOOD, "deep": nested(32)}, "#/deep" + "/a" * 31),
        ({**GOOD, "deep": [[[nested(29)]]]}, "#/deep/0/0/0" + "/a" * 28),
        ({**GOOD, "x": ["\ud800"]}, "#/x/0"),
        ({**GOOD, "\udfff": 1}, "#"),
        ({**GOOD, "a/b": {"~": "\0"}}, "#/a~1b/~0"),
        ({**GOOD, "é %": "\0"}, "#/%C3%A9%20%25"),
        ({**GOOD, "nul\0": 1}, "#"),
    ],
)
def test_an_invalid_document_is_refused_with_a_pointer(document: Any, pointer: str | None) -> None:
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


def test_an_empty_patch_is_valid() -> None:
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


def test_set_fields_does_not_change_other_fields() -> None:
    assert item_rules.set_fields({"a": {"x": 1}, "b": 2}, {"a": {"y": 1}}) == {"a": {"y": 1}, "b": 2}


@pytest.mark.parametrize("item_id", ["x", "x" * 128, "non-existent-id", "päth/../..", " "])
def test_valid_item_ids(item_id: str) -> None:
    assert item_rules.check_item_id(item_id) == item_id


@pytest.mark.parametrize(
    "item_id", ["", "x" * 129, "a\0b", "a\nb", "\x7f", "\x85", "\ud800", "a\u202eb", "a\u2028b", None, 7]
)
def test_invalid_item_ids(item_id: Any) -> None:
    with pytest.raises(InvalidRequest):
        item_rules.check_item_id(item_id)


def test_a_name_that_is_too_long_is_not_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composing takes quadratic time for a run of combining marks: a body of 1 MB would take minutes."""
    composed: list[int] = []
    normalize = unicodedata.normalize

    def counted(form: Any, text: str) -> str:
        composed.append(len(text))
        return normalize(form, text)

    monkeypatch.setattr(unicodedata, "normalize", counted)
    with pytest.raises(InvalidRequest):
        item_rules.check_new_document({"name": "\u0300\u0316" * 100_000, "description": "d"})
    assert max(composed, default=0) <= item_rules.MAX_NAME_LENGTH


def test_names_that_differ_only_in_composition_are_equal() -> None:
    assert item_rules.name_key("Cafe\u0301") == item_rules.name_key("Caf\u00e9")


@pytest.mark.parametrize("joiner", ["\u200c", "\u200d", "\ufe0e", "\ufe0f", "\U000e0100", "\u180b"])
def test_names_that_differ_only_in_joiners_are_equal(joiner: str) -> None:
    assert item_rules.check_new_document({**GOOD, "name": f"Te{joiner}nt"})
    assert item_rules.name_key(f"Te{joiner}nt") == item_rules.name_key("Tent")
    assert item_rules.name_key(f"Cafe{joiner}\u0301") == item_rules.name_key("Caf\u00e9")


@given(st.text())
def test_the_key_of_a_name_key_is_itself(name: str) -> None:
    assert item_rules.name_key(item_rules.name_key(name)) == item_rules.name_key(name)


@given(st.characters(categories=["Cf"]))
def test_no_format_character_makes_a_second_name_that_looks_the_same(character: str) -> None:
    """Some are visible, such as the Arabic number signs; all others are refused, or ignored in name keys."""
    shows = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
    name = f"Te{character}nt"
    try:
        item_rules.check_fields_to_set({"name": name})
    except InvalidRequest:
        assert ord(character) not in shows
    else:
        assert ord(character) in shows or item_rules.name_key(name) == "Tent"


def test_the_size_limit_counts_bytes() -> None:
    item_rules.check_size("é" * (item_rules.MAX_DOCUMENT_BYTES // 2))
    with pytest.raises(TooLarge):
        item_rules.check_size("é" * (item_rules.MAX_DOCUMENT_BYTES // 2) + "x")
    # JSON in ASCII has six characters for it: an answer of Lambda has room for six megabytes.
    item_rules.check_size("\x7f" * (item_rules.MAX_DOCUMENT_BYTES // 6) + "x" * (item_rules.MAX_DOCUMENT_BYTES % 6))
    with pytest.raises(TooLarge):
        item_rules.check_size("\x7f" * (item_rules.MAX_DOCUMENT_BYTES // 6 + 1))
