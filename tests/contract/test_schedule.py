"""The schedule in memory and on the emulator: what is due, in which order, and what becomes of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import cast

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.scheduled import MOST_COUNTED, SHARDS, DueEntry, add_message, last_place_at
from jobpipe.domain.ports import Schedule, ScheduledCount
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.jobs.dynamodb_schedule import DynamoDbSchedule
from jobpipe.stores.jobs.dynamodb_scheduled_count import DynamoDbScheduledCount
from tests.contract.stores import NOW, Stores
from tests.helpers.memory import RETENTION
from tests.helpers.memory.jobs import MemoryJobs, MemorySchedule, MemoryScheduledCount

HOUR = timedelta(hours=1)
OWNER = ""


def schedule_of(stores: Stores) -> Schedule:
    if isinstance(stores.jobs, MemoryJobs):
        return MemorySchedule(stores.jobs)
    jobs = cast("DynamoDbJobs", stores.jobs)
    return DynamoDbSchedule(jobs._clients, jobs._table)


def count_of(stores: Stores, most: int = MOST_COUNTED) -> ScheduledCount:
    if isinstance(stores.jobs, MemoryJobs):
        return MemoryScheduledCount(stores.jobs, most)
    jobs = cast("DynamoDbJobs", stores.jobs)
    return DynamoDbScheduledCount(jobs._clients, jobs._table, most)


@pytest.fixture(autouse=True)
def _own_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test have an owner of its own, since all use one table."""
    monkeypatch.setattr(f"{__name__}.OWNER", f"owner-{uuid.uuid4().hex}")


def put(stores: Stores, hours: float, item_id: str = "i", position: int = 0, *, large: bool = False) -> Job:
    if_match = f'"{"a" * 20_000}"' if large else None
    command = DeleteItem(item_id, if_match, not_before=rfc3339(NOW + hours * HOUR))
    job = add_message(new_job(command, OWNER, None, NOW, RETENTION), command, "request", position)
    assert stores.jobs.put_new(job, NOW) is None
    return job


def listed(schedule: Schedule, hours: float, limit: int = 100) -> list[str]:
    """Return the owner's jobs that are due in so many hours, shard after shard, read page by page."""
    found: list[str] = []
    for shard in SHARDS:
        after: DueEntry | None = None
        while True:
            page = schedule.due(shard, "0", last_place_at(NOW + hours * HOUR), limit, after)
            found += [entry.job_id for entry in page.entries]
            after = page.last
            if after is None:
                break
    jobs = [schedule.jobs([job_id]).get(job_id) for job_id in found]
    return [job.job_id for job in jobs if job is not None and job.owner == OWNER]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_one_documents_jobs_are_due_by_time_and_then_by_acceptance(stores: Stores, limit: int) -> None:
    schedule = schedule_of(stores)
    third, first, second = put(stores, 3), put(stores, 1, position=4), put(stores, 1, position=12)
    assert listed(schedule, 3, limit) == [first.job_id, second.job_id, third.job_id]
    assert listed(schedule, 2, limit) == [first.job_id, second.job_id]
    assert listed(schedule, 0.5, limit) == []


def test_a_job_is_read_as_it_was_stored(stores: Stores) -> None:
    jobs = {job.job_id: job for job in (put(stores, 1), put(stores, 1, "other", large=True))}
    assert schedule_of(stores).jobs([*jobs, "0" * 32]) == jobs
    assert {job_id: stores.jobs.get(job_id) for job_id in jobs} == jobs


