"""P10: a message is acknowledged only when the end of its job is on the queue of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import Unavailable, UndecodableMessage
from jobpipe.domain.events.ended_jobs import EndedJob, decode_ended, deduplication_id, encode_ended
from jobpipe.domain.job_ref import JobRef
from tests.helpers.job_states import LARGE, LONG, unavailable
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import shop, subscription
from worker_lambda.chalicelib.announce import announce, make_announcer
from worker_lambda.chalicelib.command_consumer import command_consumer
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.dead_letters import dead_letter_consumer
from worker_lambda.chalicelib.sqs_messages import Delivery


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
        consumer = replace(consumer, announce=make_announcer(self.events))
        records = self.pipeline.queue.receive()
        answer = consume_batch(records, consumer)
        self.pipeline.queue.acknowledge(records, answer)
        return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}

    def told(self) -> list[str]:
        return [each.job.job_id for _, ended in self.events.told for each in ended]


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
    by_group = {group: [each.job.job_id for each in ended] for group, ended in telling.events.told}
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


@pytest.mark.parametrize("text", ["", LONG, LARGE], ids=["small", "kept as a claim check", "claim check"])
@pytest.mark.parametrize("path", ["/items", "/batches"])
def test_a_job_that_was_cancelled_before_its_message_was_sent_is_told_when_its_request_is_repeated(
    telling: Telling, monkeypatch: pytest.MonkeyPatch, path: str, text: str
) -> None:
    command = {"operation": "create", "item": {**item("a"), "text": text}}
    body = command["item"] if path == "/items" else {"commands": [command]}
    pipeline, key = telling.pipeline, {"idempotency-key": "k"}
    with monkeypatch.context() as outage:
        for method in ("send", "send_batch"):
            outage.setattr(pipeline.queue, method, unavailable)
        assert pipeline.request("POST", path, body, headers=key).status == 503
    (job_id,) = pipeline.jobs.rows
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
    repeated = pipeline.request("POST", path, body, headers=key)
    shown = repeated.json if path == "/items" else repeated.json["entries"][0]["job"]
    assert (repeated.status, shown["id"], shown["status"]) == (202, job_id, "cancelled")
    telling.work()
    assert telling.told() == [job_id]
    pipeline.check_consistent()


def test_a_large_command_that_is_cancelled_while_its_request_is_repeated_is_told(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, body, key = telling.pipeline, {**item("a"), "text": LARGE}, {"idempotency-key": "k"}
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", unavailable)
        assert pipeline.request("POST", "/items", body, headers=key).status == 503
    (job_id,) = pipeline.jobs.rows
    keys = pipeline.documents.keys

    def cancelled_meanwhile(prefix: str) -> list[str]:
        pipeline.request("DELETE", f"/jobs/{job_id}")
        return keys(prefix)

    monkeypatch.setattr(pipeline.documents, "keys", cancelled_meanwhile)
    assert pipeline.request("POST", "/items", body, headers=key).status == 202
    telling.work()
    assert telling.told() == [job_id]
    pipeline.check_consistent()


def test_a_job_that_is_cancelled_while_its_message_cannot_be_sent_is_answered_with_503(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = telling.pipeline

    def cancelled_meanwhile(*_: Any) -> None:
        (job_id,) = pipeline.jobs.rows
        assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
        raise Unavailable("SQS did not answer.")

    monkeypatch.setattr(pipeline.queue, "send", cancelled_meanwhile)
    assert pipeline.request("POST", "/items", item("a")).status == 503
    pipeline.check_consistent()


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
    ((_, (told,)),) = telling.events.told
    assert (told.job.job_id, told.item) == (job["id"], ItemRef("items", "", job["item_id"]))
    assert len(telling.pipeline.parked.messages) == 2


@pytest.mark.parametrize(
    "item_id",
    ["", ',"item_id":7', ',"item_id":"i","collection":"orders","scope":7', ',"item_id":"i","collection":[]'],
)
def test_the_end_of_an_unreadable_command_that_names_no_document_is_told(item_id: str) -> None:
    events = MemoryEvents()
    body = f'{{"v":1,"job_id":"8f14","generation":"00"{item_id}}}'
    message = Delivery("m", body, 1, "r", "g", now(), "", "arn")
    assert announce([[message]], events) == [True]
    assert events.told == [("g", [EndedJob(JobRef("8f14", "00"))])]


@pytest.mark.parametrize("scope", ["", "alice"])
def test_the_end_of_an_unreadable_command_is_told_with_the_document_that_it_names(scope: str) -> None:
    events = MemoryEvents()
    body = f'{{"v":9,"job_id":"8f14","generation":"00","item_id":"i","collection":"orders","scope":"{scope}"}}'
    message = Delivery("m", body, 1, "r", "g", now(), "", "arn")
    assert announce([[message]], events) == [True]
    assert events.told == [("g", [EndedJob(JobRef("8f14", "00"), ItemRef("orders", scope, "i"))])]


def test_a_stage_without_events_makes_no_call_more() -> None:
    assert make_announcer(None) is None
    assert Pipeline().command_consumer().announce is None


def test_the_document_of_an_end_is_told_with_it() -> None:
    """Its lines can be woken when the job has expired."""
    telling = Telling(Pipeline(registry=shop()))
    job = telling.accept("POST", "/items", item("a"))
    kept = telling.accept("POST", "/subscriptions", subscription())
    assert telling.work() == set()
    told = {each.job.job_id: each.item for _, ended in telling.events.told for each in ended}
    assert told == {
        job["id"]: ItemRef("items", "", job["item_id"]),
        kept["id"]: ItemRef("subscriptions", "alice", kept["item_id"]),
    }


def test_a_message_of_ended_jobs_can_be_read_back() -> None:
    items = [ItemRef("items", "", "9b74"), ItemRef("orders", "alice", 'é"\uffff\ud800\n'), None]
    ended = [EndedJob(JobRef(f"8f1{n}", "00"), item) for n, item in enumerate(items)]
    assert decode_ended(encode_ended(ended)) == ended
    assert encode_ended(ended).isascii()
    assert deduplication_id(ended) == deduplication_id(ended)
    assert deduplication_id(ended) != deduplication_id(ended[::-1])
    assert len(deduplication_id(ended)) <= 128


def test_a_message_of_an_earlier_release_is_read_too() -> None:
    assert decode_ended('{"v":1,"jobs":[["8f14","00"]]}') == [EndedJob(JobRef("8f14", "00"))]


@pytest.mark.parametrize("items", ["[]", "{}", "[7]", '[["items",""]]', '[["items","",7]]', "[null,null]", "null"])
def test_a_message_whose_items_are_none_is_refused(items: str) -> None:
    with pytest.raises(UndecodableMessage):
        decode_ended(f'{{"v":1,"jobs":[["8f14","00"]],"items":{items}}}')
