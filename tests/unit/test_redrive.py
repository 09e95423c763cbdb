"""A redrive that is interrupted, by Ctrl-C or by an outage, says what it has done."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobpipe.errors import AttemptsSpent, NameTaken, Unavailable
from jobpipe.job import Status
from jobpipe.queue_message import Envelope
from scripts.redrive import Redrive, retry_all
from scripts.redrive_selection import Failed, Filter, reason_of, reasons
from tests.memory import MemoryQueue
from tests.pipeline import Pipeline


class InterruptedQueue(MemoryQueue):
    """Something happens when the second message is sent."""

    happens: Callable[[], object]

    def send(self, envelope: Envelope) -> None:
        if self.sent == 1:
            self.happens()
        super().send(envelope)


def failed_jobs(pipeline: Pipeline, count: int) -> list[Failed]:
    body = {"name": "taken", "description": "d"}
    pipeline.do("POST", "/items", body)
    jobs = [pipeline.jobs.rows[pipeline.do("POST", "/items", body)["id"]] for _ in range(count)]
    return [Failed(job.job_id, job.generation, reason_of(job), job.operation) for job in jobs]


def redrive(pipeline: Pipeline, happens: Callable[[], object], wanted: Filter | None = None) -> Redrive:
    queue = InterruptedQueue()
    queue.happens = happens
    return Redrive(pipeline.jobs, pipeline.documents, queue, wanted or Filter(), "test")


def queued(pipeline: Pipeline) -> int:
    return sum(job.status is Status.QUEUED for job in pipeline.jobs.rows.values())


def test_ctrl_c_stops_after_the_job_under_way(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    jobs = failed_jobs(pipeline, 5)
    status = retry_all(Console(), redrive(pipeline, lambda: signal.raise_signal(signal.SIGINT)), jobs)
    said = capsys.readouterr()
    assert status == 130
    assert said.err == "interrupted\n"
    assert "retried: 2\n" in said.out
    assert "left:    3" in said.out
    assert queued(pipeline) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_an_outage_stops_it_with_the_count_so_far(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    def outage() -> None:
        raise Unavailable("The command queue did not answer.")

    with pytest.raises(Unavailable):
        retry_all(Console(), redrive(pipeline, outage), failed_jobs(pipeline, 5))
    assert "retried: 1\n" in capsys.readouterr().out
    assert queued(pipeline) == 1


def test_each_job_is_read_afresh(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = failed_jobs(pipeline, 5)
    pipeline.request("POST", f"/jobs/{jobs[0].job_id}/retry")  # waits
    pipeline.request("POST", f"/jobs/{jobs[1].job_id}/retry")
    pipeline.request("DELETE", f"/jobs/{jobs[1].job_id}")  # cancelled
    del pipeline.jobs.rows[jobs[2].job_id]
    stale = Failed(jobs[3].job_id, "ab" * 8, "name-taken", "create")  # it failed anew since
    assert retry_all(Console(), redrive(pipeline, int), [*jobs[:3], stale, jobs[4]]) == 0
    said = capsys.readouterr().out
    for line in ("retried: 1", "1  waits already", "1  cancelled meanwhile", "1  expired", "1  failed meanwhile"):
        assert line in said


@given(st.sets(st.sampled_from(["reason", "since", "until", "operation", "owner", "item"])))
def test_a_job_matches_when_every_filter_does(wrong: set[str]) -> None:
    pipeline = Pipeline()
    (failed,) = failed_jobs(pipeline, 1)
    job = pipeline.jobs.rows[failed.job_id]
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    wanted = Filter(
        reasons=(AttemptsSpent.slug,) if "reason" in wrong else (AttemptsSpent.slug, NameTaken.slug),
        since=future if "since" in wrong else past,
        until=past if "until" in wrong else future,
        operation="delete" if "operation" in wrong else "create",
        owner="bob" if "owner" in wrong else "alice",
        item="other" if "item" in wrong else job.item_id,
    )
    assert wanted.matches(job) == (not wrong)
    assert Filter().matches(job)


def test_since_is_inclusive_and_until_is_not(pipeline: Pipeline) -> None:
    (failed,) = failed_jobs(pipeline, 1)
    job = pipeline.jobs.rows[failed.job_id]
    moment = datetime.fromisoformat(job.updated_at)
    assert Filter(since=moment).matches(job)
    assert not Filter(until=moment).matches(job)


def test_every_problem_is_a_reason() -> None:
    assert {"attempts-spent", "internal-error", "name-taken", "unavailable"} <= set(reasons())
