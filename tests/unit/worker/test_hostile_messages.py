"""Any message on the queue is parked once, with a reason, or runs, and never touches another job."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.commands.command import CreateItem, DeleteItem, MergePatch, ReadItem, SetFields
from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.errors import UndecodableMessage
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.message_decoding import UnreadableCommand, decode_message
from jobpipe.domain.jobs.queue_message import Envelope, QueueMessage, seal
from jobpipe.domain.limits import MAX_QUEUED_BYTES
from tests.helpers.hostile import json_like, nearly, one_in_turn, scalars, strings
from tests.helpers.job_states import LARGE, item
from tests.helpers.memory.documents import MemoryDocuments
from tests.helpers.pipeline import Pipeline

JOB = JobRef("a" * 32, "b" * 16)
HASH = "c" * 64
OWN_CLAIM = f"claims/{JOB.job_id}/{JOB.generation}/{HASH}.json"
GOOD = [
    json.loads(seal(QueueMessage(JOB, "i", content, "r", retry_of)).body)
    for content in (
        CreateItem("i", {"name": "n", "description": "d", "x": [1.5, {"y": None}]}),
        SetFields("i", {"x": 1}, '"v"'),
        MergePatch("i", {"x": None}),
        ReadItem("i"),
        DeleteItem("i", "*"),
        Claim(OWN_CLAIM),
    )
    for retry_of in (None, "d" * 16)
]
KEYS = [
    *(OWN_CLAIM, f"claims/{'e' * 32}/{'b' * 16}/{HASH}.json", "items/i/x.json", "", "/", "claims/", "*"),
    *(OWN_CLAIM + "\n", OWN_CLAIM + "/..", OWN_CLAIM.upper(), "/" + OWN_CLAIM, OWN_CLAIM.replace("/", "//")),
    f"claims/{JOB.job_id}/../{'e' * 32}/{'b' * 16}/{HASH}.json",
    f"claims/{JOB.job_id}/{'b' * 16}/../../../items/i.json",
]
junk = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    strings,
    st.sampled_from(KEYS),
    st.sampled_from([[], {}, [[]], {"a": {}}, 10**37, -(10**37)]),
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Yield each member of each part: its container, and its name or index."""
    found: list[tuple[Any, Any]] = []
    for step, member in list(value.items() if isinstance(value, dict) else enumerate(value)):
        found.append((value, step))
        if isinstance(member, dict | list):
            found += places(member)
    return found


@st.composite
def envelopes(draw: st.DrawFn) -> str:
    """Return a valid envelope with parts replaced, removed or added."""
    envelope = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 2))):
        container, step = draw(st.sampled_from(places(envelope)))
        way = draw(st.sampled_from(["replace", "remove", "claim"]))
        if way == "replace":
            container[step] = copy.deepcopy(draw(junk))  # the next change may be inside of it
        elif way == "remove":
            del container[step]
        else:
            envelope["claim"] = draw(st.sampled_from(KEYS))
    return json.dumps(envelope, ensure_ascii=draw(st.booleans()))


texts = nearly(st.sampled_from(GOOD).map(json.dumps), scalars | strings)
queued = one_in_turn(envelopes(), envelopes(), texts, json_like | strings)


def read(body: str) -> QueueMessage | UndecodableMessage:
    """Return the message or the UndecodableMessage; other exceptions are bugs."""
    try:
        return decode_message(body)
    except UndecodableMessage as why:
        return why


@given(queued)
def test_an_undecodable_message_has_one_error_with_a_short_text(body: str) -> None:
    message = read(body)
    if isinstance(message, UndecodableMessage):
        assert 0 < len(str(message)) <= 500
        kept = message.kept if isinstance(message, UnreadableCommand) else None
        if kept is not None:
            assert 0 < len((kept.command or kept.claim or "").encode()) <= MAX_QUEUED_BYTES, "the job can hold it"
    else:
        assert decode_message(seal(message).body) == message
        if isinstance(message.content, Claim):
            assert message.content.key.startswith(f"claims/{message.job.job_id}/")


