"""The contract of dismissals: which lists have a job, in memory and on emulated AWS, also after a rollback."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, KeptCommand, Status, new_job
from jobpipe.runtime.aws import AwsClients
from tests.contract.stores import NOW, Stores, ref
from tests.contract.test_job_lists import PROBLEM, Table
from tests.helpers.memory import RETENTION

LATER = NOW + timedelta(seconds=5)
KEPT = KeptCommand(command='{"operation":"delete","item_id":"i"}')


@pytest.fixture
def owner() -> str:
    return f"owner{secrets.token_hex(4)}"


def failed(stores: Any, owner: str) -> Job:
    job = new_job(DeleteItem("i"), owner, None, NOW, RETENTION)
    stores.jobs.put_new(job, NOW)
    stores.jobs.fail(ref(job), PROBLEM, NOW, KEPT)
    return job


def listed(stores: Any, owner: str) -> set[str]:
    return {job.job_id for job in stores.jobs.list_jobs(owner, Status.FAILED, 100, None, NOW).jobs}


def test_a_dismissed_job_is_in_no_list_of_failed_jobs_and_otherwise_as_it_was(stores: Stores, owner: str) -> None:
    job, other = failed(stores, owner), failed(stores, owner)
    before = stores.jobs.get(job.job_id)
    assert before is not None
    for _ in range(2):  # botocore may repeat the write
        dismissed = stores.jobs.dismiss(ref(job), LATER)
        assert dismissed == replace(before, dismissed_at=rfc3339(LATER)) == stores.jobs.get(job.job_id)
    assert listed(stores, owner) == {other.job_id}
    after, found = None, set()
    while True:
        page = stores.jobs.list_jobs_of_all_owners(Status.FAILED, 100, after, NOW)
        found |= {each.job_id for each in page.jobs}
        after = page.next_after
        if after is None:
            break
    assert found & {job.job_id, other.job_id} == {other.job_id}


def test_a_dismissed_job_is_listed_when_it_fails_again(stores: Stores, owner: str) -> None:
    job = failed(stores, owner)
    stores.jobs.dismiss(ref(job), LATER)
    again = JobRef(job.job_id, "d" * 16)
    assert stores.jobs.requeue(again, job.generation, LATER).dismissed_at is None
    stores.jobs.fail(again, PROBLEM, LATER)
    assert listed(stores, owner) == {job.job_id}
    found = stores.jobs.get(job.job_id)
    assert found is not None
    assert found.dismissed_at is None


def test_only_a_job_that_has_failed_in_this_generation_is_dismissed(stores: Stores, owner: str) -> None:
    job = new_job(DeleteItem("i"), owner, None, NOW, RETENTION)
    with pytest.raises(JobEnded):
        stores.jobs.dismiss(ref(job), NOW)  # there is no such job
    stores.jobs.put_new(job, NOW)
    with pytest.raises(JobEnded):
        stores.jobs.dismiss(ref(job), NOW)  # it is queued
    stores.jobs.fail(ref(job), PROBLEM, NOW, KEPT)
    with pytest.raises(JobEnded):
        stores.jobs.dismiss(JobRef(job.job_id, "d" * 16), NOW)
    with pytest.raises(JobEnded):
        stores.jobs.dismiss(ref(job), NOW + RETENTION)  # it has expired
    found = stores.jobs.get(job.job_id)
    assert found is not None
    assert found.dismissed_at is None
    assert listed(stores, owner) == {job.job_id}


@pytest.fixture
def table(aws: tuple[AwsClients, dict[str, str]]) -> Table:
    return Table(aws)


def test_a_job_that_failed_in_a_release_without_shards_is_dismissed(table: Table, owner: str) -> None:
    job = replace(
        new_job(DeleteItem("i"), owner, None, NOW, RETENTION),
        status=Status.FAILED,
        error=PROBLEM,
        updated_at=rfc3339(NOW),
    )
    table.put(job, "owner_shard", trouble=f"failed#{rfc3339(NOW)}")
    assert listed(table, owner) == {job.job_id}
    table.jobs.dismiss(ref(job), LATER)
    assert listed(table, owner) == set()
    assert table.selected_for_redrive(owner) == set()


@pytest.mark.parametrize("place", ["listed", "trouble"])
def test_a_job_that_failed_again_in_an_earlier_release_is_not_shown_as_dismissed(
    table: Table, owner: str, place: str
) -> None:
    """Its row still has the attribute."""
    job = failed(table, owner)
    table.jobs.dismiss(ref(job), LATER)
    table.change(job, status="queued")
    found = table.jobs.get(job.job_id)
    assert found is not None
    assert found.dismissed_at is None
    table.change(job, status="failed", **{place: f"failed#{rfc3339(LATER)}"})
    found = table.jobs.get(job.job_id)
    assert found is not None
    assert found.dismissed_at is None
    assert listed(table, owner) == {job.job_id}
