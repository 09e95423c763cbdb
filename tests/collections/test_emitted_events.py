"""The events of operations, from the function to the row of its job."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from jobpipe.domain.documents.collection import Registry
from jobpipe.domain.events.emitted_events import decode_emitted
from jobpipe.domain.jobs.job import Job
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import compiled, order, shop

OPERATIONS = '''
from jobpipe.operation import Event, operation


@operation()
def many(thing):
    """Return too many events."""
    return (thing, *[Event("x", {"n": n}) for n in range(thing["n"])])


@operation()
def large(thing):
    """Return a large event."""
    return thing, Event("x", {"text": "x" * thing["n"]})


@operation()
def odd(thing):
    """Return what is no event."""
    return thing, "x"


@operation()
def ended(thing):
    """Return an event of the service."""
    return thing, Event("ended", {})
'''


@cache
def things() -> Registry:
    """Two collections of the same operations; one of them is named as the service names its own events."""
    folder = Path(mkdtemp(prefix="emitting-")) / "collections"
    for name in ("job", "things"):
        (folder / name).mkdir(parents=True)
        (folder / name / "collection.toml").write_text('title = "Thing"\n')
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        (folder / name / "schema.json").write_text(json.dumps(schema))
        (folder / name / "operations.py").write_text(OPERATIONS)
    return compiled(folder, "emitting")


@pytest.fixture
def stage() -> Pipeline:
    return Pipeline(registry=shop(), event_queue=MemoryEvents())


def paid(stage: Pipeline, number: str = "A-1") -> str:
    item_id = stage.do("POST", "/orders", order(number))["item_id"]
    stage.do("POST", f"/orders/{item_id}/pay", {"invoice": int(number[2:])})
    return str(item_id)


def row_of(stage: Pipeline, job: Any) -> Job:
    return stage.jobs.rows[job["id"]]


def emitted(job: Job) -> list[tuple[str, Any]]:
    return [(each.event_type, json.loads(each.data)) for each in decode_emitted(job.emitted_events, job.collection)]


def test_events_are_stored_with_the_job_that_changes_the_document(stage: Pipeline) -> None:
    item_id = paid(stage)
    shipped = stage.do("POST", f"/orders/{item_id}/ship", {"carrier": "dhl"})
    assert emitted(row_of(stage, shipped)) == [("orders.shipped", {"number": "A-1", "carrier": "dhl"})]
    assert shipped["result"]["status"] == "shipped"
    others = [row for row in stage.jobs.rows.values() if row.job_id != shipped["id"]]
    assert [row.emitted_events for row in others] == [None, None], (
        "operations that return only a document have none"
    )


def test_the_job_does_not_show_them(stage: Pipeline) -> None:
    item_id = paid(stage)
    shown = stage.do("POST", f"/orders/{item_id}/ship", {"carrier": "dhl"})
    without = stage.do("PATCH", f"/orders/{item_id}", {"note": "x"})
    assert shown.keys() == without.keys()


def test_a_stage_without_events_stores_none() -> None:
    stage = Pipeline(registry=shop())
    shipped = stage.do("POST", f"/orders/{paid(stage)}/ship", {"carrier": "dhl"})
    assert (shipped["status"], row_of(stage, shipped).emitted_events) == ("succeeded", None)


def test_a_refused_operation_has_none_and_its_retry_has_its_own(stage: Pipeline) -> None:
    item_id = stage.do("POST", "/orders", order())["item_id"]
    failed = stage.do("POST", f"/orders/{item_id}/ship", {"carrier": "dhl"})
    assert (failed["status"], row_of(stage, failed).emitted_events) == ("failed", None)
    first = row_of(stage, failed).generation
    stage.do("POST", f"/orders/{item_id}/pay", {"invoice": 1})
    stage.request("POST", f"/jobs/{failed['id']}/retry")
    stage.drain()
    again = row_of(stage, failed)
    assert emitted(again) == [("orders.shipped", {"number": "A-1", "carrier": "dhl"})]
    assert again.generation != first, "its events have other ids than those of another attempt could have had"


def test_operations_beside_and_between_other_commands(stage: Pipeline) -> None:
    """In one batch: the commands around them are committed together, and the ends are told in their order."""
    one, other = paid(stage, "A-1"), paid(stage, "A-2")
    assert stage.event_queue is not None
    stage.event_queue.told.clear()
    sent = [
        stage.request("PATCH", f"/orders/{one}", {"note": "1"}).json,
        stage.request("POST", f"/orders/{other}/ship", {"carrier": "ups"}).json,
        stage.request("PATCH", f"/orders/{one}", {"note": "2"}).json,
        stage.request("POST", f"/orders/{one}/ship", {"carrier": "dhl"}).json,
        stage.request("PATCH", f"/orders/{one}", {"note": "3"}).json,
    ]
    stage.work()
    assert not stage.queue.waiting
    kinds = [[kind for kind, _ in emitted(row_of(stage, each))] for each in sent]
    assert kinds == [[], ["orders.shipped"], [], ["orders.shipped"], []]
    told = {tuple(each.job.job_id for each in jobs) for _, jobs in stage.event_queue.told}
    assert told == {(sent[1]["id"],), tuple(sent[n]["id"] for n in (0, 2, 3, 4))}
    stage.check_consistent()


@pytest.mark.parametrize("told", [True, False], ids=["events on", "events off"])
@pytest.mark.parametrize(
    ("collection", "operation", "number", "why"),
    [
        ("things", "many", 11, "The operation many returned 11 events; it may return 10."),
        ("things", "large", 40_000, "The events of the operation large must have at most 32768 bytes together."),
        ("things", "odd", 0, "The operation odd returned something other than events after the document."),
        (
            "job",
            "ended",
            0,
            "The operation ended returned the event 'ended', whose type job.ended is reserved",
        ),
    ],
)
def test_events_that_cannot_be_told_fail_the_job(
    collection: str, operation: str, number: int, why: str, told: bool
) -> None:
    """The job fails whether the stage has events or not, so that turning them on changes no outcome."""
    stage = Pipeline(registry=things(), event_queue=MemoryEvents() if told else None)
    item_id = stage.do("POST", f"/{collection}", {"n": number})["item_id"]
    before = stage.request("GET", f"/{collection}/{item_id}").text
    job = stage.do("POST", f"/{collection}/{item_id}/{operation}")
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["error"]["detail"].startswith(why)
    assert stage.request("GET", f"/{collection}/{item_id}").text == before
    stage.check_consistent()


def test_as_many_and_as_large_events_as_there_may_be() -> None:
    stage = Pipeline(registry=things(), event_queue=MemoryEvents())
    for operation, number, count in (("many", 10, 10), ("many", 0, 0), ("large", 32_000, 1), ("ended", 0, 1)):
        item_id = stage.do("POST", "/things", {"n": number})["item_id"]
        job = stage.do("POST", f"/things/{item_id}/{operation}")
        assert (job["status"], len(emitted(row_of(stage, job)))) == ("succeeded", count)
