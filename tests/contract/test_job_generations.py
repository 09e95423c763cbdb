"""The contract of a job between its attempts and in its generations, in memory and on emulated AWS."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.documents.item import Created, DocumentRef, StoredItem
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, KeptCommand, Status, Success, expiry_of_queued_job, new_job
from tests.contract.stores import NOW, Stores, job, ref
from tests.helpers.memory import RETENTION

LATER = NOW + timedelta(seconds=5)
LATER_TEXT = "2026-11-22T12:00:05.000Z"
EXPIRES_AFTER_END = int((LATER + RETENTION).timestamp())
PROBLEM = {"type": "urn:jobpipe:problem:unavailable", "title": "t", "status": 503, "detail": "\u00e9"}
COMMAND = KeptCommand(command='{"operation":"create"}')
NEXT_GENERATION = "c" * 16


def stored(stores: Stores, job_id: str) -> Job:
    found = stores.jobs.get(job_id)
    assert found is not None
    return found


def test_an_attempt_is_recorded_when_it_begins_and_counted_when_it_ends(stores: Stores) -> None:
    new = job(stores)
    for _ in range(2):  # botocore may repeat the write
        stores.jobs.begin_attempt(ref(new), 2, LATER)
        assert stored(stores, new.job_id) == replace(new, attempts=2, running_attempt=3, updated_at=LATER_TEXT)
    stores.jobs.succeed(ref(new), Success(), LATER)
    ended = stored(stores, new.job_id)
    assert (ended.attempts, ended.running_attempt) == (3, None)


def test_a_retrying_job_has_an_error_and_is_listed(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.begin_attempt(ref(new), 0, NOW)
    stores.jobs.record_interruption(ref(new), PROBLEM, 1, 1, LATER)
    retrying = replace(
        new, status=Status.RETRYING, error=PROBLEM, attempts=1, interruptions=1, updated_at=LATER_TEXT
    )
    assert stored(stores, new.job_id) == retrying
    assert replace(retrying, interruptions=0) in listed(stores, Status.RETRYING)
    stores.jobs.succeed(ref(new), Success(), LATER)
    assert stored(stores, new.job_id).error is None
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def listed(stores: Stores, status: Status, owner: str = "alice") -> list[Job]:
    jobs, after = [], None
    while True:
        page = stores.jobs.list_jobs(owner, status, 100, after, NOW)
        jobs += page.jobs
        if page.next_after is None:
            return jobs
        after = page.next_after


@pytest.mark.parametrize("kept", [None, COMMAND, KeptCommand(claim="claims/a/b/c.json")])
def test_a_failed_job_has_its_command_but_lists_do_not_show_it(stores: Stores, kept: KeptCommand | None) -> None:
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
        expires_at=EXPIRES_AFTER_END,
    )
    assert stored(stores, new.job_id) == failed
    assert replace(failed, kept=None) in listed(stores, Status.FAILED)
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def test_a_dead_letter_and_a_cancel_are_not_counted_as_attempts(stores: Stores) -> None:
    failed, cancelled = job(stores), job(stores)
    stores.jobs.fail(ref(failed), PROBLEM, NOW, charge_attempt=False)
    assert stored(stores, failed.job_id).attempts == 0
    assert stores.jobs.cancel(ref(cancelled), NOW).attempts == 0


def test_a_cancelled_job_is_not_listed_as_retrying(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.record_interruption(ref(new), PROBLEM, 1, 1, NOW)
    cancelled = stores.jobs.cancel(ref(new), LATER)
    assert cancelled == stored(stores, new.job_id)
    assert cancelled == replace(
        new, status=Status.CANCELLED, attempts=1, updated_at=LATER_TEXT, expires_at=EXPIRES_AFTER_END
    )
    assert new.job_id not in {each.job_id for each in listed(stores, Status.RETRYING)}


def test_a_failed_job_gets_a_new_generation_once(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.fail(ref(new), PROBLEM, NOW, COMMAND)
    retried = JobRef(new.job_id, NEXT_GENERATION)
    queued = stores.jobs.requeue(retried, new.generation, LATER)
    assert queued == stored(stores, new.job_id)
    assert queued == replace(
        new,
        generation=NEXT_GENERATION,
        retries=1,
        updated_at=LATER_TEXT,
        expires_at=expiry_of_queued_job(LATER, RETENTION),
    )
    assert new.job_id not in {each.job_id for each in listed(stores, Status.FAILED)}
    assert stores.jobs.requeue(retried, new.generation, LATER) == queued, "a repeated call is not an error"
    with pytest.raises(JobEnded):
        stores.jobs.requeue(JobRef(new.job_id, "d" * 16), new.generation, LATER)
    with pytest.raises(JobEnded):
        stores.jobs.succeed(ref(new), Success(), LATER)
    stores.jobs.fail(retried, PROBLEM, NOW, COMMAND)
    with pytest.raises(JobEnded):  # a late message of an earlier retry
        stores.jobs.requeue(JobRef(new.job_id, "d" * 16), new.generation, LATER)
    assert stores.jobs.requeue(JobRef(new.job_id, "d" * 16), NEXT_GENERATION, LATER).retries == 2


def test_a_time_limit_is_stored_with_the_job_and_changed_only_by_a_retry_that_has_one(stores: Stores) -> None:
    limit, later = "2026-12-01T12:00:00.000Z", "2026-12-24T12:00:00.000Z"
    new = job(stores, not_after=limit)
    assert stored(stores, new.job_id).not_after == limit
    stores.jobs.fail(ref(new), PROBLEM, NOW, COMMAND)
    first, second = JobRef(new.job_id, NEXT_GENERATION), JobRef(new.job_id, "d" * 16)
    assert stores.jobs.requeue(first, new.generation, LATER).not_after == limit
    stores.jobs.fail(first, PROBLEM, NOW, COMMAND)
    assert stores.jobs.requeue(second, NEXT_GENERATION, LATER, not_after=later).not_after == later
    assert stored(stores, new.job_id).not_after == later
    assert stores.jobs.requeue(second, NEXT_GENERATION, LATER, not_after=limit).not_after == later, "it has one"


def test_the_last_task_token_stays_whatever_happens_to_the_job(stores: Stores) -> None:
    new = job(stores)
    first = stores.jobs.give_task_token(new, "one", LATER)
    assert first == stored(stores, new.job_id) == replace(new, task_token="one")
    stores.jobs.fail(ref(new), PROBLEM, LATER, COMMAND)
    failed = stores.jobs.give_task_token(new, "two", LATER)
    assert failed == stored(stores, new.job_id)
    assert (failed.status, failed.kept, failed.task_token) == (Status.FAILED, COMMAND, "two")
    queued = stores.jobs.requeue(JobRef(new.job_id, NEXT_GENERATION), new.generation, LATER)
    assert queued.task_token == "two"
    assert stores.jobs.give_task_token(new, "three", LATER) == replace(queued, task_token="three")
    assert new.job_id in stores.batches.jobs([new.job_id])
    assert stores.batches.jobs([new.job_id])[new.job_id].task_token == "three"


def test_a_task_token_is_stored_with_no_other_job(stores: Stores) -> None:
    new = job(stores)
    for other in (replace(new, created_at=LATER_TEXT), replace(new, job_id="f" * 32)):
        with pytest.raises(JobEnded):
            stores.jobs.give_task_token(other, "one", LATER)
    with pytest.raises(JobEnded):
        stores.jobs.give_task_token(new, "one", datetime.fromtimestamp(new.expires_at, UTC))
    assert stored(stores, new.job_id) == new


def test_lists_do_not_read_task_tokens(stores: Stores) -> None:
    new = job(stores)
    stores.jobs.give_task_token(new, "one", LATER)
    stores.jobs.fail(ref(new), PROBLEM, LATER, COMMAND)
    (found,) = [each for each in listed(stores, Status.FAILED) if each.job_id == new.job_id]
    assert found.task_token is None


def test_only_a_failed_job_that_has_not_expired_gets_a_new_generation(stores: Stores) -> None:
    waiting, cancelled, expired = job(stores), job(stores), job(stores)
    stores.jobs.cancel(ref(cancelled), NOW)
    stores.jobs.fail(ref(expired), PROBLEM, NOW, COMMAND)
    for each, at in ((waiting, NOW), (cancelled, NOW), (expired, NOW + RETENTION)):
        before = stored(stores, each.job_id)
        with pytest.raises(JobEnded):
            stores.jobs.requeue(JobRef(each.job_id, NEXT_GENERATION), each.generation, at)
        assert stored(stores, each.job_id) == before
    with pytest.raises(JobEnded):
        stores.jobs.requeue(JobRef("f" * 32, NEXT_GENERATION), "a" * 16, NOW)
    assert stores.jobs.get("f" * 32) is None


CHANGES: list[Callable[[Stores, JobRef], Any]] = [
    lambda stores, job_ref: stores.jobs.begin_attempt(job_ref, 0, NOW),
    lambda stores, job_ref: stores.jobs.record_interruption(job_ref, PROBLEM, 0, 1, NOW),
    lambda stores, job_ref: stores.jobs.succeed(job_ref, Success(), NOW),
    lambda stores, job_ref: stores.jobs.fail(job_ref, PROBLEM, NOW),
    lambda stores, job_ref: stores.jobs.cancel(job_ref, NOW),
    lambda stores, job_ref: stores.items.commit(
        Created(StoredItem(job_ref.job_id, "v", job_ref.job_id, DocumentRef("k", "v"), None, "t", "t")),
        job_ref,
        Success(),
        NOW,
    ),
]
ENDS: list[Callable[[Stores, JobRef], Any]] = [
    lambda stores, job_ref: stores.jobs.succeed(job_ref, Success(), NOW),
    lambda stores, job_ref: stores.jobs.fail(job_ref, PROBLEM, NOW, COMMAND),
    lambda stores, job_ref: stores.jobs.cancel(job_ref, NOW),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("end", ENDS)
def test_a_change_of_an_ended_job_is_refused(
    stores: Stores, end: Callable[[Stores, JobRef], Any], change: Callable[[Stores, JobRef], Any]
) -> None:
    new = job(stores)
    end(stores, ref(new))
    before = stored(stores, new.job_id)
    with pytest.raises(JobEnded):
        change(stores, ref(new))
    assert stored(stores, new.job_id) == before


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_another_generation_is_refused(stores: Stores, change: Callable[[Stores, JobRef], Any]) -> None:
    new = job(stores)
    with pytest.raises(JobEnded):
        change(stores, JobRef(new.job_id, NEXT_GENERATION))
    with pytest.raises(JobEnded):
        change(stores, JobRef("f" * 32, new.generation))
    assert stored(stores, new.job_id) == new
    assert stores.jobs.get("f" * 32) is None


def test_a_list_has_the_latest_first_and_no_expired_jobs_or_jobs_of_others(stores: Stores) -> None:
    owner = f"owner{secrets.token_hex(4)}"
    ids = []
    for i in range(7):
        new = new_job(CreateItem("i", {}), owner if i else "another", None, NOW, RETENTION)
        stores.jobs.put_new(new, NOW)
        stores.jobs.fail(ref(new), PROBLEM, NOW + timedelta(seconds=i), COMMAND)
        ids.append(new.job_id)
    ids = ids[1:]
    seen: list[str] = []
    after = None
    for _ in range(4):
        page = stores.jobs.list_jobs(owner, Status.FAILED, 2, after, NOW)
        assert len(page.jobs) <= 2
        seen += [each.job_id for each in page.jobs]
        after = page.next_after
        if after is None:
            break
    assert seen == ids[::-1]
    first_expired = NOW + timedelta(seconds=1) + RETENTION
    page = stores.jobs.list_jobs(owner, Status.FAILED, 100, None, first_expired)
    assert [each.job_id for each in page.jobs] == ids[:0:-1]


def test_a_document_is_read_if_the_version_in_its_row_is_gone(stores: Stores) -> None:
    """A put that timed out may arrive after its repetition, whose version the lifecycle rules then delete."""
    key = f"items/{secrets.token_hex(8)}/a/b/c.json"
    assert stores.documents.get(DocumentRef(key, "no-such-version")) is None
    stored_ref = stores.documents.put(key, '{"x":1}')
    assert stores.documents.get(DocumentRef(key, "no-such-version")) == (stored_ref, '{"x":1}')


def test_a_change_of_an_expired_job_is_refused(stores: Stores) -> None:
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


def test_an_object_can_be_read_by_its_key_without_its_version(stores: Stores) -> None:
    key = f"claims/{secrets.token_hex(16)}/a/b.json"
    assert stores.documents.get_by_key(key) is None
    stores.documents.put(key, '{"x":"\u00e9"}')
    assert stores.documents.get_by_key(key) == '{"x":"\u00e9"}'
    stores.documents.delete([key])
    assert stores.documents.get_by_key(key) is None
