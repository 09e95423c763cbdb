"""P10: a message is acknowledged only when the end of its job is on the queue of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.ended_jobs import decode_ended, deduplication_id, encode_ended
from jobpipe.domain.job_ref import JobRef
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.pipeline import Pipeline
from worker_lambda.chalicelib.announce import announcer
from worker_lambda.chalicelib.command_consumer import command_consumer
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.dead_letters import dead_letter_consumer


@dataclass
class Telling:
    """A pipeline whose worker tells the ends of jobs."""

    pipeline: Pipeline = field(default_factory=Pipeline)
    events: MemoryEvents = field(default_factory=MemoryEvents)

    def accept(self, method: str, target: str, body: Any = None) -> Any:
        return self.pipeline.request(method, target, body).json

    def work(self, *, dead_letters: bool = False) -> set[str]:
        """Process a batch, and return the ids of the jobs whose messages are returned."""
        services = self.pipeline.worker_services()
        consumer = (dead_letter_consumer if dead_letters else command_consumer)(services, lambda: 29.0)
        consumer = replace(consumer, announce=announcer(self.events))
        records = self.pipeline.queue.receive()
        answer = consume_batch(records, consumer)
        self.pipeline.queue.acknowledge(records, answer)
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}

    def told(self) -> list[str]:
        return [job.job_id for _, jobs in self.events.told for job in jobs]


def item(name: str) -> dict[str, Any]:
    return {"name": name, "description": "d"}


@pytest.fixture
def telling() -> Telling:
    return Telling()


def test_the_ends_of_a_batch_are_told_in_one_call(telling: Telling) -> None:
    first, second = telling.accept("POST", "/items", item("a")), telling.accept("POST", "/items", item("b"))
    later = telling.accept("PATCH", f"/items/{first['item_id']}", {"n": 1})
    assert telling.work() == set()
    assert telling.events.calls == 1
    by_group = {group: [job.job_id for job in jobs] for group, jobs in telling.events.told}
    assert by_group == {first["item_id"]: [first["id"], later["id"]], second["item_id"]: [second["id"]]}


def test_what_is_not_confirmed_is_delivered_again_with_all_behind_it(telling: Telling) -> None:
    first, other = telling.accept("POST", "/items", item("a")), telling.accept("POST", "/items", item("b"))
    telling.accept("PATCH", f"/items/{first['item_id']}", {"n": 1})
    telling.events.refused = {first["item_id"]}
    assert len(telling.work()) == 2
    assert telling.told() == [other["id"]]
    telling.events.refused = set()
    assert telling.work() == set()
    assert len(telling.told()) == 3
    assert telling.told()[1] == first["id"], "the redelivery finds its job ended, and tells it again"
    telling.pipeline.check_consistent()


def test_nothing_is_acknowledged_while_the_queue_of_events_is_down(telling: Telling) -> None:
    job = telling.accept("POST", "/items", item("a"))
    telling.events.is_down = True
    assert len(telling.work()) == 1
    assert telling.accept("GET", f"/jobs/{job['id']}")["status"] == "succeeded"
    assert telling.pipeline.queue.waiting, "the message is still there"
    telling.events.is_down = False
    assert telling.work() == set()
    assert telling.told() == [job["id"]]


def test_a_message_is_not_deleted_early_before_its_end_is_told(telling: Telling) -> None:
    """Done messages are deleted before a redelivered one runs, which may kill the worker."""
    redelivered = telling.accept("POST", "/items", item("a"))
    telling.pipeline.queue.receive()
    new = telling.accept("POST", "/items", item("b"))
    telling.events.refused = {new["item_id"]}
    deleted: list[str] = []
    delete = telling.pipeline.queue.delete

    def note(receipts: Sequence[str]) -> None:
        deleted.extend(receipts)
        delete(receipts)

    telling.pipeline.queue.delete = note  # type: ignore[method-assign]
    assert len(telling.work()) == 1
    assert telling.told() == [redelivered["id"]]
    assert deleted == []


def test_failed_and_cancelled_jobs_are_told_and_a_retried_one_is_not(telling: Telling) -> None:
    taken = telling.accept("POST", "/items", item("a"))
    refused = telling.accept("POST", "/items", item("a"))
    cancelled = telling.accept("POST", "/items", item("c"))
    telling.pipeline.request("DELETE", f"/jobs/{cancelled['id']}")
    assert telling.work() == set()
    assert sorted(telling.told()) == sorted([taken["id"], refused["id"], cancelled["id"]])


def test_an_interrupted_command_is_not_told(telling: Telling) -> None:
    telling.accept("POST", "/items", item("a"))
    put = telling.pipeline.documents.put

    def fail(key: str, text: str) -> Any:
        telling.pipeline.documents.put = put  # type: ignore[method-assign]
        raise Unavailable("The bucket did not answer.")

    telling.pipeline.documents.put = fail  # type: ignore[method-assign]
    assert len(telling.work()) == 1
    assert telling.events.told == []


def test_the_end_by_a_dead_letter_is_told(telling: Telling) -> None:
    job = telling.accept("POST", "/items", item("a"))
    assert telling.work(dead_letters=True) == set()
    assert telling.told() == [job["id"]]


def test_a_parked_message_of_no_job_is_acknowledged_and_one_of_a_job_is_told(telling: Telling) -> None:
    job = telling.accept("POST", "/items", item("a"))
    ((message_id, envelope, count),) = telling.pipeline.queue.waiting
    unreadable = replace(envelope, body=envelope.body.replace('"operation":"create"', '"operation":"unknown"'))
    garbage = replace(envelope, body="no command", group_id="g")
    telling.pipeline.queue.waiting = [(message_id, unreadable, count), ("m9", garbage, 0)]
    assert telling.work() == set()
    assert telling.told() == [job["id"]]
    assert len(telling.pipeline.parked.messages) == 2


def test_a_stage_without_events_makes_no_call_more() -> None:
    assert announcer(None) is None
    assert Pipeline().command_consumer().announce is None


def test_a_message_of_ended_jobs_can_be_read_back() -> None:
    jobs = [JobRef("8f14", "00"), JobRef("9a", "01")]
    assert decode_ended(encode_ended(jobs)) == jobs
    assert deduplication_id(jobs) == deduplication_id(jobs)
    assert deduplication_id(jobs) != deduplication_id(jobs[::-1])
    assert len(deduplication_id(jobs)) <= 128
