"""P8: what is charged to a command and what is not, who runs beside whom, and when a message comes again."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.errors import Unavailable
from jobpipe.job import Job, Status
from jobpipe.limits import (
    BACKOFF_JITTER,
    FIRST_BACKOFF,
    LONGEST_BACKOFF,
    MAX_ATTEMPTS,
    MAX_RECEIVE_COUNT,
    QUEUE_RETENTION,
    call_timeout,
    reserve,
)
from tests.lives import unavailable
from tests.memory import MemoryQueue
from tests.pipeline import Pipeline
from worker_lambda.chalicelib.consume_batch import Delivery, Handling, backoff_seconds, consume_batch


class Killed(BaseException):
    """The process is gone: nothing that catches exceptions sees it."""


def item(name: str) -> dict[str, Any]:
    return {"name": name, "description": "d"}


def kills(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, marker: str) -> list[str]:
    """Make the worker die at every put of a document with the marker; returns the puts, to be counted."""
    put, runs = pipeline.documents.put, []

    def deadly(key: str, text: str) -> Any:
        runs.append(text)
        if marker in text:
            raise Killed
        return put(key, text)

    monkeypatch.setattr(pipeline.documents, "put", deadly)
    return runs


def work(pipeline: Pipeline) -> None:
    """A batch by a worker that may die, after which all of it comes again."""
    with contextlib.suppress(Killed):
        pipeline.work()


def jobs_by_name(pipeline: Pipeline, ids: dict[str, str]) -> dict[str, Job]:
    return {name: pipeline.jobs.rows[job_id] for name, job_id in ids.items()}


@pytest.mark.parametrize("place", [0, 5, 9])
def test_a_command_that_kills_its_worker_ends_at_five_attempts_and_its_neighbours_succeed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    names = [f"good {i}" for i in range(9)]
    names.insert(place, "poison")
    ids = {name: pipeline.request("POST", "/items", item(name)).json["id"] for name in names}
    runs = kills(pipeline, monkeypatch, "poison")
    deliveries = 0
    while pipeline.queue.waiting:
        work(pipeline)
        deliveries += 1
        assert deliveries < 20
    jobs = jobs_by_name(pipeline, ids)
    poison = jobs.pop("poison")
    assert poison.status is Status.FAILED
    assert poison.error is not None
    assert poison.error["type"].endswith(":attempts-spent")
    assert poison.attempts == MAX_ATTEMPTS
    assert sum("poison" in text for text in runs) == MAX_ATTEMPTS + 1, "the first receive is not recorded"
    assert all(job.status is Status.SUCCEEDED for job in jobs.values())
    assert all(job.attempts == 1 for job in jobs.values()), "neighbours are not charged"
    pipeline.check_consistent()


def test_neighbours_wait_for_two_deaths_at_most(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {name: pipeline.request("POST", "/items", item(name)).json["id"] for name in ("poison", "a", "b")}
    kills(pipeline, monkeypatch, "poison")
    for _ in range(3):
        work(pipeline)
    jobs = jobs_by_name(pipeline, ids)
    assert jobs["a"].status is jobs["b"].status is Status.SUCCEEDED, "the least attempted run first"
    assert jobs["poison"].status is Status.QUEUED


def test_what_is_done_does_not_come_back_with_what_kills_the_worker(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their items' later commands would wait for it, at every death."""
    for name in ("poison", "a", "b"):
        pipeline.request("POST", "/items", item(name))
    kills(pipeline, monkeypatch, "poison")
    work(pipeline)
    assert len(pipeline.queue.waiting) == 3
    for _ in range(2):
        work(pipeline)
    pipeline.request("POST", "/items", item("c"))
    work(pipeline)
    assert len(pipeline.queue.waiting) == 1
    assert "poison" in pipeline.queue.waiting[0][1].body


def test_what_came_again_runs_alone_and_after_what_is_here_for_the_first_time() -> None:
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
    handling = Handling(process, lambda one: charged[one.message_id], MemoryQueue(), 1.0, lambda: 30.0)
    records = [record("a1", 9), record("b1", 2), record("b2", 1), record("c1", 1), record("d1", 2), record("e1", 1)]
    assert consume_batch(records, handling) == {"batchItemFailures": []}
    assert sorted(order[:2]) == ["c1", "e1"]
    assert order[2:] == ["b1", "b2", "d1", "a1"]


@pytest.mark.parametrize("times", [1, 20])
def test_an_outage_is_not_charged_and_the_job_says_retrying(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]
    with monkeypatch.context() as outage:

        def out(*_: object) -> Any:
            raise Unavailable("The documents bucket did not answer.")

        outage.setattr(pipeline.documents, "put", out)
        for _ in range(times):
            assert pipeline.work() == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
        job = pipeline.request("GET", f"/jobs/{job_id}").json
        assert (job["status"], job["done"], job["attempts"]) == ("retrying", False, 0)
        assert job["error"]["detail"] == "The documents bucket did not answer."
        assert job_id in [each["id"] for each in pipeline.request("GET", "/jobs?status=retrying").json]
    pipeline.drain()
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["attempts"]) == ("succeeded", 1)
    assert "error" not in job
    assert pipeline.request("GET", "/jobs?status=retrying").json == []
    pipeline.check_consistent()


def test_a_fault_of_ours_is_an_attempt_and_the_fifth_ends_the_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]

    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline.documents, "put", broken)
    for attempt in range(1, MAX_ATTEMPTS):
        pipeline.work()
        job = pipeline.request("GET", f"/jobs/{job_id}").json
        assert (job["status"], job["attempts"]) == ("retrying", attempt)
        assert job["error"]["type"].endswith(":internal-error")
    assert pipeline.work() == {"batchItemFailures": []}
    job = pipeline.request("GET", f"/jobs/{job_id}").json
    assert (job["status"], job["attempts"]) == ("failed", MAX_ATTEMPTS)
    assert job["error"]["type"].endswith(":attempts-spent")
    pipeline.check_consistent()


