"""Commands take effect once and in order, names stay unique, and documents are consistent, with any redelivery."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobpipe.domain.errors import ItemChanged, Unavailable
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Status
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.pipeline import Pipeline
from tests.helpers.stored import document_key
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.consumer import Consumer
from worker_lambda.chalicelib.sqs_messages import Delivery

GOOD = {"name": "Tent", "description": "For two"}


def record(message_id: str, group: str, receive_count: int = 1) -> dict[str, Any]:
    attributes = {"MessageGroupId": group, "ApproximateReceiveCount": str(receive_count)}
    return {"messageId": message_id, "receiptHandle": f"r-{message_id}", "body": "", "attributes": attributes}


def consume(records: list[dict[str, Any]], process: Callable[[Delivery], None]) -> dict[str, Any]:
    """Process a batch with enough time, none of whose messages was attempted before."""
    return consume_batch(records, Consumer(process, lambda _: 0, MemoryQueue(), 1.0, lambda: 30.0))


class Fails:
    """Wraps a method so that its nth call raises, before or after its effect."""

    def __init__(self, method: Any, error: Exception, *, call: int = 1, after: bool = False) -> None:
        self.method, self.error, self.call, self.after, self.calls = method, error, call, after, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == self.call:
            if self.after:
                self.method(*args, **kwargs)
            raise self.error
        return self.method(*args, **kwargs)


def test_after_a_failure_later_commands_of_the_item_wait_and_other_items_continue() -> None:
    done: list[str] = []

    def process(delivery: Any) -> None:
        if delivery.message_id == "a2":
            raise Unavailable("no")
        done.append(delivery.message_id)

    records = [record("a1", "a"), record("b1", "b"), record("a2", "a"), record("a3", "a"), record("b2", "b")]
    answer = consume(records, process)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "a2"}, {"itemIdentifier": "a3"}]}
    assert sorted(done) == ["a1", "b1", "b2"]
    assert done.index("b1") < done.index("b2")


def test_items_of_a_batch_run_in_parallel() -> None:
    all_here = threading.Barrier(10, timeout=5)

    def process(_: Delivery) -> None:
        all_here.wait()

    answer = consume([record(f"m{i}", f"g{i}") for i in range(10)], process)
    assert answer == {"batchItemFailures": []}


def test_commands_of_an_item_take_effect_in_order(pipeline: Pipeline) -> None:
    item_id = pipeline.do("POST", "/items", GOOD)["item_id"]
    for i in range(25):
        pipeline.request("PATCH", f"/items/{item_id}", {"last": i, f"seen{i}": True})
    pipeline.drain()
    item = pipeline.request("GET", f"/items/{item_id}").json
    assert item["last"] == 24
    assert all(item[f"seen{i}"] for i in range(25))
    pipeline.check_consistent()


COMMANDS: list[tuple[str, str, Any]] = [
    ("POST", "/items", {**GOOD, "name": "New"}),
    ("POST", "/items", GOOD),  # the name is taken
    ("PUT", "/items/{id}", {"x": 1}),
    ("PUT", "/items/{id}", {"name": "Renamed"}),
    ("PATCH", "/items/{id}", {"x": None}),
    ("DELETE", "/items/{id}", None),
    ("PUT", "/items/nope", {"x": 1}),
    ("POST", "/jobs", {"operation": "read", "item_id": "nope"}),
]


@pytest.mark.parametrize(("method", "target", "body"), COMMANDS)
def test_a_redelivered_command_changes_nothing(pipeline: Pipeline, method: str, target: str, body: Any) -> None:
    item_id = pipeline.do("POST", "/items", GOOD)["item_id"]
    pipeline.request(method, target.format(id=item_id), body)
    again = list(pipeline.queue.waiting)
    pipeline.drain()
    before = pipeline.state()
    pipeline.queue.waiting = again
    pipeline.drain()
    assert pipeline.state() == before
    pipeline.check_consistent()


@pytest.mark.parametrize("receive_count", [0, 1])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("store", "name"),
    [
        ("documents", "put"),
        ("items", "get"),
        ("items", "commit"),
        ("jobs", "fail"),
        ("jobs", "succeed"),
        ("documents", "delete"),
    ],
)
@pytest.mark.parametrize(("method", "target", "body"), COMMANDS)
def test_a_failed_call_causes_only_another_delivery(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    target: str,
    body: Any,
    store: str,
    name: str,
    after: bool,
    receive_count: int,
) -> None:
    other = Pipeline()
    for one in (pipeline, other):
        item_id = one.do("POST", "/items", {**GOOD, "x": 0})["item_id"]
        one.request(method, target.format(id=item_id), body)
    # The reference: what happens when nothing fails.
    other.drain()
    target_store = getattr(pipeline, store)
    monkeypatch.setattr(target_store, name, Fails(getattr(target_store, name), Unavailable("no"), after=after))
    pipeline.queue.waiting = [(i, e, n + receive_count) for i, e, n in pipeline.queue.waiting]
    pipeline.drain()
    pipeline.check_consistent()

    def documents(one: Pipeline) -> list[Any]:
        return sorted(text for text in one.documents.current.values())

    def outcomes(one: Pipeline) -> list[Any]:
        return [(j.operation, j.status, (j.error or {}).get("status")) for j in one.jobs.rows.values()]

    assert documents(pipeline) == documents(other)
    assert outcomes(pipeline) == outcomes(other)


def test_an_item_that_changed_after_it_was_read_is_read_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = pipeline.do("POST", "/items", GOOD)["item_id"]
    monkeypatch.setattr(pipeline.items, "commit", Fails(pipeline.items.commit, ItemChanged()))
    assert pipeline.do("PUT", f"/items/{item_id}", {"x": 1})["result"]["x"] == 1
    pipeline.check_consistent()


def test_the_result_of_a_read_stays_readable_after_an_update(pipeline: Pipeline) -> None:
    """A repeated put arrived last, and the bucket has deleted the version that the item's row names."""
    large = {**GOOD, "text": "x" * 2000}
    item_id = pipeline.do("POST", "/items", large)["item_id"]
    row = pipeline.items.rows[item_id].document
    text = pipeline.documents.versions.pop((row.key, row.version_id))
    pipeline.documents.put(row.key, text)
    read = pipeline.do("POST", "/jobs", {"operation": "read", "item_id": item_id})
    assert pipeline.do("PUT", f"/items/{item_id}", {"text": ""})["status"] == "succeeded"
    assert row.key not in pipeline.documents.current
    assert pipeline.request("GET", f"/jobs/{read['id']}").json["result"]["text"] == large["text"]


