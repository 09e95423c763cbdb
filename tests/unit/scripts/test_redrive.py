"""A redrive's choice of jobs, and its counts, also after Ctrl-C or an outage."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import AttemptsSpent, NameTaken, Unavailable
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_rows import job_to_row
from scripts.redrive.__main__ import Redrive, retry_all
from scripts.redrive.selection import Failed, Filter, Selection, reason_of, reasons, select
from tests.helpers.memory.queues import MemoryQueue
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import shop


class InterruptedQueue(MemoryQueue):
    """A queue that calls `interrupt` when the second message is sent."""

    interrupt: Callable[[], object]

    def send(self, envelope: Envelope) -> None:
        if self.sent == 1:
            self.interrupt()
        super().send(envelope)


def failed_jobs(pipeline: Pipeline, count: int) -> Listed:
    body = {"name": "taken", "description": "d"}
    pipeline.do("POST", "/items", body)
    jobs = [pipeline.jobs.rows[pipeline.do("POST", "/items", body)["id"]] for _ in range(count)]
    return Listed(Failed(job.job_id, job.generation, reason_of(job), job.operation) for job in jobs)


class Listed(Selection):
    """A selection of these jobs."""

    def __init__(self, failed: Iterable[Failed]) -> None:
        self.failed = list(failed)

    def __len__(self) -> int:
        return len(self.failed)

    def left(self, retried: int, skipped: int) -> int:
        return len(self) - retried - skipped

    def chosen(self, skipped: Callable[[], int] = int) -> Iterator[Failed]:
        return iter(self.failed)


def redrive(pipeline: Pipeline, interrupt: Callable[[], object], wanted: Filter | None = None) -> Redrive:
    queue = InterruptedQueue()
    queue.interrupt = interrupt
    return Redrive(pipeline.jobs, pipeline.documents, queue, wanted or Filter(), "test")


def queued(pipeline: Pipeline) -> int:
    return sum(job.status is Status.QUEUED for job in pipeline.jobs.rows.values())


def test_ctrl_c_stops_after_the_job_under_way(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    jobs = failed_jobs(pipeline, 5)
    status = retry_all(Console(), redrive(pipeline, lambda: signal.raise_signal(signal.SIGINT)), jobs)
    output = capsys.readouterr()
    assert status == 130
    assert output.err == "interrupted\n"
    assert "retried: 2\n" in output.out
    assert "left:    3" in output.out
    assert queued(pipeline) == 2
    assert signal.getsignal(signal.SIGINT) is before


def test_an_outage_ends_the_run_with_the_counts_so_far(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    def outage() -> None:
        raise Unavailable("The command queue did not answer.")

    with pytest.raises(Unavailable):
        retry_all(Console(), redrive(pipeline, outage), failed_jobs(pipeline, 5))
    assert "retried: 1\n" in capsys.readouterr().out
    assert queued(pipeline) == 1


def test_each_job_is_read_again_before_its_retry(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = failed_jobs(pipeline, 5).failed
    pipeline.request("POST", f"/jobs/{jobs[0].job_id}/retry")  # waits
    pipeline.request("POST", f"/jobs/{jobs[1].job_id}/retry")
    pipeline.request("DELETE", f"/jobs/{jobs[1].job_id}")  # cancelled
    del pipeline.jobs.rows[jobs[2].job_id]
    stale = Failed(jobs[3].job_id, "ab" * 8, "name-taken", "create")  # it has failed again since
    assert retry_all(Console(), redrive(pipeline, int), Listed([*jobs[:3], stale, jobs[4]])) == 0
    output = capsys.readouterr().out
    for line in ("retried: 1", "1  already queued", "1  cancelled meanwhile", "1  expired", "1  failed meanwhile"):
        assert line in output


@given(st.sets(st.sampled_from(["reason", "since", "until", "operation", "owner", "item", "collection"])))
def test_a_job_matches_when_every_filter_does(wrong: set[str]) -> None:
    pipeline = Pipeline()
    (failed,) = failed_jobs(pipeline, 1).failed
    job = pipeline.jobs.rows[failed.job_id]
    past, future = datetime(2001, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    wanted = Filter(
        reasons=(AttemptsSpent.slug,) if "reason" in wrong else (AttemptsSpent.slug, NameTaken.slug),
        since=future if "since" in wrong else past,
        until=past if "until" in wrong else future,
        operation="delete" if "operation" in wrong else "create",
        owner="bob" if "owner" in wrong else "alice",
        item="other" if "item" in wrong else job.item_id,
        collection="orders" if "collection" in wrong else "items",
    )
    assert wanted.matches(job) == (not wrong)
    assert Filter().matches(job)


def test_since_is_inclusive_and_until_is_not(pipeline: Pipeline) -> None:
    (failed,) = failed_jobs(pipeline, 1).failed
    job = pipeline.jobs.rows[failed.job_id]
    moment = datetime.fromisoformat(job.updated_at)
    assert Filter(since=moment).matches(job)
    assert not Filter(until=moment).matches(job)


def test_every_problem_is_a_reason() -> None:
    assert {"attempts-spent", "internal-error", "name-taken", "unavailable"} <= set(reasons())


# --- the selection and its order ----------------------------------------------------------------------------------


class Index:
    """A client of DynamoDB whose index shows the failed jobs of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._jobs = pipeline.jobs

    @property
    def dynamodb(self) -> Index:
        return self

    def get_paginator(self, _: str) -> Index:
        return self

    def paginate(self, **asked: object) -> Iterator[Any]:
        rows = [job_to_row(job) for job in self._jobs.rows.values() if job.status is Status.FAILED]
        for row in rows:
            row.pop("scope", None)  # the index does not have it
        yield {"Items": rows if asked["IndexName"] == "lists" else []}


