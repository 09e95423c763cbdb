"""The contract of a job between its attempts and across its retries, in memory and on AWS alike."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.commands import CreateItem
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.item import Created, DocumentRef, StoredItem
from jobpipe.domain.job import Job, KeptCommand, Status, Success, expiry_of_queued_job, new_job
from jobpipe.domain.job_ref import JobRef
from tests.contract.stores import NOW, Stores, job, ref
from tests.helpers.memory import RETENTION

LATER = NOW + timedelta(seconds=5)
LATER_TEXT = "2026-11-22T12:00:05.000Z"
ENDED_EXPIRES = int((LATER + RETENTION).timestamp())
PROBLEM = {"type": "urn:jobpipe:problem:unavailable", "title": "t", "status": 503, "detail": "\u00e9"}
KEPT = KeptCommand(command='{"operation":"create"}')
NEXT = "c" * 16


def stored(stores: Stores, job_id: str) -> Job:
    found = stores.jobs.get(job_id)
    assert found is not None
    return found


def test_an_attempt_is_recorded_and_the_end_counts_it(stores: Stores) -> None:
    new = job(stores)
    for _ in range(2):  # botocore may repeat the write
        stores.jobs.begin_attempt(ref(new), 2, LATER)
        assert stored(stores, new.job_id) == replace(new, attempts=2, running_attempt=3, updated_at=LATER_TEXT)
    stores.jobs.succeed(ref(new), Success(), LATER)
    ended = stored(stores, new.job_id)
    assert (ended.attempts, ended.running_attempt) == (3, None)


def test_a_job_between_two_attempts_says_why_and_is_listed(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.begin_attempt(ref(new), 0, NOW)
    stores.jobs.record_interruption(ref(new), PROBLEM, 1, 1, LATER)
    held = replace(new, status=Status.RETRYING, error=PROBLEM, attempts=1, interruptions=1, updated_at=LATER_TEXT)
    assert stored(stores, new.job_id) == held
    assert replace(held, interruptions=0) in listed(stores, Status.RETRYING)
    stores.jobs.succeed(ref(new), Success(), LATER)
    assert stored(stores, new.job_id).error is None
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def listed(stores: Stores, status: Status, owner: str = "alice") -> list[Job]:
    jobs, after = [], None
    while True:
        page = stores.jobs.failed_or_retrying(owner, status, 100, after, NOW)
        jobs += page.jobs
        if page.next_after is None:
            return jobs
        after = page.next_after


@pytest.mark.parametrize("kept", [None, KEPT, KeptCommand(claim="claims/a/b/c.json")])
def test_a_failed_job_keeps_its_command_and_lists_do_not_carry_it(stores: Stores, kept: KeptCommand | None) -> None:
    new = job(stores)
    stores.jobs.begin_attempt(ref(new), 0, NOW)
    stores.jobs.fail(ref(new), PROBLEM, LATER, kept)
    failed = replace(
        new,
        status=Status.FAILED,
        error=PROBLEM,
        attempts=1,
        kept=kept,
        updated_at=LATER_TEXT,
        expires_at=ENDED_EXPIRES,
    )
    assert stored(stores, new.job_id) == failed
    assert replace(failed, kept=None) in listed(stores, Status.FAILED)
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def test_what_is_no_attempt_is_not_counted(stores: Stores) -> None:
    failed, cancelled = job(stores), job(stores)
    stores.jobs.fail(ref(failed), PROBLEM, NOW, charge_attempt=False)
    assert stored(stores, failed.job_id).attempts == 0
    assert stores.jobs.cancel(ref(cancelled), NOW).attempts == 0


def test_a_cancelled_job_is_out_of_trouble(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.record_interruption(ref(new), PROBLEM, 1, 1, NOW)
    cancelled = stores.jobs.cancel(ref(new), LATER)
    assert cancelled == stored(stores, new.job_id)
    assert cancelled == replace(
        new, status=Status.CANCELLED, attempts=1, updated_at=LATER_TEXT, expires_at=ENDED_EXPIRES
    )
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def test_a_failed_job_begins_a_new_life_once(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.fail(ref(new), PROBLEM, NOW, KEPT)
    life = JobRef(new.job_id, NEXT)
    queued = stores.jobs.requeue(life, new.generation, LATER)
    assert queued == stored(stores, new.job_id)
    assert queued == replace(
        new,
        generation=NEXT,
        retries=1,
        updated_at=LATER_TEXT,
        expires_at=expiry_of_queued_job(LATER, RETENTION),
    )
    assert new.job_id not in {each.job_id for each in listed(stores, Status.FAILED)}
    assert stores.jobs.requeue(life, new.generation, LATER) == queued, "again the same is no error"
    with pytest.raises(JobEnded):
        stores.jobs.requeue(JobRef(new.job_id, "d" * 16), new.generation, LATER)
    with pytest.raises(JobEnded):
        stores.jobs.succeed(ref(new), Success(), LATER)
    stores.jobs.fail(life, PROBLEM, NOW, KEPT)
    with pytest.raises(JobEnded):  # a message of a retry that came too late
        stores.jobs.requeue(JobRef(new.job_id, "d" * 16), new.generation, LATER)
    assert stores.jobs.requeue(JobRef(new.job_id, "d" * 16), NEXT, LATER).retries == 2


def test_only_a_failed_job_that_is_still_there_begins_a_new_life(stores: Stores) -> None:
    waiting, cancelled, expired = job(stores), job(stores), job(stores)
    stores.jobs.cancel(ref(cancelled), NOW)
    stores.jobs.fail(ref(expired), PROBLEM, NOW, KEPT)
    for each, at in ((waiting, NOW), (cancelled, NOW), (expired, NOW + RETENTION)):
        before = stored(stores, each.job_id)
        with pytest.raises(JobEnded):
            stores.jobs.requeue(JobRef(each.job_id, NEXT), each.generation, at)
        assert stored(stores, each.job_id) == before
    with pytest.raises(JobEnded):
        stores.jobs.requeue(JobRef("f" * 32, NEXT), "a" * 16, NOW)
    assert stores.jobs.get("f" * 32) is None


CHANGES: list[Callable[[Stores, JobRef], Any]] = [
    lambda stores, life: stores.jobs.begin_attempt(life, 0, NOW),
    lambda stores, life: stores.jobs.record_interruption(life, PROBLEM, 0, 1, NOW),
    lambda stores, life: stores.jobs.succeed(life, Success(), NOW),
    lambda stores, life: stores.jobs.fail(life, PROBLEM, NOW),
    lambda stores, life: stores.jobs.cancel(life, NOW),
    lambda stores, life: stores.items.commit(
        Created(StoredItem(life.job_id, "v", life.job_id, DocumentRef("k", "v"), None, "t", "t")),
        life,
        Success(),
        NOW,
    ),
]
ENDS: list[Callable[[Stores, JobRef], Any]] = [
    lambda stores, life: stores.jobs.succeed(life, Success(), NOW),
    lambda stores, life: stores.jobs.fail(life, PROBLEM, NOW, KEPT),
    lambda stores, life: stores.jobs.cancel(life, NOW),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("end", ENDS)
def test_nothing_changes_a_job_that_has_ended(
    stores: Stores, end: Callable[[Stores, JobRef], Any], change: Callable[[Stores, JobRef], Any]
) -> None:
    new = job(stores)
    end(stores, ref(new))
    before = stored(stores, new.job_id)
    with pytest.raises(JobEnded):
        change(stores, ref(new))
    assert stored(stores, new.job_id) == before


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_changes_another_life_of_a_job(stores: Stores, change: Callable[[Stores, JobRef], Any]) -> None:
    new = job(stores)
    with pytest.raises(JobEnded):
        change(stores, JobRef(new.job_id, NEXT))
    with pytest.raises(JobEnded):
        change(stores, JobRef("f" * 32, new.generation))
    assert stored(stores, new.job_id) == new
    assert stores.jobs.get("f" * 32) is None


def test_jobs_in_trouble_come_latest_first_in_pages_without_the_expired_and_others(stores: Stores) -> None:
    owner = f"owner{secrets.token_hex(4)}"
    ids = []
    for i in range(7):
        new = new_job(CreateItem("i", {}), owner if i else "another", None, NOW, RETENTION)
        stores.jobs.put_new(new, NOW)
        stores.jobs.fail(ref(new), PROBLEM, NOW + timedelta(seconds=i), KEPT)
        ids.append(new.job_id)
    ids = ids[1:]
    seen: list[str] = []
    after = None
    for _ in range(4):
        page = stores.jobs.failed_or_retrying(owner, Status.FAILED, 2, after, NOW)
        assert len(page.jobs) <= 2
        seen += [each.job_id for each in page.jobs]
        after = page.next_after
        if after is None:
            break
    assert seen == ids[::-1]
    first_gone = NOW + timedelta(seconds=1) + RETENTION
    page = stores.jobs.failed_or_retrying(owner, Status.FAILED, 100, None, first_gone)
    assert [each.job_id for each in page.jobs] == ids[:0:-1]


def test_a_document_outlives_the_version_that_its_row_names(stores: Stores) -> None:
    """As when a put that timed out arrives after its repetition, and lifecycle expires the repetition's version."""
    key = f"items/{secrets.token_hex(8)}/a/b/c.json"
    assert stores.documents.get(DocumentRef(key, "never-was")) is None
    there = stores.documents.put(key, '{"x":1}')
    assert stores.documents.get(DocumentRef(key, "never-was")) == (there, '{"x":1}')


def test_nothing_changes_a_job_that_has_expired(stores: Stores) -> None:
    new = job(stores)
    for change in (
        lambda at: stores.jobs.begin_attempt(ref(new), 0, at),
        lambda at: stores.jobs.fail(ref(new), PROBLEM, at),
        lambda at: stores.jobs.succeed(ref(new), Success(), at),
        lambda at: stores.jobs.cancel(ref(new), at),
    ):
        with pytest.raises(JobEnded):
            change(datetime.fromtimestamp(new.expires_at, UTC))
    assert stored(stores, new.job_id) == new


def test_what_lies_under_a_key_can_be_read_without_its_version(stores: Stores) -> None:
    key = f"claims/{secrets.token_hex(16)}/a/b.json"
    assert stores.documents.get_by_key(key) is None
    stores.documents.put(key, '{"x":"\u00e9"}')
    assert stores.documents.get_by_key(key) == '{"x":"\u00e9"}'
    stores.documents.delete([key])
    assert stores.documents.get_by_key(key) is None
