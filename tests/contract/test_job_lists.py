"""The list of an owner's jobs, read from several partitions, is complete and in order, even after a rollback."""

from __future__ import annotations

import secrets
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import Job, Status, Success, new_job
from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_rows import SHARDS, job_to_row, owner_shard, shards_of
from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.jobs.dynamodb_recent_jobs import DynamoDbRecentJobs
from scripts.redrive.selection import Filter, select
from tests.contract.stores import NOW, Stores, ref
from tests.helpers.memory import RETENTION
from tests.helpers.memory.jobs import MemoryJobs, MemoryRecentJobs

PROBLEM = {"type": "urn:jobpipe:problem:name-taken", "title": "t", "status": 409, "detail": "d"}


@pytest.fixture
def owner() -> str:
    return f"owner{secrets.token_hex(4)}"


def accepted(owner: str) -> Job:
    return new_job(DeleteItem("i"), owner, None, NOW, RETENTION)


def failed(stores: Stores, owner: str, at: datetime) -> tuple[str, str]:
    """Store a job that failed at this time; return the time and the job's id."""
    job = accepted(owner)
    stores.jobs.put_new(job, NOW)
    stores.jobs.fail(ref(job), PROBLEM, at)
    return rfc3339(at), job.job_id


def in_pages(stores: Any, owner: str, limit: int, status: Status = Status.FAILED) -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = stores.jobs.list_jobs(owner, status, limit, after, NOW)
        assert len(page.jobs) <= limit
        found += [job.job_id for job in page.jobs]
        after = page.next_after
        if after is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_a_list_is_in_the_order_of_times_and_ids_for_any_page_size(stores: Stores, owner: str, limit: int) -> None:
    """Many jobs fail at one time, so that a page ends among them, in one partition or in several."""
    times = [NOW + timedelta(seconds=second) for second in (0, 0, 0, 0, 1, 1, 2)]
    jobs = [failed(stores, owner, times[n % len(times)]) for n in range(40)]
    assert in_pages(stores, owner, limit) == [job_id for _, job_id in sorted(jobs, reverse=True)]


def test_the_jobs_of_an_owner_are_spread_evenly() -> None:
    counts = Counter(owner_shard("alice", secrets.token_hex(16)) for _ in range(4000))
    assert set(counts) == set(shards_of("alice"))
    assert len(counts) == SHARDS
    assert max(counts.values()) < 2 * 4000 / SHARDS