def test_jobs_are_chosen_by_their_collection() -> None:
    pipeline = Pipeline(registry=shop())
    items = {failed.job_id for failed in failed_jobs(pipeline, 3).failed}
    orders = {
        str(pipeline.do("POST", f"/orders/{'0' * 32}/ship", {"carrier": "dhl"})["id"]),
        str(pipeline.do("DELETE", f"/orders/{'0' * 32}")["id"]),
    }
    clients = cast("AwsClients", Index(pipeline))

    def chosen(wanted: Filter) -> set[str]:
        with select(clients, "jobs", wanted, now()) as selection:
            return {failed.job_id for failed in selection.chosen()}

    assert chosen(Filter(collection="orders")) == orders
    assert chosen(Filter(collection="items")) == items
    assert chosen(Filter()) == items | orders
    (shipped,) = chosen(Filter(collection="orders", operation="ship"))
    failed = Failed(shipped, pipeline.jobs.rows[shipped].generation, "not-found", "ship")
    assert redrive(pipeline, int, Filter(collection="items")).retry(failed) == "failed meanwhile"
    assert redrive(pipeline, int, Filter(collection="orders")).retry(failed) is None


def test_limited_runs_make_progress_although_their_jobs_fail_again(pipeline: Pipeline) -> None:
    """A retry keeps the time of acceptance and changes the time of failure."""
    ids = [failed.job_id for failed in failed_jobs(pipeline, 5).failed]
    start = datetime(2026, 11, 22, 20, tzinfo=UTC)
    for n, job_id in enumerate(ids):
        at = rfc3339(start + timedelta(seconds=n))
        pipeline.jobs.write(replace(pipeline.jobs.rows[job_id], created_at=at, updated_at=at))
    # The first was accepted first and failed last.
    pipeline.jobs.write(replace(pipeline.jobs.rows[ids[0]], updated_at=rfc3339(start + timedelta(seconds=9))))
    clients, seen = cast("AwsClients", Index(pipeline)), []
    for run in range(3):
        with select(clients, "jobs", Filter(), now(), limit=2) as selection:
            chosen = [failed.job_id for failed in selection.chosen()]
            assert sum(n for *_, n in selection.counts()) == len(selection) == 2
        for job_id in chosen:
            again = rfc3339(start + timedelta(minutes=1 + run))
            pipeline.jobs.write(replace(pipeline.jobs.rows[job_id], updated_at=again))
        seen.append(chosen)
    assert seen[:2] == [ids[1:3], ids[3:5]]
    assert seen[2][0] == ids[0], "the first accepted of the chosen jobs"


