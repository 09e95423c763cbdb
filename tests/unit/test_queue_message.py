"""The way through SQS and back, and what does not come from us."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.commands import CreateItem, DeleteItem, SetFields
from jobpipe.errors import TooLarge, UndecodableMessage
from jobpipe.job_ref import JobRef
from jobpipe.queue_message import MAX_MESSAGE_BYTES, QueueMessage, decode_message, seal

JOB = JobRef("a" * 32, "b" * 16)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
SQS_TEXT = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
SQS_GROUP = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(words, words)
def test_a_message_survives_and_sqs_takes_it(name: str, value: str) -> None:
    message = QueueMessage(JOB, SetFields("i", {"x" + name: value}, '"v"'), "request-1")
    envelope = seal(message)
    assert decode_message(envelope.body) == message
    assert SQS_TEXT.fullmatch(envelope.body)


@given(words.filter(lambda word: 0 < len(word) <= 128 and word.isprintable()))
def test_every_item_id_has_a_group_that_sqs_takes(item_id: str) -> None:
    envelope = seal(QueueMessage(JOB, DeleteItem(item_id), ""))
    assert SQS_GROUP.fullmatch(envelope.group_id)


def test_the_group_is_the_item_and_the_deduplication_id_the_life_of_the_job() -> None:
    envelope = seal(QueueMessage(JOB, DeleteItem("3f2b-77"), ""))
    assert envelope.group_id == "3f2b-77"
    assert envelope.deduplication_id == f"{'a' * 32}:{'b' * 16}"


def test_what_sqs_could_not_carry_is_refused_at_the_byte() -> None:
    def message(size: int) -> QueueMessage:
        return QueueMessage(JOB, CreateItem("i", {"name": "n", "description": "x" * size}), "")

    room = MAX_MESSAGE_BYTES - len(seal(message(0)).body)
    assert len(seal(message(room)).body) == MAX_MESSAGE_BYTES
    with pytest.raises(TooLarge):
        seal(message(room + 1))
    with pytest.raises(TooLarge):
        seal(QueueMessage(JOB, CreateItem("i", {"name": "n", "description": "é" * (room // 2 + 1)}), ""))


GOOD: dict[str, Any] = json.loads(seal(QueueMessage(JOB, DeleteItem("i"), "r")).body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        json.dumps({**GOOD, "v": 2}),
        json.dumps({**GOOD, "job_id": "../x"}),
        json.dumps({**GOOD, "job_id": None}),
        json.dumps({**GOOD, "generation": ""}),
        json.dumps({**GOOD, "item_id": 5}),
        json.dumps({**GOOD, "command": {"operation": "truncate"}}),
        json.dumps({**GOOD, "command": {"operation": "delete"}}),
        json.dumps({k: v for k, v in GOOD.items() if k != "command"}),
    ],
)
def test_what_is_not_ours_is_undecodable(body: str) -> None:
    with pytest.raises(UndecodableMessage):
        decode_message(body)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(GOOD)), junk))
def test_no_junk_crashes_the_decoder(changes: dict[str, Any]) -> None:
    with contextlib.suppress(UndecodableMessage):
        decode_message(json.dumps({**GOOD, **changes}))