class Table:
    """The jobs table, for rows as other releases write them."""

    def __init__(self, aws: tuple[AwsClients, dict[str, str]]) -> None:
        self.clients, names = aws
        self.name = names["JobsTable"]
        self.jobs = DynamoDbJobs(self.clients, self.name, RETENTION)

    def put(self, job: Job, *without: str, **more: str) -> None:
        row = {name: value for name, value in job_to_row(job).items() if name not in without}
        row |= {name: {"S": value} for name, value in more.items()}
        self.clients.dynamodb.put_item(TableName=self.name, Item=row)

    def change(self, job: Job, **values: str) -> None:
        self.clients.dynamodb.update_item(
            TableName=self.name,
            Key={"job_id": {"S": job.job_id}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
            ExpressionAttributeNames={f"#{name}": name for name in values},
            ExpressionAttributeValues={f":{name}": {"S": value} for name, value in values.items()},
        )

    def row(self, job: Job) -> dict[str, Any]:
        key: Any = {"job_id": {"S": job.job_id}}
        return dict(self.clients.dynamodb.get_item(TableName=self.name, Key=key, ConsistentRead=True)["Item"])

    def selected_for_redrive(self, owner: str | None) -> set[str]:
        with select(self.clients, self.name, Filter(owner=owner), NOW) as selection:
            return {found.job_id for found in selection.chosen()}


@pytest.fixture
def table(aws: tuple[AwsClients, dict[str, str]]) -> Table:
    return Table(aws)


def failed_without_shard(table: Table, owner: str, at: datetime) -> Job:
    """Store a failed job as a release without shards does."""
    job = replace(accepted(owner), status=Status.FAILED, error=PROBLEM, updated_at=rfc3339(at))
    table.put(job, "owner_shard", trouble=f"failed#{rfc3339(at)}")
    return job


def test_jobs_that_failed_in_a_release_without_shards_are_listed(table: Table, owner: str) -> None:
    stores = Stores(table.jobs, *(None,) * 3)  # type: ignore[arg-type]
    order = []
    for second in range(6):
        at = NOW + timedelta(seconds=second)
        order.append(failed(stores, owner, at)[1] if second % 2 else failed_without_shard(table, owner, at).job_id)
    for limit in (1, 2, 100):
        assert in_pages(table, owner, limit) == order[::-1]
    assert set(order) == table.selected_for_redrive(owner) & table.selected_for_redrive(None)


@pytest.mark.parametrize("status", [Status.FAILED, Status.RETRYING])
def test_jobs_that_a_release_without_shards_accepted_are_listed_when_they_fail(
    table: Table, owner: str, status: Status
) -> None:
    job = accepted(owner)
    table.put(job, "owner_shard")
    if status is Status.FAILED:
        table.jobs.fail(ref(job), PROBLEM, NOW)
        assert table.selected_for_redrive(owner) == {job.job_id}
    else:
        table.jobs.record_interruption(ref(job), PROBLEM, 0, 1, NOW)
    assert in_pages(table, owner, 10, status) == [job.job_id]


def test_a_job_that_was_retrying_in_a_release_without_shards_is_listed_once(table: Table, owner: str) -> None:
    job = replace(accepted(owner), status=Status.RETRYING, error=PROBLEM)
    table.put(job, "owner_shard", trouble=f"retrying#{rfc3339(NOW)}")
    assert in_pages(table, owner, 10, Status.RETRYING) == [job.job_id]
    table.jobs.record_interruption(ref(job), PROBLEM, 0, 1, NOW + timedelta(seconds=1))
    assert in_pages(table, owner, 10, Status.RETRYING) == [job.job_id]
    table.jobs.fail(ref(job), PROBLEM, NOW + timedelta(seconds=2))
    assert in_pages(table, owner, 10, Status.RETRYING) == []
    assert in_pages(table, owner, 10) == [job.job_id]


def test_stale_entries_after_a_rollback_are_not_listed(table: Table, owner: str) -> None:
    """An earlier release does not update the new index when it changes a job."""
    stores = Stores(table.jobs, *(None,) * 3)  # type: ignore[arg-type]
    jobs = []
    for _ in range(2):
        job = accepted(owner)
        stores.jobs.put_new(job, NOW)
        stores.jobs.fail(ref(job), PROBLEM, NOW)
        jobs.append(job)
    later = rfc3339(NOW + timedelta(seconds=5))
    table.change(jobs[0], status="succeeded", updated_at=later)
    table.change(jobs[1], status="failed", updated_at=later, trouble=f"failed#{later}")
    for limit in (1, 10):
        assert in_pages(table, owner, limit) == [jobs[1].job_id]
    assert table.selected_for_redrive(owner) == {jobs[1].job_id}


def test_a_job_that_is_no_longer_retrying_has_no_entry(table: Table, owner: str) -> None:
    for end in ("succeed", "cancel", "requeue"):
        job = accepted(owner)
        table.put(job, trouble=f"retrying#{rfc3339(NOW)}")
        table.jobs.record_interruption(ref(job), PROBLEM, 0, 1, NOW)
        assert table.row(job).keys() >= {"listed", "owner_shard"}
        match end:
            case "succeed":
                table.jobs.succeed(ref(job), Success(), NOW)
            case "cancel":
                table.jobs.cancel(ref(job), NOW)
            case _:
                table.jobs.fail(ref(job), PROBLEM, NOW)
                table.jobs.requeue(JobRef(job.job_id, "d" * 16), job.generation, NOW)
        assert table.row(job).keys() & {"listed", "trouble", "owner_shard"} == {"owner_shard"}


def test_the_jobs_of_a_batch_have_shards(table: Table, owner: str) -> None:
    batch_id, expires_at = f"batch-{secrets.token_hex(16)}", int((NOW + RETENTION).timestamp())
    batch = Batch(batch_id, owner, "f", secrets.token_hex(8), 1, {}, 1, rfc3339(NOW), expires_at)
    job = accepted(owner)
    assert DynamoDbBatches(table.clients, table.name).put_new(batch, [job], NOW) is None
    assert table.row(job)["owner_shard"] == {"S": owner_shard(owner, job.job_id)}


# --- the list of all jobs -----------------------------------------------------------------------------------------


@pytest.fixture
def recent(stores: Stores, request: pytest.FixtureRequest) -> Any:
    if isinstance(stores.jobs, MemoryJobs):
        return MemoryRecentJobs(stores.jobs)
    clients, names = request.getfixturevalue("aws")
    return DynamoDbRecentJobs(clients, names["JobsTable"])


def all_pages(recent: Any, owner: str, wanted: JobFilter, limit: int) -> list[Job]:
    found: list[Job] = []
    after = None
    while True:
        page = recent.page(owner, wanted, limit, after, NOW)
        found += page.jobs
        if (after := page.next_after) is None:
            return found


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_all_jobs_are_listed_in_the_order_of_acceptance(
    stores: Stores, recent: Any, owner: str, limit: int
) -> None:
    times = [rfc3339(NOW + timedelta(milliseconds=n // 3)) for n in range(12)]
    jobs = [replace(accepted(owner), created_at=time, updated_at=time) for time in times]
    for job in jobs:
        stores.jobs.put_new(job, NOW)
    stores.jobs.put_new(accepted(f"{owner}2"), NOW)
    stores.jobs.fail(ref(jobs[0]), PROBLEM, NOW)
    stores.jobs.cancel(ref(jobs[5]), NOW)
    stores.jobs.succeed(ref(jobs[7]), Success(result="{}", result_version="v"), NOW)
    order = sorted(jobs, key=lambda job: (job.created_at, job.job_id), reverse=True)
    listed = all_pages(recent, owner, EVERY_JOB, limit)
    assert [job.job_id for job in listed] == [job.job_id for job in order]
    assert {job.job_id: job.status for job in listed if job.status is not Status.QUEUED} == {
        jobs[0].job_id: Status.FAILED,
        jobs[5].job_id: Status.CANCELLED,
        jobs[7].job_id: Status.SUCCEEDED,
    }
    assert all(job.result is None and job.kept is None for job in listed)
    between = JobFilter(since=times[3], until=times[9], status=Status.QUEUED)
    assert [job.job_id for job in all_pages(recent, owner, between, limit)] == [
        job.job_id for job in order if times[3] <= job.created_at < times[9] and job not in (jobs[5], jobs[7])
    ]
    assert all_pages(recent, owner, JobFilter(since=times[9], until=times[3]), limit) == []


def test_a_failed_job_of_another_collection_is_listed_with_its_collection(
    stores: Stores, recent: Any, owner: str
) -> None:
    jobs = [replace(accepted(owner), collection=name) for name in ("items", "orders")]
    for job in jobs:
        stores.jobs.put_new(job, NOW)
        stores.jobs.fail(ref(job), PROBLEM, NOW)
    for job in jobs:
        wanted = JobFilter(Status.FAILED, job.collection)
        page = stores.jobs.list_jobs(owner, Status.FAILED, 10, None, NOW, job_filter=wanted)
        assert [(each.job_id, each.collection) for each in page.jobs] == [(job.job_id, job.collection)]
        assert [each.job_id for each in all_pages(recent, owner, wanted, 10)] == [job.job_id]
        stored = stores.jobs.get(job.job_id)
        assert stored is not None
        assert (stored.collection, stored.fingerprint) == (job.collection, job.fingerprint)


def test_the_failed_jobs_of_all_owners_are_listed_once_in_pages(stores: Stores, owner: str) -> None:
    mine = {failed(stores, f"{owner}{n}", NOW)[1] for n in range(5)}
    found: list[str] = []
    after = None
    while True:
        page = stores.jobs.list_jobs_of_all_owners(Status.FAILED, 2, after, NOW)
        found += [job.job_id for job in page.jobs if job.owner.startswith(owner)]
        if (after := page.next_after) is None:
            break
    assert sorted(found) == sorted(mine)


def test_the_jobs_of_batches_are_listed_and_batches_are_not(stores: Stores, recent: Any, owner: str) -> None:
    batch_id, expires_at = f"batch-{secrets.token_hex(16)}", int((NOW + RETENTION).timestamp())
    jobs = [accepted(owner) for _ in range(3)]
    batch = Batch(batch_id, owner, "f", secrets.token_hex(8), 3, {}, 3, rfc3339(NOW), expires_at)
    assert stores.batches.put_new(batch, jobs, NOW) is None
    listed = all_pages(recent, owner, EVERY_JOB, 10)
    assert {job.job_id for job in listed} == {job.job_id for job in jobs}