def test_skipped_jobs_do_not_use_up_the_limit(pipeline: Pipeline, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [failed.job_id for failed in failed_jobs(pipeline, 6).failed]
    for n, job_id in enumerate(ids):
        job = replace(pipeline.jobs.rows[job_id], updated_at=rfc3339(now() + timedelta(seconds=n)))
        pipeline.jobs.write(replace(job, kept=None) if n in {0, 1, 3} else job)
    with select(cast("AwsClients", Index(pipeline)), "jobs", Filter(), now(), limit=2) as selection:
        assert retry_all(Console(), redrive(pipeline, int), selection) == 0
    output = capsys.readouterr().out
    assert "2 failed jobs;" in output
    assert "retried: 2\n" in output
    assert "skipped: 3" in output
    assert "left" not in output
    assert [pipeline.jobs.rows[job_id].status is Status.QUEUED for job_id in ids] == [
        False,
        False,
        True,
        False,
        True,
        False,
    ]


def test_a_limited_run_that_is_stopped_reports_how_many_jobs_are_left(
    pipeline: Pipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    for failed in failed_jobs(pipeline, 6).failed[:1]:
        job = pipeline.jobs.rows[failed.job_id]
        pipeline.jobs.write(replace(job, kept=None, created_at="2001", updated_at="2001"))
    with select(cast("AwsClients", Index(pipeline)), "jobs", Filter(), now(), limit=4) as selection:
        stopped = redrive(pipeline, lambda: signal.raise_signal(signal.SIGINT))
        assert retry_all(Console(), stopped, selection) == 130
    output = capsys.readouterr().out
    assert "retried: 2\n" in output
    assert "left:    2" in output


def test_without_a_limit_jobs_are_retried_in_the_order_of_acceptance(pipeline: Pipeline) -> None:
    ids = [failed.job_id for failed in failed_jobs(pipeline, 3).failed]
    for n, job_id in enumerate(ids):
        created, failed = (rfc3339(now() + timedelta(seconds=seconds)) for seconds in (n, -n))
        pipeline.jobs.write(replace(pipeline.jobs.rows[job_id], created_at=created, updated_at=failed))
    with select(cast("AwsClients", Index(pipeline)), "jobs", Filter(), now()) as selection:
        assert [failed.job_id for failed in selection.chosen()] == ids


# --- concurrent retries -------------------------------------------------------------------------------------------


class OvertakenQueue(MemoryQueue):
    """A queue that calls `interrupt` after a message is sent, before the job is marked as queued."""

    interrupt: Callable[[Envelope], object]

    def send(self, envelope: Envelope) -> None:
        super().send(envelope)
        self.interrupt(envelope)


def overtaken(pipeline: Pipeline, interrupt: Callable[[Envelope], object]) -> str | None:
    (failed,) = failed_jobs(pipeline, 1).failed
    queue = OvertakenQueue()
    queue.interrupt = interrupt
    return Redrive(pipeline.jobs, pipeline.documents, queue, Filter(), "test").retry(failed)


def test_a_job_that_another_retry_queued_is_not_counted(pipeline: Pipeline) -> None:
    def retry(envelope: Envelope) -> None:
        job_id = decode_message(envelope.body).job.job_id
        assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202

    assert overtaken(pipeline, retry) == "retried by another request"


def test_a_job_that_the_worker_has_ended_already_is_counted(pipeline: Pipeline) -> None:
    def work(envelope: Envelope) -> None:
        pipeline.queue.send(envelope)
        pipeline.drain()

    assert overtaken(pipeline, work) is None


def test_a_job_that_expires_before_it_is_marked_is_not_counted(pipeline: Pipeline) -> None:
    def expire(envelope: Envelope) -> None:
        job_id = decode_message(envelope.body).job.job_id
        pipeline.jobs.write(replace(pipeline.jobs.rows[job_id], expires_at=1000))

    assert overtaken(pipeline, expire) == "expired"