def test_an_outage_while_an_interruption_is_noted_only_delays(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]
    with monkeypatch.context() as outage:

        def out(*_: object) -> Any:
            raise Unavailable("no")

        outage.setattr(pipeline.documents, "put", out)
        outage.setattr(pipeline.jobs, "hold", out)
        outage.setattr(pipeline.queue, "postpone", out)
        assert pipeline.work() == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


@pytest.mark.parametrize("outages", [1, 4])
def test_an_outage_that_is_hard_to_note_is_noted_in_the_end(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, outages: int
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]
    monkeypatch.setattr("worker_lambda.chalicelib.execute.time.sleep", lambda _: None)
    for _ in range(2 * MAX_ATTEMPTS):
        with monkeypatch.context() as outage:
            outage.setattr(pipeline.items, "commit", unavailable)
            hold, left = pipeline.jobs.hold, iter(range(outages))

            def seldom(*args: Any, hold: Any = hold, left: Any = left) -> None:
                if next(left, None) is not None:
                    raise Unavailable("no")
                hold(*args)

            outage.setattr(pipeline.jobs, "hold", seldom)
            pipeline.work()
    assert pipeline.jobs.rows[job_id].attempts == 0
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


def test_an_outage_does_not_make_a_death_forgotten(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = pipeline.request("POST", "/items", item("poison")).json["id"]
    kills(pipeline, monkeypatch, "poison")
    for _ in range(2):
        work(pipeline)
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.jobs, "begin_attempt", unavailable)
        work(pipeline)
    assert pipeline.jobs.rows[job_id].attempts == 1


@pytest.mark.parametrize("outage", ["fail", "begin_attempt"])
def test_an_outage_between_the_last_death_and_the_end_counts_nothing_twice(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, outage: str
) -> None:
    job_id = pipeline.request("POST", "/items", item("poison")).json["id"]
    kills(pipeline, monkeypatch, "poison")
    while pipeline.queue.waiting:
        with monkeypatch.context() as away:
            away.setattr(pipeline.jobs, outage, unavailable)
            work(pipeline)
        work(pipeline)
    job = pipeline.jobs.rows[job_id]
    assert (job.status, job.attempts) == (Status.FAILED, MAX_ATTEMPTS)


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


def test_trouble_in_ordering_and_postponing_costs_nobody_his_turn(
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


def test_a_message_that_failed_and_those_behind_it_come_again_together_and_later_each_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = pipeline.do("POST", "/items", item("x"))["item_id"]
    for i in range(2):
        pipeline.request("PUT", f"/items/{item_id}", {"n": i})

    def out(*_: object) -> Any:
        raise Unavailable("no")

    monkeypatch.setattr(pipeline.items, "commit", out)
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
def test_a_backoff_doubles_up_to_the_longest(receives: int) -> None:
    full = min(FIRST_BACKOFF.total_seconds() * 2 ** min(receives - 1, 40), LONGEST_BACKOFF.total_seconds())
    assert max(1, round(full * (1 - BACKOFF_JITTER))) <= backoff_seconds(receives) <= max(1, full)


def test_no_outage_that_the_queue_outlives_makes_a_dead_letter() -> None:
    least = LONGEST_BACKOFF * (1 - BACKOFF_JITTER)
    doublings = 12  # until the longest is reached
    assert (MAX_RECEIVE_COUNT - doublings) * least > QUEUE_RETENTION


@pytest.mark.parametrize("seconds", [5, 10, 20, 30, 60])
def test_a_call_that_hangs_and_the_note_of_it_fit_into_the_workers_time(seconds: float) -> None:
    three_tries = 3 * call_timeout(seconds)
    note = three_tries if seconds >= 10 else 1.0
    assert three_tries + note <= reserve(seconds) < seconds


def test_when_the_time_is_short_the_rest_goes_back_at_once_and_unattempted(pipeline: Pipeline) -> None:
    ids = [pipeline.request("POST", "/items", item(f"{i}")).json["id"] for i in range(3)]
    pipeline.context.milliseconds = int(pipeline.reserve_seconds * 1000) - 1
    for _ in range(20):
        assert len(pipeline.work()["batchItemFailures"]) == 3
    assert {seconds for _, seconds in pipeline.queue.postponed} == {1}
    assert all(pipeline.jobs.rows[job_id].attempts == 0 for job_id in ids)
    assert all(pipeline.jobs.rows[job_id].began is None for job_id in ids)
    pipeline.context.milliseconds = 29_000
    pipeline.drain()
    assert all(pipeline.jobs.rows[job_id].status is Status.SUCCEEDED for job_id in ids)


def test_the_time_is_looked_at_before_each_command() -> None:
    left = iter([30.0, 10.0, 0.5, 0.1])
    done: list[str] = []
    attributes = {"MessageGroupId": "g", "ApproximateReceiveCount": "1"}
    records = [
        {"messageId": f"m{i}", "receiptHandle": f"r{i}", "body": "", "attributes": attributes} for i in range(4)
    ]
    queue = MemoryQueue()
    handling = Handling(lambda one: done.append(one.message_id), lambda _: 0, queue, 1.0, lambda: next(left))
    answer = consume_batch(records, handling)
    assert done == ["m0", "m1"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m2"}, {"itemIdentifier": "m3"}]}
