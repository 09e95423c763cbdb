"""The events that operations return: what can be stored and told, and what fails the job."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest
from jobpipe.domain.events.emitted_events import (
    MAX_EMITTED,
    MAX_EMITTED_BYTES,
    SERVICE_EVENT_TYPES,
    can_be_emitted,
    decode_emitted,
    encode_emitted,
)
from jobpipe.domain.events.webhook import EVENT_TYPES, TEST
from jobpipe.domain.json_text import MAX_DIGITS
from jobpipe.operation import Event

KNOWN = {"items", "orders", "job", "webhook"}


def stored(*events: Any, collection: str = "orders") -> str | None:
    return encode_emitted(events, collection, "ship")


def refusal(*events: Any, collection: str = "orders") -> str:
    with pytest.raises(InvalidRequest) as caught:
        stored(*events, collection=collection)
    return caught.value.detail


def test_no_events_are_nothing_to_store() -> None:
    assert stored() is None
    assert decode_emitted(None, "orders") == []


def test_events_are_read_as_they_were_returned() -> None:
    text = stored(Event("shipped", {"carrier": "dhl"}), Event("line.left_over", {}), Event("shipped", {"n": 2}))
    found = [(each.event_type, each.data) for each in decode_emitted(text, "orders")]
    assert found == [
        ("orders.shipped", '{"carrier":"dhl"}'),
        ("orders.line.left_over", "{}"),
        ("orders.shipped", '{"n":2}'),
    ]


@pytest.mark.parametrize("number", ["19.99", "1E-7", "12345678901234567890.123456789", "9" * MAX_DIGITS])
def test_numbers_stay_exact(number: str) -> None:
    (event,) = decode_emitted(stored(Event("x", {"n": Decimal(number)})), "orders")
    assert json_text.decode_with_decimals(event.data) == {"n": Decimal(number)}


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(
    st.builds(Event, st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True), st.dictionaries(_TEXT, _JSON)),
    max_size=MAX_EMITTED,
)


@given(EVENTS)
def test_any_events_are_read_as_they_were_returned(events: list[Event]) -> None:
    found = decode_emitted(stored(*events), "orders")
    assert [(each.event_type, json.loads(each.data)) for each in found] == [
        (f"orders.{each.type}", each.data) for each in events
    ]
    assert all(can_be_emitted(each.event_type, KNOWN) for each in found), "a webhook can ask for each of them"


def test_the_number_of_events_is_limited() -> None:
    assert stored(*[Event("x", {})] * MAX_EMITTED) is not None
    assert (
        refusal(*[Event("x", {})] * (MAX_EMITTED + 1)) == "The operation ship returned 11 events; it may return 10."
    )


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f642"])
def test_the_bytes_of_all_events_together_are_limited(letter: str) -> None:
    size = len(letter.encode())
    frame = len('[["a",{"t":""}],["b",{"t":""}]]')
    letters = (MAX_EMITTED_BYTES - frame) // size
    events = [Event("a", {"t": letter * 100}), Event("b", {"t": letter * (letters - 100)})]
    assert stored(*events) is not None
    larger = Event("b", {"t": letter * (letters - 99)})
    assert "must have at most 32768 bytes together" in refusal(events[0], larger)


def _nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "data",
    [
        {"a": {1}},
        {"a": float("nan")},
        {"a": Decimal("Infinity")},
        {"a": 10**38 + 1},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": "\0"},
        _nested(200),
        _nested(5000),
    ],
    ids=["set", "NaN", "infinity", "39 digits", "surrogate", "name", "NUL", "too deep", "far too deep"],
)
def test_data_that_cannot_be_stored(data: Any) -> None:
    said = refusal(Event("shipped", data))
    assert said.startswith("The data of the event 'shipped' of the operation ship cannot be sent: ")
    assert len(said) < 400


@pytest.mark.parametrize("other", ["shipped", None, {"type": "shipped"}, ("shipped", {})])
def test_what_is_no_event(other: Any) -> None:
    assert "something other than events" in refusal(Event("x", {}), other)


def test_the_types_of_the_service_are_its_own() -> None:
    """A receiver that is told job.ended must be told of the end of a job."""
    assert {*EVENT_TYPES, TEST} == SERVICE_EVENT_TYPES
    for event_type in SERVICE_EVENT_TYPES:
        collection, _, name = event_type.partition(".")
        assert "is reserved for the service" in refusal(Event(name, {}), collection=collection)
        assert not can_be_emitted(event_type, {collection})
    assert stored(Event("ended", {})) is not None


@pytest.mark.parametrize(
    ("event_type", "can"),
    [
        ("orders.shipped", True),
        ("orders.line.added", True),
        ("job.started", True),
        ("items.changed", False),
        ("tents.pitched", False),
        ("orders.", False),
        ("orders", False),
        (".shipped", False),
        ("", False),
        ("orders.Shipped", False),
        ("orders.*", False),
        (f"orders.{'x' * 65}", False),
        ("orders.shipped\n", False),
    ],
)
def test_which_events_a_webhook_can_ask_for(event_type: str, can: bool) -> None:
    assert can_be_emitted(event_type, KNOWN) is can
