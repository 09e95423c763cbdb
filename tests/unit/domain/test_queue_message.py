"""Messages are encoded for SQS and decoded, and forged messages are refused."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.commands.command import Command, CreateItem, DeleteItem, SetFields
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim, redeem
from jobpipe.domain.jobs.job import KeptCommand
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import QueueMessage, kept_content, seal
from jobpipe.domain.limits import (
    MAX_CALL_MESSAGES,
    MAX_COMMAND_BYTES,
    MAX_EVENT_BYTES,
    MAX_KEPT_BYTES,
    MAX_QUEUED_BYTES,
)

JOB = JobRef("a" * 32, "b" * 16)
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
SQS_TEXT = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
SQS_GROUP = re.compile(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}")

ITEM = ItemRef(ITEMS, "", "i")


def message_of(command: Command, request_id: str) -> QueueMessage:
    return QueueMessage(JOB, command.item_id, command, request_id)


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(words, words)
def test_a_message_can_be_decoded_and_sqs_accepts_it(name: str, value: str) -> None:
    message = message_of(SetFields("i", {"x" + name: value}, '"v"'), "request-1")
    envelope = seal(message)
    assert decode_message(envelope.body) == message
    assert SQS_TEXT.fullmatch(envelope.body)


@given(words.filter(lambda word: 0 < len(word) <= 128 and word.isprintable()))
def test_every_item_id_has_a_group_that_sqs_accepts(item_id: str) -> None:
    envelope = seal(message_of(DeleteItem(item_id), ""))
    assert SQS_GROUP.fullmatch(envelope.group_id)


def test_the_group_is_the_item_and_the_deduplication_id_is_the_generation() -> None:
    envelope = seal(message_of(DeleteItem("3f2b-77"), ""))
    assert envelope.group_id == "3f2b-77"
    assert envelope.deduplication_id == f"{'a' * 32}:{'b' * 16}"


def described(size: int, character: str = "x") -> QueueMessage:
    return message_of(CreateItem("i", {"name": "n", "description": character * size}), "r")


def room(limit: int) -> int:
    """Return the length of a description with which the command has as many bytes as the limit."""
    return limit - len(str(described(0).kept.command))


def test_a_command_becomes_a_claim_check_from_one_byte_over_the_limit() -> None:
    most = room(MAX_COMMAND_BYTES)
    assert seal(described(most)).claim is None
    for large in (described(most + 1), described(most // 2 + 1, "é"), described(most // 6 + 1, "\uffff")):
        envelope = seal(large)
        assert envelope.claim is not None
        assert envelope.claim.key.startswith(f"claims/{JOB.job_id}/{JOB.generation}/")
        assert len(envelope.body) < 1000
        carried = decode_message(envelope.body)
        assert carried.content == Claim(envelope.claim.key)
        assert redeem(Claim(envelope.claim.key), envelope.claim.text, ITEM) == large.content
        assert seal(large) == envelope, "the same command has the same claim check"


CHARACTERS = ["x", "é", "\uffff", "\uffee", "\U0001f600", '"', "\\", "\u0001", "\n"]


@pytest.mark.parametrize("character", CHARACTERS)
def test_sqs_accepts_every_character_of_a_message(character: str) -> None:
    for size in (10_000, 34_000, 51_000, 68_000, 102_000, 204_000, 389_000):
        command = CreateItem("i" * 128, {"name": "n", "description": character * size})
        body = seal(message_of(command, "r" * 200)).body
        assert len(body.encode()) <= MAX_QUEUED_BYTES


RECORD = {
    "messageId": "0" * 36,
    "receiptHandle": "A" * 1024,
    "attributes": dict.fromkeys(("SentTimestamp", "SequenceNumber", "MessageGroupId", "AWSTraceHeader"), "0" * 128),
    "md5OfBody": "0" * 32,
    "eventSourceARN": "a" * 256,
}


@pytest.mark.parametrize("character", CHARACTERS)
def test_ten_messages_fit_an_event_of_lambda_however_it_is_escaped(character: str) -> None:
    """Nine tenths of the limit, or all of it if each character takes three times its bytes in the message."""
    largest = 0
    for size in range(10_000, MAX_COMMAND_BYTES, 2_000):
        command = CreateItem("i" * 128, {"name": "n", "description": character * size})
        body = seal(message_of(command, "r" * 200)).body
        largest = max(largest, len(json.dumps({**RECORD, "body": body})))
    small = MAX_KEPT_BYTES * 3 + 8 * 1024
    assert MAX_CALL_MESSAGES * largest <= max(MAX_EVENT_BYTES * 9 // 10, MAX_CALL_MESSAGES * small)
    assert MAX_CALL_MESSAGES * small <= MAX_EVENT_BYTES


def test_every_command_up_to_the_old_limit_goes_in_its_message() -> None:
    """Failed jobs keep such commands in their rows, and a retry puts no claim check."""
    for character in CHARACTERS:
        size = room(MAX_KEPT_BYTES) // len(json.dumps(character, ensure_ascii=False)[1:-1].encode())
        message = described(size if character != "\uffff" else size // 2, character)
        assert message.kept.command is not None
        assert seal(message).claim is None


def test_the_claim_check_depends_on_the_command_only() -> None:
    """A replay has another request id, and a retry has another generation: neither may add a claim check."""
    for size in (389_000, 389_020, 389_040, 389_060, 389_080, 500_000):
        command = CreateItem("i", {"name": "n", "description": "x" * size})
        ways = [
            seal(message_of(command, "")),
            seal(message_of(command, "r" * 100)),
            seal(QueueMessage(JOB, "i", command, "r", retry_of="d" * 16)),
            seal(message_of(CreateItem("i", {"description": "x" * size, "name": "n"}), "r")),
        ]
        assert len({None if way.claim is None else way.claim.key for way in ways}) == 1
        assert decode_message(ways[2].body).retry_of == "d" * 16


def test_a_failed_job_keeps_a_large_command_as_a_claim_check() -> None:
    most = room(MAX_KEPT_BYTES)
    kept, claim = described(most).keep()
    assert (kept_content(kept, ITEM), claim) == (described(most).content, None)
    message = described(most + 1)
    kept, claim = message.keep()
    assert claim is not None
    assert kept == KeptCommand(claim=claim.key) == message.kept
    assert redeem(Claim(claim.key), claim.text, ITEM) == message.content
    assert seal(message).claim is None, "although it fits the message"
    assert message.keep()[1] == claim, "every attempt has the same key"


def test_a_failed_job_keeps_its_command_for_a_retry() -> None:
    small = message_of(DeleteItem("i"), "r")
    assert kept_content(small.kept, ITEM) == small.content
    large = QueueMessage(JOB, "i", Claim(f"claims/{'a' * 32}/{'b' * 16}/{'c' * 64}.json"), "r", retry_of="d" * 16)
    assert kept_content(large.kept, ITEM) == large.content
    assert decode_message(seal(large).body) == large
    assert kept_content(KeptCommand(), ITEM) is None


GOOD: dict[str, Any] = json.loads(seal(message_of(DeleteItem("i"), "r")).body)


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
        json.dumps({**GOOD, "item_id": "another"}),
        json.dumps({**GOOD, "retry_of": "../x"}),
        json.dumps({**GOOD, "claim": None}),
        json.dumps({**GOOD, "claim": "items/i/x.json"}),
        json.dumps({**GOOD, "claim": f"claims/{'e' * 32}/{'b' * 16}/{'c' * 64}.json"}),  # another job's
    ],
)
def test_a_forged_message_is_undecodable(body: str) -> None:
    with pytest.raises(UndecodableMessage):
        decode_message(body)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "claim", "retry_of"]), junk))
def test_no_message_crashes_the_decoder(changes: dict[str, Any]) -> None:
    with contextlib.suppress(UndecodableMessage):
        decode_message(json.dumps({**GOOD, **changes}))
