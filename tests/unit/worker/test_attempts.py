"""A command that kills its worker delays its own item only, and an outage of AWS is not charged to any command."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.limits import MAX_ATTEMPTS
from tests.helpers.job_states import item, unavailable
from tests.helpers.pipeline import Pipeline
from worker_lambda.chalicelib.attempts import Event, Step, next_step


class Killed(BaseException):
    """The process has died: no handler of exceptions runs."""


JOB = new_job(DeleteItem("i"), "alice", None, now(), timedelta(days=7))


@pytest.mark.parametrize(
    ("attempts", "running_attempt", "event", "recorded", "expected"),
    [
        (0, None, Event.REDELIVERED, False, (Step.RUN, 0)),
        (0, 1, Event.REDELIVERED, False, (Step.RUN, 1)),
        (4, 5, Event.REDELIVERED, False, (Step.GIVE_UP, 5)),
        (0, 1, Event.OUTAGE, True, (Step.RETRY, 0)),
        (0, 1, Event.OUTAGE, False, (Step.RETRY, 1)),
        (0, None, Event.FAULT, False, (Step.RETRY, 1)),
        (3, 4, Event.FAULT, True, (Step.RETRY, 4)),
        (4, 5, Event.FAULT, True, (Step.GIVE_UP, 5)),
    ],
)
def test_the_next_step_depends_on_the_job_and_the_event(
    attempts: int, running_attempt: int | None, event: Event, recorded: bool, expected: tuple[Step, int]
) -> None:
    job = replace(JOB, attempts=attempts, running_attempt=running_attempt)
    assert next_step(job, event, recorded=recorded) == expected


def kills(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, marker: str) -> list[str]:
    """Make the worker die at every put of a document with the marker; return the list of all puts."""
    put, runs = pipeline.documents.put, []

    def deadly(key: str, text: str) -> Any:
        runs.append(text)
        if marker in text:
            raise Killed
        return put(key, text)

    monkeypatch.setattr(pipeline.documents, "put", deadly)
    return runs


def work(pipeline: Pipeline) -> None:
    """Process a batch with a worker that may die, after which the whole batch is redelivered."""
    with contextlib.suppress(Killed):
        pipeline.work()


def jobs_by_name(pipeline: Pipeline, ids: dict[str, str]) -> dict[str, Job]:
    return {name: pipeline.jobs.rows[job_id] for name, job_id in ids.items()}


@pytest.mark.parametrize("place", [0, 5, 9])
def test_a_command_that_kills_its_worker_fails_after_five_attempts_and_its_neighbours_succeed(
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


def test_neighbours_wait_for_at_most_two_deaths(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {name: pipeline.request("POST", "/items", item(name)).json["id"] for name in ("poison", "a", "b")}
    kills(pipeline, monkeypatch, "poison")
    for _ in range(3):
        work(pipeline)
    jobs = jobs_by_name(pipeline, ids)
    assert jobs["a"].status is jobs["b"].status is Status.SUCCEEDED, "the least attempted commands run first"
    assert jobs["poison"].status is Status.QUEUED


def test_finished_messages_are_not_redelivered_when_the_next_command_kills_the_worker(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise later commands of their items would wait for them at every death."""
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


@pytest.mark.parametrize("times", [1, 20])
def test_an_outage_is_not_charged_and_the_job_is_retrying(
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


def test_a_fault_counts_as_an_attempt_and_the_fifth_ends_the_job(
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


def test_an_outage_while_an_interruption_is_recorded_only_delays_the_command(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]
    with monkeypatch.context() as outage:

        def out(*_: object, **__: object) -> Any:
            raise Unavailable("no")

        outage.setattr(pipeline.documents, "put", out)
        outage.setattr(pipeline.jobs, "record_interruption", out)
        outage.setattr(pipeline.queue, "postpone", out)
        assert pipeline.work() == {"batchItemFailures": [{"itemIdentifier": "m1"}]}
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


@pytest.mark.parametrize("outages", [1, 4])
def test_recording_an_outage_is_tried_several_times(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, outages: int
) -> None:
    job_id = pipeline.request("POST", "/items", item("x")).json["id"]
    monkeypatch.setattr("worker_lambda.chalicelib.execute.time.sleep", lambda _: None)
    for _ in range(2 * MAX_ATTEMPTS):
        with monkeypatch.context() as outage:
            outage.setattr(pipeline.items, "commit", unavailable)
            hold, left = pipeline.jobs.record_interruption, iter(range(outages))

            def seldom(*args: Any, hold: Any = hold, left: Any = left, **named: Any) -> None:
                if next(left, None) is not None:
                    raise Unavailable("no")
                hold(*args, **named)

            outage.setattr(pipeline.jobs, "record_interruption", seldom)
            pipeline.work()
    assert pipeline.jobs.rows[job_id].attempts == 0
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED


def test_the_death_of_a_worker_is_charged_despite_a_following_outage(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = pipeline.request("POST", "/items", item("poison")).json["id"]
    kills(pipeline, monkeypatch, "poison")
    for _ in range(2):
        work(pipeline)
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.jobs, "begin_attempt", unavailable)
        work(pipeline)
    assert pipeline.jobs.rows[job_id].attempts == 1


@pytest.mark.parametrize("outage", ["fail", "begin_attempt"])
def test_an_outage_after_the_last_death_does_not_charge_it_twice(
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
