"""A batch of messages: what runs in parallel, when messages are redelivered, and what happens if time is short."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.limits import (
    BACKOFF_JITTER,
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    MAX_RECEIVE_COUNT,
    QUEUE_RETENTION,
    call_timeout,
    reserve,
)
from tests.helpers.job_states import accept, item, unavailable
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.pipeline import Pipeline
from worker_lambda.chalicelib.consume_batch import backoff_seconds, consume_batch
from worker_lambda.chalicelib.consumer import Consumer
from worker_lambda.chalicelib.sqs_messages import Delivery, NotAnSqsEvent, sqs_records


def test_redelivered_messages_run_alone_and_after_new_ones() -> None:
    running: list[str] = []
    order: list[str] = []

    def process(delivery: Delivery) -> None:
        running.append(delivery.message_id)
        if delivery.receive_count > 1:
            assert running == [delivery.message_id]
        order.append(delivery.message_id)
        running.remove(delivery.message_id)

    def record(name: str, receives: int) -> dict[str, Any]:
        attributes = {"MessageGroupId": name[0], "ApproximateReceiveCount": str(receives)}
        return {"messageId": name, "receiptHandle": name, "body": "", "attributes": attributes}

    charged = {"a1": 3, "b1": 0, "d1": 1}
    consumer = Consumer(process, lambda one: charged[one.message_id], MemoryQueue(), 1.0, lambda: 30.0)
    records = [record("a1", 9), record("b1", 2), record("b2", 1), record("c1", 1), record("d1", 2), record("e1", 1)]
    assert consume_batch(records, consumer) == {"batchItemFailures": []}
    assert sorted(order[:2]) == ["c1", "e1"]
    assert order[2:] == ["b1", "b2", "d1", "a1"]


def test_a_message_without_a_group_is_logged_and_stays_in_its_queue(
    pipeline: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    """Such messages come from a standard queue that was made an event source by mistake."""
    accept(pipeline, item("a"))
    accept(pipeline, item("b"))
    stray, good = pipeline.queue.receive()
    del stray["attributes"]["MessageGroupId"]
    stray["eventSourceARN"] = "arn:aws:sqs:us-east-1:000000000000:jobpipe-test-parked"
    before = [entry[0] for entry in pipeline.queue.waiting]
    for consumer in (pipeline.command_consumer(), pipeline.dead_letter_consumer()):
        answer = consume_batch([stray, good], consumer)
        assert answer == {"batchItemFailures": [{"itemIdentifier": stray["messageId"]}]}
    assert pipeline.parked.messages == []
    assert pipeline.queue.postponed == []
    assert [entry[0] for entry in pipeline.queue.waiting] == before
    logged = [record for record in caplog.records if "without a group" in record.getMessage()]
    assert [(record.levelname, vars(record)["queue"].rpartition(":")[2]) for record in logged] == [
        ("ERROR", "jobpipe-test-parked")
    ] * 2
    assert sorted(job.status for job in pipeline.jobs.rows.values()) == [Status.QUEUED, Status.SUCCEEDED]


@pytest.mark.parametrize("event", [{}, {"key1": "value1"}, {"Records": "x"}, {"Records": [{"Sns": {}}]}])
def test_an_event_that_is_not_from_sqs_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(NotAnSqsEvent, match="SQS"):
        sqs_records(event)


def test_dead_letters_are_processed_in_parallel_whatever_their_receive_counts(pipeline: Pipeline) -> None:
    """On emulators the receive count of a dead letter continues from the command queue."""
    together = threading.Barrier(3, timeout=20)
    ids = [accept(pipeline, item(name)) for name in ("a", "b", "c")]
    pipeline.queue.waiting = [(i, e, MAX_RECEIVE_COUNT) for i, e, _ in pipeline.queue.waiting]
    fail = pipeline.jobs.fail

    def waits_for_the_others(*arguments: Any, **named: Any) -> None:
        together.wait()
        fail(*arguments, **named)

    pipeline.jobs.fail = waits_for_the_others  # type: ignore[method-assign]
    assert pipeline.end_dead_letters() == {"batchItemFailures": []}
    assert {pipeline.jobs.rows[job_id].status for job_id in ids} == {Status.FAILED}


def test_a_backoff_counts_interruptions_and_not_receives(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.request("POST", "/items", item("x"))
    pipeline.context.milliseconds = 1
    for _ in range(12):
        pipeline.work()
    pipeline.context.milliseconds = 29_000
    pipeline.queue.postponed.clear()
    monkeypatch.setattr(pipeline.documents, "put", unavailable)
    pipeline.work()
    pipeline.work()
    assert [seconds for _, seconds in pipeline.queue.postponed] == [1, 2]


def test_errors_in_ordering_and_postponing_do_not_stop_the_batch(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        pipeline.request("POST", "/items", item(name))
    pipeline.queue.waiting = [(i, e, 1) for i, e, _ in pipeline.queue.waiting]

    def broken(*_: object) -> Any:
        raise KeyError("owner")

    monkeypatch.setattr(pipeline.queue, "postpone", broken)
    monkeypatch.setattr(pipeline.jobs, "get", broken)
    assert len(pipeline.work()["batchItemFailures"]) == 3


def test_a_failed_message_and_those_behind_it_are_redelivered_together_with_growing_delays(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = pipeline.do("POST", "/items", item("x"))["item_id"]
    for i in range(2):
        pipeline.request("PUT", f"/items/{item_id}", {"n": i})

    def out(*_: object) -> Any:
        raise Unavailable("no")

    monkeypatch.setattr(pipeline.items, "apply", out)
    waits: list[int] = []
    for _ in range(5):
        pipeline.queue.postponed.clear()
        pipeline.work()
        (_, first), (_, second) = pipeline.queue.postponed
        assert first == second
        waits.append(first)
    assert waits[0] == 1
    assert all(earlier < later for earlier, later in itertools.pairwise(waits))


@given(st.integers(1, MAX_RECEIVE_COUNT))
def test_a_backoff_doubles_up_to_a_limit(receives: int) -> None:
    full = min(FIRST_BACKOFF.total_seconds() * 2 ** min(receives - 1, 40), LONGEST_BACKOFF.total_seconds())
    assert max(1, round(full * (1 - BACKOFF_JITTER))) <= backoff_seconds(receives) <= max(1, full)


def test_no_outage_within_the_retention_makes_a_dead_letter() -> None:
    least = LONGEST_BACKOFF * (1 - BACKOFF_JITTER)
    doublings = 12  # until the longest is reached
    assert (MAX_RECEIVE_COUNT - doublings) * least > QUEUE_RETENTION


@pytest.mark.parametrize("seconds", [5, 10, 20, 30, 60])
def test_a_call_that_hangs_and_its_recording_fit_into_the_reserve(seconds: float) -> None:
    three_tries = 3 * call_timeout(seconds)
    note = three_tries if seconds >= 10 else 1.0
    assert three_tries + note <= reserve(seconds) < seconds


def test_when_the_time_is_short_the_other_messages_return_at_once_without_an_attempt(pipeline: Pipeline) -> None:
    ids = [pipeline.request("POST", "/items", item(f"{i}")).json["id"] for i in range(3)]
    pipeline.context.milliseconds = int(pipeline.reserve_seconds * 1000) - 1
    for _ in range(20):
        assert len(pipeline.work()["batchItemFailures"]) == 3
    assert {seconds for _, seconds in pipeline.queue.postponed} == {1}
    assert all(pipeline.jobs.rows[job_id].attempts == 0 for job_id in ids)
    assert all(pipeline.jobs.rows[job_id].running_attempt is None for job_id in ids)
    pipeline.context.milliseconds = 29_000
    pipeline.drain()
    assert all(pipeline.jobs.rows[job_id].status is Status.SUCCEEDED for job_id in ids)


def test_the_time_left_is_checked_before_each_command() -> None:
    left = iter([30.0, 10.0, 0.5, 0.1])
    done: list[str] = []
    attributes = {"MessageGroupId": "g", "ApproximateReceiveCount": "1"}
    records = [
        {"messageId": f"m{i}", "receiptHandle": f"r{i}", "body": "", "attributes": attributes} for i in range(4)
    ]
    queue = MemoryQueue()
    consumer = Consumer(lambda one: done.append(one.message_id), lambda _: 0, queue, 1.0, lambda: next(left))
    answer = consume_batch(records, consumer)
    assert done == ["m0", "m1"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