@pytest.mark.parametrize("large", [False, True])
def test_a_released_job_is_queued_and_leaves_the_schedule(stores: Stores, large: bool) -> None:
    schedule, job = schedule_of(stores), put(stores, 1, large=large)
    at = NOW + 2 * HOUR
    assert schedule.mark_queued(job, at)
    stored = stores.jobs.get(job.job_id)
    assert stored is not None
    assert (stored.status, stored.updated_at) == (Status.QUEUED, rfc3339(at))
    assert (stored.waiting is not None) == large, "its command is still in the bucket"
    assert not schedule.mark_queued(job, at)
    schedule.forget(job)
    schedule.forget(job)
    assert listed(schedule, 3) == []
    stores.jobs.fail(job.ref, {"status": 404}, at)
    assert not stores.jobs.list_jobs(OWNER, Status.SCHEDULED, 10, None, at).jobs


def test_a_job_that_ended_before_its_mark_stays_as_it_is(stores: Stores) -> None:
    schedule, job = schedule_of(stores), put(stores, 1)
    stores.jobs.fail(job.ref, {"status": 404}, NOW + 2 * HOUR)
    assert not schedule.mark_queued(job, NOW + 3 * HOUR)
    assert listed(schedule, 3) == [job.job_id], "what it needed for waiting must be deleted"
    schedule.forget(job)
    stored = stores.jobs.get(job.job_id)
    assert stored is not None
    assert (stored.status, stored.updated_at, stored.waiting) == (Status.FAILED, rfc3339(NOW + 2 * HOUR), None)
    assert [each.job_id for each in stores.jobs.list_jobs(OWNER, Status.FAILED, 10, None, NOW).jobs] == [job.job_id]


@pytest.mark.parametrize("make_due", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_a_cancelled_job_leaves_the_schedule_or_is_due_in_it(stores: Stores, large: bool, make_due: bool) -> None:
    schedule, job = schedule_of(stores), put(stores, 5, large=large)
    cancelled = stores.jobs.cancel(job.ref, NOW, make_due=make_due)
    assert cancelled.status is Status.CANCELLED
    assert listed(schedule, 0) == ([job.job_id] if make_due else [])
    schedule.forget(cancelled)
    assert listed(schedule, 9) == []
    with pytest.raises(JobEnded):
        stores.jobs.cancel(job.ref, NOW)


def test_scheduled_jobs_are_listed_with_their_times(stores: Stores) -> None:
    jobs = [put(stores, hours, f"item {hours}") for hours in (1, 2)]
    found = stores.jobs.list_jobs(OWNER, Status.SCHEDULED, 10, None, NOW).jobs
    assert [(job.job_id, job.status, job.not_before) for job in found] == [
        (job.job_id, Status.SCHEDULED, job.not_before) for job in reversed(jobs)
    ]
    assert not stores.jobs.list_jobs("bob", Status.SCHEDULED, 10, None, NOW).jobs
    stores.jobs.begin_attempt(jobs[0].ref, 0, NOW)
    stores.jobs.record_interruption(jobs[0].ref, {"status": 503}, 0, 1, NOW)
    left = stores.jobs.list_jobs(OWNER, Status.SCHEDULED, 10, None, NOW).jobs
    assert [job.job_id for job in left] == [jobs[1].job_id]


def test_jobs_that_wait_are_counted_in_all_shards(stores: Stores) -> None:
    schedule, before = schedule_of(stores), count_of(stores).read()
    jobs = [put(stores, 1 + number, f"item-{number}", large=number % 2 == 0) for number in range(20)]
    assert len({job.waiting.shard for job in jobs if job.waiting is not None}) > 1
    assert count_of(stores).read() == before + 20
    ended = new_job(DeleteItem("i"), OWNER, None, NOW, RETENTION)
    assert stores.jobs.put_new(ended, NOW) is None
    assert count_of(stores).read() == before + 20, "a job without a time does not wait"
    stores.jobs.cancel(jobs[1].ref, NOW)
    assert schedule.mark_queued(jobs[3], NOW)
    assert count_of(stores).read() == before + 18


def test_no_more_are_counted_than_are_shown(stores: Stores) -> None:
    for number in range(3):
        put(stores, 1, f"item-{number}")
    assert count_of(stores, 2).read() == 2
