"""The label of a command: what names its document, whatever that is."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.commands.command import CreateItem, DeleteItem, ReadItem, RunOperation, SetFields, UpsertItem
from jobpipe.domain.commands.label import MAX_LABEL_LENGTH, label_in, label_of
from jobpipe.domain.documents.collection import ITEM_COLLECTION, Collection
from tests.helpers.shop import shop

_REORDER = {"\u202e", "\u2066", "\u200f", "\ufeff", "\u00ad"}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
documents = values | st.dictionaries(st.sampled_from(["number", "invoice", "name", "x"]), values)
COLLECTIONS = {each.name: each for each in shop()}
orders = COLLECTIONS["orders"]


@given(documents, st.sampled_from([*COLLECTIONS.values()]))
def test_a_label_is_one_short_line_whatever_the_document_is(document: Any, collection: Collection) -> None:
    label = label_in(document, collection)
    if label is None:
        return
    assert 1 <= len(label) <= MAX_LABEL_LENGTH
    assert " ".join(label.split()) == label
    assert not {unicodedata.category(character) for character in label} & {"Cc", "Cs", "Zl", "Zp"}
    assert not _REORDER & set(label)
    assert json_text.decode(json_text.encode({"label": label}).encode().decode()) == {"label": label}


@pytest.mark.parametrize(
    ("document", "label"),
    [
        ({"number": "A-1", "invoice": 5}, "A-1"),  # the key comes first
        ({"number": None, "invoice": 5}, "5"),
        ({"number": " \n", "invoice": 5.0}, "5"),
        ({"number": ["A-1"], "invoice": True, "customer": "alice"}, None),
        ({"number": "A\x1b[31m\n\u202e1\ud800"}, "A [31m 1"),
        ({"number": "👨\u200d👩"}, "👨\u200d👩"),
        ({"number": "é" * 100}, "é" * 100),
        ({"number": "x" * 101}, "x" * 99 + "…"),
        ({"number": "x" * 10_000_000}, "x" * 99 + "…"),
        ({"invoice": 10**5000}, None),
        ({"invoice": 1e400}, None),
        ([], None),
    ],
)
def test_the_first_value_that_names_the_document_is_its_label(document: Any, label: str | None) -> None:
    assert label_in(document, orders) == label


def test_commands_without_a_document_have_no_label() -> None:
    document = {"name": "Tent"}
    assert label_of(CreateItem("i", document), ITEM_COLLECTION) == "Tent"
    assert label_of(UpsertItem("i", {"number": "A-1"}), orders) == "A-1"
    assert label_of(SetFields("i", document), ITEM_COLLECTION) == "Tent"
    assert label_of(DeleteItem("i"), ITEM_COLLECTION) is None
    assert label_of(ReadItem("i"), ITEM_COLLECTION) is None
    arguments = {"number": "A-1"}
    assert label_of(RunOperation(operation="ship", item_id="i", arguments=arguments), orders) is None
