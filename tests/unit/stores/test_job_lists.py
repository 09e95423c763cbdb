"""A list is merged from its partitions; DynamoDB does not define the order of entries with the same time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.jobs.job import Status, new_job
from jobpipe.stores.dynamodb_rows import job_to_row
from jobpipe.stores.jobs.dynamodb_job_lists import partitions_of
from tests.helpers.stubbed import Stubbed

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = rfc3339(NOW)


def entry(job_id: str) -> Any:
    job = new_job(DeleteItem("i"), "alice", None, NOW, timedelta(days=7))
    failed = replace(job, job_id=job_id, status=Status.FAILED)
    return {**job_to_row(failed), "listed": {"S": f"failed#{AT}"}}


def test_entries_with_the_same_time_are_sorted_by_id_and_none_is_lost(stubbed: Stubbed) -> None:
    ids = [letter * 32 for letter in "0842ca6e"]  # as one part may give them
    seen: list[str] = []
    after = None
    for _ in range(len(ids)):
        for place, _partition in enumerate(partitions_of("alice")):
            rows = [entry(job_id) for job_id in ids] if place == 1 else []
            stubbed.dynamodb.add_response("query", {"Items": rows})
        page = stubbed.jobs.list_jobs("alice", Status.FAILED, 1, after, NOW)
        seen += [job.job_id for job in page.jobs]
        after = page.next_after
    assert seen == sorted(ids, reverse=True)
    assert after is None


def test_a_partition_is_read_only_as_far_as_a_page_needs(stubbed: Stubbed) -> None:
    """A list of two jobs reads each partition once, and the one with the jobs twice."""
    for place, partition in enumerate(partitions_of("alice")):
        rows = [entry(f"{n:032x}") for n in range(4)] if place == 3 else []
        last = {"LastEvaluatedKey": {partition.key: {"S": partition.value}}} if rows else {}
        stubbed.dynamodb.add_response("query", {"Items": rows, **last})
        if rows:
            stubbed.dynamodb.add_response("query", {"Items": []})  # whether more have failed at this time
    page = stubbed.jobs.list_jobs("alice", Status.FAILED, 2, None, NOW)
    assert [job.job_id for job in page.jobs] == [f"{n:032x}" for n in (3, 2)]


def test_a_malformed_row_does_not_hide_its_neighbours(stubbed: Stubbed, caplog: pytest.LogCaptureFixture) -> None:
    good, damaged = entry("a" * 32), entry("b" * 32)
    never_read = {"job_id", "listed", "owner_shard", "trouble"}
    rows = [{name: damaged[name] for name in damaged if name != each} for each in damaged.keys() - never_read]
    rows += [{**damaged, name: {"S": "?"}} for name in ("attempts", "expires_at", "error")]
    for row in rows:
        for place, _partition in enumerate(partitions_of("alice")):
            stubbed.dynamodb.add_response("query", {"Items": [good, row] if place == 1 else []})
        page = stubbed.jobs.list_jobs("alice", Status.FAILED, 100, None, NOW)
        assert [job.job_id for job in page.jobs] == ["a" * 32], row
    logged = [vars(record)["job_id"] for record in caplog.records if record.message == "malformed row"]
    assert logged == ["b" * 32] * (len(rows) - 1), "an entry without a status is stale"
