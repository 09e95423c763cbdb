"""The list of all jobs: complete, newest first, exact from page to page, and bounded in what one page reads."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.deployment.indexes import table_properties
from infra.templates.sources import foundation_template
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.errors import JobListOff
from jobpipe.domain.jobs.batch import Batch
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.job_filter import EVERY_JOB, JobFilter
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row, list_sort_key
from jobpipe.stores.jobs.batch_rows import batch_from_row, batch_to_row
from jobpipe.stores.jobs.dynamodb_job_lists import MOST_EXAMINED, JobLists
from jobpipe.stores.jobs.dynamodb_recent_jobs import DynamoDbRecentJobs
from tests.calls.units import index_units
from tests.helpers.job_table import JobTable
from tests.helpers.pipeline import Pipeline

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RETENTION = timedelta(days=7)
TROUBLED = (Status.FAILED, Status.RETRYING)


def job_of(number: int, **values: Any) -> Job:
    job = new_job(DeleteItem("i"), "alice", None, NOW, RETENTION)
    if values.get("status") is Status.SCHEDULED:
        values["not_before"] = rfc3339(NOW + timedelta(days=1))
    # Consecutive ids are in different shards, and their order is not that of the times.
    return replace(job, job_id=f"{number * 7919 % 65536:028x}{number:04x}", **values)


def put(table: JobTable, job: Job) -> None:
    row: Any = {**job_to_row(job)}
    if job.status in TROUBLED:
        row |= {"listed": {"S": list_sort_key(job.status, job.updated_at)}, "error": {"S": '{"status":409}'}}
    table.rows[job.job_id] = row


jobs = st.lists(
    st.fixed_dictionaries(
        dict[str, st.SearchStrategy[Any]](
            status=st.sampled_from(Status),
            collection=st.sampled_from(["items", "orders", "order-lines"]),
            created_at=st.integers(0, 4).map(lambda n: rfc3339(NOW + timedelta(milliseconds=n))),
            updated_at=st.integers(0, 4).map(lambda n: rfc3339(NOW + timedelta(milliseconds=n))),
            owner=st.sampled_from(["alice", "alice", "bob"]),
            expires_at=st.sampled_from([int(NOW.timestamp()), int(NOW.timestamp()) + 60]),
        ),
    ),
    max_size=40,
).map(lambda drawn: [job_of(number, **each) for number, each in enumerate(drawn)])
times = st.none() | st.integers(-1, 6).map(lambda n: rfc3339(NOW + timedelta(milliseconds=n)))
filters = st.builds(
    JobFilter,
    status=st.none() | st.sampled_from(Status),
    collection=st.none() | st.sampled_from(["items", "orders", "unknown"]),
    since=times,
    until=times,
)


def in_pages(store: Any, wanted: JobFilter, limit: int, owner: str = "alice") -> list[str]:
    found: list[str] = []
    after = None
    while True:
        page = store.page(owner, wanted, limit, after, NOW)
        assert len(page.jobs) <= limit
        found += [job.job_id for job in page.jobs]
        after = page.next_after
        if after is None:
            return found
        assert re.fullmatch(r"all#[0-9T:.-]{1,32}Z#[0-9a-f]{32}", after), "request_fields.py reads it again"


@settings(max_examples=200, deadline=None)
@given(jobs, filters, st.integers(1, 7), st.integers(0, 3))
def test_the_pages_of_a_list_together_are_what_a_model_lists(
    stored: list[Job], wanted: JobFilter, limit: int, seed: int
) -> None:
    table = JobTable(seed=seed)
    for job in stored:
        put(table, job)
    order = sorted(stored, key=lambda job: (job.created_at, job.job_id), reverse=True)
    listed = [
        job.job_id for job in order if job.owner == "alice" and not job.is_expired(NOW) and wanted.matches(job)
    ]
    assert in_pages(DynamoDbRecentJobs(table.clients, "jobs"), wanted, limit) == listed


@settings(max_examples=100, deadline=None)
@given(jobs, filters, st.sampled_from(TROUBLED), st.integers(1, 7), st.integers(0, 3))
def test_a_filter_leaves_failed_and_retrying_jobs_out_and_changes_no_order(
    stored: list[Job], wanted: JobFilter, status: Status, limit: int, seed: int
) -> None:
    table, wanted = JobTable(seed=seed), replace(wanted, status=status)
    for job in stored:
        put(table, job)
    order = sorted(stored, key=lambda job: (job.updated_at, job.job_id), reverse=True)
    listed = [job for job in order if not job.is_expired(NOW) and wanted.matches(job)]
    lists, found, of_all = JobLists(table.clients, "jobs"), [], []
    after = None
    while True:
        page = lists.page("alice", status, limit, after, NOW, job_filter=wanted)
        found += [job.job_id for job in page.jobs]
        if (after := page.next_after) is None:
            break
    assert found == [job.job_id for job in listed if job.owner == "alice"]
    while True:
        page = lists.page_of_all_owners(status, limit, after, NOW, job_filter=wanted)
        assert len(page.jobs) <= limit
        of_all += [job.job_id for job in page.jobs]
        if (after := page.next_after) is None:
            break
    assert sorted(of_all) == sorted(job.job_id for job in listed)


@given(jobs, st.data())
def test_jobs_that_do_not_change_are_neither_skipped_nor_repeated_while_others_come_and_go(
    stored: list[Job], data: st.DataObject
) -> None:
    """Between two pages, jobs are accepted, end and are deleted."""
    table = JobTable()
    fixed = [job for job in stored if job.owner == "alice" and not job.is_expired(NOW)]
    for job in fixed:
        put(table, job)
    store, after, found = DynamoDbRecentJobs(table.clients, "jobs"), None, list[str]()
    number = 1000
    while True:
        page = store.page("alice", EVERY_JOB, 2, after, NOW)
        found += [job.job_id for job in page.jobs]
        if (after := page.next_after) is None:
            break
        number += 1
        put(table, job_of(number, created_at=data.draw(times.filter(bool))))
        if data.draw(st.booleans()):
            table.rows.pop(job_of(number - 1).job_id, None)
    assert [each for each in found if each in {job.job_id for job in fixed}] == [
        job.job_id for job in sorted(fixed, key=lambda job: (job.created_at, job.job_id), reverse=True)
    ]
    assert len(set(found)) == len(found)


def test_what_a_page_reads_is_bounded_although_a_filter_leaves_all_jobs_out() -> None:
    table = JobTable()
    for number in range(2000):
        put(table, job_of(number, created_at=rfc3339(NOW + timedelta(seconds=number))))
    store = DynamoDbRecentJobs(table.clients, "jobs")
    after, pages = None, 0
    while True:
        table.calls.clear()
        page = store.page("alice", JobFilter(status=Status.CANCELLED), 50, after, NOW)
        assert page.jobs == []
        assert table.calls["rows"] <= MOST_EXAMINED
        assert table.calls["query"] <= 9 * 2
        pages += 1
        if (after := page.next_after) is None:
            break
    assert pages == 2000 / MOST_EXAMINED
    table.calls.clear()
    store.page("alice", JobFilter(collection="orders"), 50, None, NOW)
    assert table.calls["rows"] == 0, "the index has the collections"
    table.calls.clear()
    assert len(store.page("alice", EVERY_JOB, 50, None, NOW).jobs) == 50
    assert table.calls["rows"] == 50
    assert table.calls["query"] <= 9 * 2


def test_entries_without_a_job_or_with_a_damaged_one_hide_no_neighbours() -> None:
    table = JobTable()
    for number in range(4):
        put(table, job_of(number))
    table.hidden[job_of(0).job_id] = table.rows.pop(job_of(0).job_id)
    table.rows[job_of(1).job_id]["status"] = {"S": "?"}
    # the id of an expired job belongs to a new one, and the index still has the entry of the former
    again = job_of(2, created_at=rfc3339(NOW + timedelta(seconds=5)))
    table.hidden["former"] = dict(table.rows[again.job_id])
    put(table, again)
    found = in_pages(DynamoDbRecentJobs(table.clients, "jobs"), EVERY_JOB, 1)
    assert found == [job_of(2).job_id, job_of(3).job_id]


@given(st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True))
def test_a_row_keeps_the_collection_of_its_job(collection: str) -> None:
    job = job_of(1, collection=collection)
    row = job_to_row(job)
    assert job_from_row(row) == job
    assert ":" in row["fingerprint"]["S"] or collection == "items", "rows of items stay as they are"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("ValidationException", "The table does not have the specified index: recent", JobListOff),
        ("ValidationException", "Cannot read from backfilling global secondary index: recent", JobListOff),
        ("ValidationException", "another fault", ClientError),
    ],
)
def test_an_index_that_is_being_made_or_removed_is_said(code: str, message: str, kind: type[Exception]) -> None:
    class Refusing:
        def query(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": message}}, "Query")

    table = JobTable()
    clients = table.clients
    clients.__dict__["dynamodb"] = Refusing()
    with pytest.raises(kind):
        DynamoDbRecentJobs(clients, "jobs").page("alice", EVERY_JOB, 10, None, NOW)


def test_a_job_enters_the_index_once_and_no_later_write_changes_its_entry() -> None:
    (index,) = [
        each
        for each in table_properties(foundation_template("prod"), {"JobLists": "on"})["JobsTable"][
            "GlobalSecondaryIndexes"
        ]
        if each["IndexName"] == "recent"
    ]
    key = {each["AttributeName"] for each in index["KeySchema"]}
    projected = {*key, "job_id", *index["Projection"]["NonKeyAttributes"]}
    accepted = job_to_row(job_of(1))
    ended = {
        **accepted,
        "status": {"S": "failed"},
        "updated_at": {"S": "2026-11-23"},
        "expires_at": {"N": "1"},
        "listed": {"S": "failed#2026-11-23"},
        "error": {"S": "{}"},
        "generation": {"S": "another"},
    }
    assert index_units(None, accepted, key, projected) == 1
    assert index_units(accepted, ended, key, projected) == 0


def test_no_job_was_accepted_before_the_first_moment(pipeline: Pipeline) -> None:
    pipeline.do("DELETE", "/items/nope")
    assert pipeline.request("GET", "/jobs?until=0001-01-01T00:00:00Z").json == []
    clients: Any = None  # nothing is asked
    wanted = JobFilter(until="0001-01-01T00:00:00.000Z")
    assert DynamoDbRecentJobs(clients, "jobs").page("alice", wanted, 10, None, NOW).jobs == []


def test_rows_keep_the_batch_of_a_job_and_the_key_of_a_batch() -> None:
    job = job_of(1, batch_id="batch-" + "0" * 32)
    assert job_from_row(job_to_row(job)) == job
    assert "batch" not in job_to_row(job_of(1))
    batch = Batch("batch-" + "0" * 32, "alice", "f", "s", 1, {}, 1, "2026-11-22T20:57:44.123Z", 1, "import-7")
    assert batch_from_row(batch_to_row(batch)) == batch
    assert "idempotency_key" not in batch_to_row(replace(batch, idempotency_key=None))


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_times_are_half_open_to_the_microsecond(since: int, until: int) -> None:
    pipeline = Pipeline()
    moments = [NOW + timedelta(milliseconds=n) for n in range(5)]
    for number, moment in enumerate(moments):
        pipeline.jobs.write(job_of(number, created_at=rfc3339(moment), expires_at=2**40))
    first, last = (NOW + timedelta(microseconds=n) for n in (since, until))
    texts = [each.isoformat().replace("+00:00", "Z") for each in (first, last)]
    answer = pipeline.request("GET", f"/jobs?since={texts[0]}&until={texts[1]}")
    if answer.status == 400:
        assert first > last
        return
    expected = [rfc3339(each) for each in reversed(moments) if first <= each < last]
    assert [job["created_at"] for job in answer.json] == expected
