"""The messages of a batch are sent in calls that keep the order of each item, whichever of them SQS accepts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.jobs.send_rounds import next_call
from jobpipe.domain.limits import MAX_CALL_BYTES, MAX_CALL_MESSAGES, MAX_QUEUED_BYTES

sizes = st.integers(1, 400) | st.integers(1, MAX_QUEUED_BYTES)
batches = st.lists(st.tuples(st.sampled_from("abcdefghijklmno"), sizes), max_size=100)


def envelopes(batch: list[tuple[str, int]]) -> list[Envelope]:
    return [Envelope("é" * (size // 2) + "x" * (size % 2), group, f"{n}") for n, (group, size) in enumerate(batch)]


@given(batches)
def test_every_message_is_sent_once_in_its_items_order_in_calls_that_sqs_accepts(
    batch: list[tuple[str, int]],
) -> None:
    left = envelopes(batch)
    sent: list[Envelope] = []
    while left:
        chosen = next_call(left)
        call = [left[n] for n in chosen]
        assert 1 <= len(call) <= MAX_CALL_MESSAGES, "and each call takes some, so that it ends"
        assert len({each.group_id for each in call}) == len(call), "one of each item"
        assert sum(len(each.body.encode()) for each in call) <= MAX_CALL_BYTES
        left = [each for n, each in enumerate(left) if n not in chosen]
        sent += call
    assert sorted(int(each.deduplication_id) for each in sent) == list(range(len(batch)))
    for group in {each.group_id for each in sent}:
        places = [int(each.deduplication_id) for each in sent if each.group_id == group]
        assert places == sorted(places)


def test_a_hundred_small_messages_of_different_items_take_ten_calls() -> None:
    left = [Envelope("x", f"{n}", f"{n}") for n in range(100)]
    calls = 0
    while left:
        chosen = next_call(left)
        left = [each for n, each in enumerate(left) if n not in chosen]
        calls += 1
    assert calls == 10


def test_a_call_has_a_mebibyte() -> None:
    assert MAX_CALL_BYTES == 1024 * 1024
    batch = envelopes([(f"{n}", MAX_CALL_BYTES // 10) for n in range(10)])
    assert next_call(batch) == [*range(10)], "all that a request may have goes in one call"


def test_a_message_that_does_not_fit_delays_its_item_only() -> None:
    large = MAX_CALL_BYTES - 10
    batch = envelopes([("a", large), ("b", 20), ("b", 5), ("c", 5)])
    assert next_call(batch) == [0, 3]
