"""The events of ended jobs, read by the public SDK of CloudEvents."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.errors import NotFound, Unavailable
from jobpipe.domain.events.cloud_event import (
    EVENT_ID,
    MAX_DATA_BYTES,
    MEDIA_TYPE,
    Event,
    Source,
    emitted_event_types,
)
from jobpipe.domain.events.emitted_events import encode_emitted
from jobpipe.domain.events.webhook import EVENT_TYPES, ITEM_CHANGED, JOB_ENDED
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.job_json import job_json
from jobpipe.operation import Event as OperationEvent
from tests.helpers.memory.documents import MemoryDocuments
from tests.unit.events.test_emitted import EVENTS

DOCUMENTS = MemoryDocuments()
SOURCE = Source("prod", DOCUMENTS)


def a_job(result: str | None = '{"name":"n","price":0.1}', **members: Any) -> Job:
    job = new_job(CreateItem("8f14", {"name": "n", "description": "d"}), "alice", None, now(), timedelta(days=7))
    return replace(job, **{"status": Status.SUCCEEDED, "result": result, "result_version": "ab12", **members})


def events_of(job: Job, *types: str) -> dict[str, Event]:
    events = SOURCE.events_of(job, "0" * 39 + "-00", types or EVENT_TYPES)
    return {each.event_type: each for each in events}


def parsed(event: Event) -> Any:
    return from_http_event(HTTPMessage({"content-type": MEDIA_TYPE}, event.body.encode()))


def test_the_sdk_of_cloudevents_reads_both_events() -> None:
    job = a_job()
    events = events_of(job)
    for event in events.values():
        read = parsed(event)
        assert (read.get_id(), read.get_type(), read.get_subject()) == (
            event.event_id,
            event.event_type,
            event.subject,
        )
        assert read.get_source() == "urn:jobpipe:prod"
        assert read.get_specversion() == "1.0"
        assert read.get_datacontenttype() == "application/json"
        assert read.get_extension("sequence") == event.sequence
        assert EVENT_ID.fullmatch(event.event_id)
    assert events[JOB_ENDED].subject == f"jobs/{job.job_id}"
    assert events[ITEM_CHANGED].subject == "items/8f14"
    assert parsed(events[ITEM_CHANGED]).get_data() == {
        "collection": "items",
        "item_id": "8f14",
        "operation": "create",
        "job_id": job.job_id,
        "etag": '"ab12"',
    }


def test_the_data_of_an_ended_job_is_what_the_api_shows() -> None:
    job = a_job()
    data = json.loads(events_of(job)[JOB_ENDED].body)["data"]
    assert data == json.loads(job_json(job, DOCUMENTS))
    assert "owner" not in data


@pytest.mark.parametrize("number", ["0.1", "19.99", "1e400", "123456789012345678901234567890", "-0"])
def test_numbers_stay_exact(number: str) -> None:
    body = events_of(a_job(f'{{"name":"n","price":{number}}}'))[JOB_ENDED].body
    assert f'"price":{number}' in body


def test_a_change_comes_before_the_end_of_its_job() -> None:
    changed, ended = SOURCE.events_of(a_job(), "1-00", EVENT_TYPES)
    assert (changed.event_type, ended.event_type) == (ITEM_CHANGED, JOB_ENDED)
    assert changed.sequence < ended.sequence


@pytest.mark.parametrize(
    "members",
    [
        {"operation": "read"},
        {"status": Status.CANCELLED, "result": None},
        {"status": Status.FAILED, "result": None, "error": NotFound("no").to_problem()},
    ],
)
def test_only_what_changed_an_item_is_told_as_a_change(members: dict[str, Any]) -> None:
    assert set(events_of(a_job(**members))) == {JOB_ENDED}


def test_a_type_that_nobody_wants_is_not_made() -> None:
    class Never(MemoryDocuments):
        def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
            raise AssertionError("the result is read for nobody")

    job = a_job(result=None, result_document=DocumentRef("items/1", "v"))
    (event,) = Source("prod", Never()).events_of(job, "1", {ITEM_CHANGED})
    assert event.event_type == ITEM_CHANGED


def test_a_large_result_is_left_out() -> None:
    short = events_of(a_job(json.dumps({"name": "n", "text": "x" * (MAX_DATA_BYTES - 2000)})))[JOB_ENDED]
    long = events_of(a_job(json.dumps({"name": "n", "text": "x" * MAX_DATA_BYTES})))[JOB_ENDED]
    assert parsed(short).get_attributes().get("truncated") is None
    assert parsed(long).get_attributes()["truncated"] is True
    assert "result" in json.loads(short.body)["data"]
    assert "result" not in json.loads(long.body)["data"]


def test_a_lost_result_is_left_out_and_one_that_is_not_visible_yet_is_waited_for() -> None:
    lost = DocumentRef("items/lost", "v")
    old = a_job(result=None, result_document=lost, updated_at="2020-01-01T00:00:00.000Z")
    assert json.loads(events_of(old)[JOB_ENDED].body)["truncated"] is True
    with pytest.raises(Unavailable):
        events_of(a_job(result=None, result_document=lost))


def test_the_same_end_has_the_same_id_and_each_generation_its_own() -> None:
    job = a_job()
    again = next(iter(SOURCE.events_of(job, "2-07", {JOB_ENDED})))
    assert again.event_id == events_of(job)[JOB_ENDED].event_id
    retried = replace(job, generation="ffff")
    assert events_of(retried)[JOB_ENDED].event_id != again.event_id


EMITTED = '[["shipped",{"carrier":"dhl"}],["left",{"n":1.10}],["shipped",{"carrier":"ups"}]]'


def of_an_operation(**members: Any) -> Job:
    given = {"collection": "orders", "operation": "ship", "emitted_events": EMITTED, **members}
    return a_job(**given)


def test_the_events_of_an_operation_are_between_the_change_and_the_end() -> None:
    job = of_an_operation()
    wanted = {*EVENT_TYPES, "orders.shipped", "orders.left"}
    events = list(SOURCE.events_of(job, "1-00", wanted))
    assert [each.event_type for each in events] == [
        *(ITEM_CHANGED, "orders.shipped", "orders.left", "orders.shipped", JOB_ENDED)
    ]
    assert len({each.event_id for each in events}) == 5
    sequences = [each.sequence for each in events]
    assert sequences == sorted(sequences)
    own = parsed(events[1])
    assert (own.get_type(), own.get_subject(), own.get_data()) == (
        "orders.shipped",
        "orders/8f14",
        {"carrier": "dhl"},
    )
    assert all(EVENT_ID.fullmatch(each.event_id) for each in events)
    assert "emitted" not in json.loads(events[-1].body)["data"]


def test_events_of_an_operation_that_nobody_wants_are_not_made() -> None:
    assert [*SOURCE.events_of(of_an_operation(), "1-00", {"orders.lost", "tents.shipped"})] == []
    (left,) = SOURCE.events_of(of_an_operation(), "1-00", {"orders.left"})
    (first, _, _) = SOURCE.events_of(of_an_operation(), "1-00", {"orders.left", "orders.shipped"})
    assert left.event_id.endswith("-emitted-1"), "the id does not depend on what else is wanted"
    assert first.event_id.endswith("-emitted-0")


def test_the_types_of_a_job_are_those_that_its_operation_returned() -> None:
    assert emitted_event_types(of_an_operation()) == ["orders.shipped", "orders.left"]
    assert emitted_event_types(a_job()) == []


@given(EVENTS, st.integers(0, 10**20), st.integers(0, 10**20))
def test_whoever_tells_again_tells_the_same(emitted: list[OperationEvent], first: int, second: int) -> None:
    """A redelivery may have another sequence number; all else that a receiver gets is the same."""
    job = of_an_operation(emitted_events=encode_emitted(emitted, "orders", "ship"))
    wanted = {*EVENT_TYPES, *emitted_event_types(job)}
    told, again = (
        [
            {**json.loads(each.body), "sequence": "", "of the row": replace(each, sequence="", body="")}
            for each in SOURCE.events_of(job, f"{number:039}-00", wanted)
        ]
        for number in (first, second)
    )
    assert told == again
    assert [(each["type"], each["data"]) for each in told[1:-1]] == [
        (f"orders.{each.type}", each.data) for each in emitted
    ]
    retried = {each.event_id for each in SOURCE.events_of(replace(job, generation="ffff"), "1-00", wanted)}
    assert not retried & {each["id"] for each in told}, "a retry that calculates anew has events of its own"


def test_a_test_event_is_a_cloud_event() -> None:
    event = SOURCE.test_event("5d41", now(), "abc")
    assert parsed(event).get_type() == "webhook.test"
    assert EVENT_ID.fullmatch(event.event_id)


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_TEXT, _JSON, max_size=4), _TEXT.filter(bool))
def test_any_document_and_item_is_an_event(document: dict[str, Any], item_id: str) -> None:
    job = a_job(json_text.encode(document), item_id=item_id)
    for event in events_of(job).values():
        assert json.loads(event.body)["id"] == event.event_id
        assert event.subject.isascii()
    assert json.loads(events_of(job)[JOB_ENDED].body)["data"] == json.loads(job_json(job, DOCUMENTS))