DEEP = "[" * 900 + "0.12345678901234567890123" + "]" * 900


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("v", DEEP),
        ("v", '"' + "\\udb40\\udc01" * 20_000 + '"'),
        ("request_id", DEEP),
        ("request_id", '"\\ud800"'),
        ("request_id", '"\\u202e"'),
        ("item_id", DEEP),
        ("command", DEEP),
        ("command", '{"operation":"x","y":"\\ud800"}'),
        ("command", '{"operation":"x","y":[' + ",".join(["1e15"] * 40_000) + "]}"),
        ("claim", DEEP),
        ("retry_of", DEEP),
    ],
    ids=range(11),
)
def test_a_message_that_no_release_sends_is_parked_and_its_job_fails(
    pipeline: Pipeline, member: str, value: str
) -> None:
    """If it were redelivered, it would delay its item for the retention of the queue."""
    pipeline.request("POST", "/items", item())
    [(message_id, envelope, _)] = pipeline.queue.waiting
    parts = {name: json.dumps(each) for name, each in json.loads(envelope.body).items()} | {member: value}
    body = "{" + ",".join(f'"{name}":{each}' for name, each in parts.items()) + "}"
    pipeline.queue.waiting = [(message_id, Envelope(body, envelope.group_id, "d"), 0)]
    assert pipeline.work() == {"batchItemFailures": []}
    [(parked, about)] = pipeline.parked.messages
    assert parked == body
    assert about["reason"]
    [job] = pipeline.jobs.rows.values()
    assert job.status is Status.FAILED
    assert len(json.dumps(job.error)) < 1000
    assert job.kept is None or len((job.kept.command or "").encode()) <= MAX_QUEUED_BYTES


class WatchedDocuments(MemoryDocuments):
    """MemoryDocuments that records which keys were requested."""

    def __init__(self) -> None:
        super().__init__()
        self.touched: set[str] = set()

    def put(self, key: str, text: str) -> DocumentRef:
        self.touched.add(key)
        return super().put(key, text)

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        self.touched.add(ref.key)
        return super().get(ref)

    def get_by_key(self, key: str) -> str | None:
        self.touched.add(key)
        return super().get_by_key(key)

    def delete(self, keys: Iterable[str]) -> None:
        gone = list(keys)
        self.touched.update(gone)
        super().delete(gone)


@given(queued)
def test_a_forged_message_does_not_reach_another_jobs_objects(body: str) -> None:
    documents = WatchedDocuments()
    pipeline = Pipeline(documents=documents)
    pipeline.do("POST", "/items", item("Other"))
    pipeline.request("POST", "/items", item("Waiting", text=LARGE))
    before = pipeline.state()
    pipeline.queue.waiting = [("forged", Envelope(body, "i", "d"), 0)]
    documents.touched.clear()
    for deliver in (pipeline.work, pipeline.end_dead_letters):
        if not pipeline.queue.waiting:
            break
        deliver()
    assert not pipeline.queue.waiting, "nothing that is forged stays for long"
    message = read(body)
    if isinstance(message, UndecodableMessage):
        assert not documents.touched
        [(parked, about)] = pipeline.parked.messages
        assert parked == body
        assert set(about) == {"reason", "source", "group_id", "message_id"}
        assert 0 < len(about["reason"]) <= 500
        assert all(value.isascii() and value.isprintable() for value in about.values()), "SQS takes it"
    else:
        assert not pipeline.parked.messages
        own = (f"claims/{message.job.job_id}/", message.item.document_prefix(message.job))  # an id may have slashes
        assert all(key.startswith(own) for key in documents.touched)
    assert pipeline.state()[:-1] == before[:-1], "all but the queue"


@given(st.sampled_from(KEYS))
def test_a_claim_check_belongs_to_its_job(key: str) -> None:
    envelope = {**GOOD[-1], "claim": key}
    if key == OWN_CLAIM:
        assert decode_message(json.dumps(envelope)).content == Claim(key)
    else:
        with pytest.raises(UnreadableCommand):
            decode_message(json.dumps(envelope))