def test_a_message_of_another_generation_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.request("POST", "/items", GOOD)
    (job,) = pipeline.jobs.rows.values()
    message_id, envelope, count = pipeline.queue.waiting[0]
    other_life = type(envelope)(
        envelope.body.replace(job.generation, "f" * 16), envelope.group_id, f"{job.job_id}:{'f' * 16}"
    )
    pipeline.queue.waiting = [("stale", other_life, 0), (message_id, envelope, count)]
    pipeline.work(most=1)
    assert pipeline.jobs.rows[job.job_id].status is Status.QUEUED
    assert not pipeline.items.rows
    assert not pipeline.documents.current
    pipeline.drain()
    assert pipeline.jobs.rows[job.job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_message_of_an_earlier_generation_deletes_no_document_of_the_current_one(pipeline: Pipeline) -> None:
    """The retry's document is put but not committed when the earlier message is delivered."""
    pipeline.request("POST", "/items", GOOD)
    stale = list(pipeline.queue.waiting)
    (job,) = pipeline.jobs.rows.values()
    live = replace(job, generation="f" * 16)
    pipeline.jobs.rows[job.job_id] = live
    put = pipeline.documents.put(document_key(job.item_id, live.ref, "v1"), "{}")
    pipeline.queue.waiting = stale
    pipeline.drain()
    assert list(pipeline.documents.current) == [put.key]
    assert pipeline.jobs.rows[job.job_id] == live


def test_a_late_message_of_an_expired_job_changes_nothing(pipeline: Pipeline) -> None:
    pipeline.request("POST", "/items", GOOD)
    copy = list(pipeline.queue.waiting)
    pipeline.drain()
    pipeline.jobs.rows.clear()  # what TTL does
    before = pipeline.state()
    pipeline.queue.waiting = copy
    pipeline.drain()
    assert pipeline.state() == before, "the committed document stayed"


def test_a_late_worker_cannot_hide_a_committed_document(pipeline: Pipeline) -> None:
    """Two workers have the same message, as after a visibility time-out; the slow one puts its document last."""
    pipeline.request("POST", "/items", GOOD)
    copy = list(pipeline.queue.waiting)
    put = pipeline.documents.put
    committed: list[str] = []

    def slow_put(key: str, text: str) -> Any:
        if not committed:
            committed.append(key)
            pipeline.work()  # the other worker overtakes this one here
        return put(key, text)

    pipeline.documents.put = slow_put  # type: ignore[method-assign]
    pipeline.work()
    pipeline.documents.put = put  # type: ignore[method-assign]
    pipeline.queue.waiting = copy
    pipeline.drain()
    (item,) = pipeline.items.rows.values()
    assert item.document.key in pipeline.documents.current
    pipeline.check_consistent()


def test_a_message_that_is_no_command_is_parked_with_the_reason(pipeline: Pipeline) -> None:
    pipeline.request("POST", "/items", GOOD)
    _, good, _ = pipeline.queue.waiting[0]
    pipeline.queue.waiting.insert(0, ("junk", type(good)("junk", "other-group", "x"), 0))
    assert pipeline.work() == {"batchItemFailures": []}
    ((body, about),) = pipeline.parked.messages
    assert body == "junk"
    assert "not valid JSON" in about.pop("reason")
    assert about == {"source": "commands", "group_id": "other-group", "message_id": "junk"}
    assert len(pipeline.items.rows) == 1


def test_a_merge_patch_cannot_make_a_document_too_large(pipeline: Pipeline) -> None:
    item_id = pipeline.do("POST", "/items", GOOD)["item_id"]
    jobs = [pipeline.do("PATCH", f"/items/{item_id}", {f"part{i}": "x" * 190_000}) for i in range(6)]
    assert [job["status"] for job in jobs] == ["succeeded"] * 5 + ["failed"]
    assert jobs[-1]["error"]["status"] == 413
    pipeline.check_consistent()


def test_a_job_has_the_number_of_its_attempts(pipeline: Pipeline) -> None:
    job = pipeline.do("POST", "/items", GOOD)
    assert job["attempts"] == 1
    ref = JobRef(job["id"], pipeline.jobs.rows[job["id"]].generation)
    assert ref.job_id in pipeline.jobs.rows
