"""One suite for both implementations of jobpipe.domain.ports, in memory and on emulated AWS.

It allows the unit tests to use the stores in memory.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.documents.item import Created, DocumentRef, Removed, Replaced, StoredItem, new_version
from jobpipe.domain.errors import ItemChanged, JobEnded, ValueLocked
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, Status, Success, new_job
from tests.contract.stores import NOW, Stores, job, ref
from tests.helpers.memory import RETENTION


def item(name: str | None = None, inline: str | None = '{"name":"n"}') -> StoredItem:
    version = new_version()
    return StoredItem(
        item_id=str(uuid.uuid4()),
        version=version,
        name=name or f"name {secrets.token_hex(6)}",
        document=DocumentRef(f"items/i/j/{version}.json", f"version-{version}"),
        inline=inline,
        created_at="2026-11-22T12:00:00.000Z",
        updated_at="2026-11-22T12:00:00.000Z",
    )


def ended(stores: Stores, job_id: str) -> Job:
    stored = stores.jobs.get(job_id)
    assert stored is not None
    return stored


def create(stores: Stores, new: StoredItem) -> Job:
    created = job(stores)
    stores.items.commit(Created(new), ref(created), Success(result=new.inline), NOW)
    return created


def test_a_job_is_read_as_it_was_put(stores: Stores) -> None:
    new = job(stores)
    assert stores.jobs.get(new.job_id) == new
    assert stores.jobs.get("0" * 32) is None


def test_a_second_put_of_a_live_job_returns_the_first(stores: Stores) -> None:
    key = secrets.token_hex(8)
    first = job(stores, key)
    second = new_job(CreateItem("other", {"name": "n", "description": "d"}), "alice", key, NOW, RETENTION)
    assert second.job_id == first.job_id
    assert stores.jobs.put_new(second, NOW) == first
    assert stores.jobs.get(first.job_id) == first


def test_an_expired_job_is_replaced(stores: Stores) -> None:
    key = secrets.token_hex(8)
    first = job(stores, key)
    later = NOW + timedelta(days=28) + RETENTION
    second = replace(first, generation="0" * 16)
    assert stores.jobs.put_new(second, later - timedelta(seconds=2)) == first
    assert stores.jobs.put_new(second, later) is None
    assert stores.jobs.get(first.job_id) == second


@pytest.mark.parametrize(
    "success",
    [
        Success(),
        Success(result='{"name":"n"}', result_version="v"),
        Success(
            result_document=DocumentRef("k", "v7"),
            result_version="v",
            old_document_key="items/old",
            emitted_events='[["x",{}]]',
        ),
    ],
)
def test_a_job_succeeds_once(stores: Stores, success: Success) -> None:
    new = job(stores)
    stores.jobs.succeed(ref(new), success, NOW + timedelta(seconds=1))
    expected = replace(
        new,
        status=Status.SUCCEEDED,
        attempts=1,
        updated_at="2026-11-22T12:00:01.000Z",
        expires_at=int((NOW + timedelta(seconds=1) + RETENTION).timestamp()),
        result=success.result,
        result_document=success.result_document,
        result_version=success.result_version,
        old_document_key=success.old_document_key,
        emitted_events=success.emitted_events,
    )
    assert stores.jobs.get(new.job_id) == expected
    with pytest.raises(JobEnded):
        stores.jobs.succeed(ref(new), Success(result="{}"), NOW)
    with pytest.raises(JobEnded):
        stores.jobs.fail(ref(new), {"status": 409}, NOW)
    assert stores.jobs.get(new.job_id) == expected


def test_a_job_fails_once(stores: Stores) -> None:
    new = job(stores)
    problem = {"type": "urn:jobpipe:problem:name-taken", "title": "é", "status": 409, "detail": "…"}
    stores.jobs.fail(ref(new), problem, NOW)
    failed = ended(stores, new.job_id)
    assert (failed.status, failed.error, failed.attempts) == (Status.FAILED, problem, 1)
    with pytest.raises(JobEnded):
        stores.jobs.fail(ref(new), problem, NOW)


@pytest.mark.parametrize("wrong", ["generation", "job"])
def test_only_the_generation_of_an_existing_job_can_end(stores: Stores, wrong: str) -> None:
    new = job(stores)
    other = JobRef(new.job_id, "f" * 16) if wrong == "generation" else JobRef("f" * 32, new.generation)
    created = item()
    with pytest.raises(JobEnded):
        stores.jobs.succeed(other, Success(), NOW)
    with pytest.raises(JobEnded):
        stores.jobs.fail(other, {"status": 409}, NOW)
    with pytest.raises(JobEnded):
        stores.items.commit(Created(created), other, Success(), NOW)
    assert stores.jobs.get(new.job_id) == new
    assert stores.jobs.get("f" * 32) is None, "the end of a missing job creates no row"
    assert stores.items.get(created.item_id) is None


@pytest.mark.parametrize("inline", [None, '{"name":"n","x":"é"}'])
def test_an_item_is_read_as_it_was_committed(stores: Stores, inline: str | None) -> None:
    new = item(inline=inline)
    created = create(stores, new)
    assert stores.items.get(new.item_id) == new
    assert ended(stores, created.job_id).status is Status.SUCCEEDED
    assert ended(stores, created.job_id).result == inline
    assert stores.items.get("none") is None


def test_a_name_is_unique_until_a_rename_or_a_removal(stores: Stores) -> None:
    first = item("Tent " + secrets.token_hex(6))
    create(stores, first)
    other, attempt = item(first.name), job(stores)
    with pytest.raises(ValueLocked):
        stores.items.commit(Created(other), ref(attempt), Success(), NOW)
    assert stores.items.get(other.item_id) is None
    assert stores.jobs.get(attempt.job_id) == attempt, "a cancelled transaction does not change the job"

    renamed = replace(first, name="Big " + first.name, version=new_version())
    stores.items.commit(Replaced(first, renamed), ref(job(stores)), Success(), NOW)
    stores.items.commit(Created(other), ref(attempt), Success(), NOW)
    stores.items.commit(Removed(other), ref(job(stores)), Success(), NOW)
    create(stores, item(first.name))
    with pytest.raises(ValueLocked):
        stores.items.commit(
            Replaced(renamed, replace(renamed, name=first.name, version=new_version())),
            ref(job(stores)),
            Success(),
            NOW,
        )
    assert stores.items.get(first.item_id) == renamed


def test_a_rename_to_the_same_normalized_name_keeps_the_lock(stores: Stores) -> None:
    first = item("Cafe\u0301 " + secrets.token_hex(6))
    create(stores, first)
    composed = replace(first, name=first.name.replace("e\u0301", "\u00e9"), version=new_version())
    stores.items.commit(Replaced(first, composed), ref(job(stores)), Success(), NOW)
    assert stores.items.get(first.item_id) == composed
    with pytest.raises(ValueLocked):
        create(stores, item(first.name))


def test_only_the_version_that_was_read_can_be_changed(stores: Stores) -> None:
    old = item()
    create(stores, old)
    new = replace(old, version=new_version())
    stores.items.commit(Replaced(old, new), ref(job(stores)), Success(), NOW)
    attempt = job(stores)
    for change in (Replaced(old, replace(old, version=new_version())), Removed(old), Created(old)):
        with pytest.raises(ItemChanged):
            stores.items.commit(change, ref(attempt), Success(), NOW)
    assert stores.items.get(old.item_id) == new
    stores.items.commit(Removed(new), ref(attempt), Success(), NOW)
    with pytest.raises(ItemChanged):
        stores.items.commit(Removed(new), ref(job(stores)), Success(), NOW)


def test_an_ended_job_is_reported_before_other_reasons(stores: Stores) -> None:
    new = item()
    created = create(stores, new)
    for change in (Created(new), Replaced(item(), new), Removed(item())):
        with pytest.raises(JobEnded):
            stores.items.commit(change, ref(created), Success(), NOW)
    assert stores.items.get(new.item_id) == new


def test_pages_have_every_item_once(stores: Stores) -> None:
    created = {item().item_id: item() for _ in range(7)}
    for item_id, row in created.items():
        create(stores, replace(row, item_id=item_id))
    seen: list[str] = []
    after: Any = None
    while True:
        page = stores.items.page(3, after)
        assert len(page.items) <= 3
        seen += [row.item_id for row in page.items]
        after = page.next_after
        if after is None:
            break
    assert len(seen) == len(set(seen))
    assert set(created) <= set(seen)


def test_a_page_may_start_after_a_deleted_item(stores: Stores) -> None:
    deleted = item()
    create(stores, deleted)
    stores.items.commit(Removed(deleted), ref(job(stores)), Success(), NOW)
    assert deleted.item_id not in {row.item_id for row in stores.items.page(100, deleted.item_id).items}


def test_documents_are_put_listed_and_deleted(stores: Stores) -> None:
    prefix = f"items/{uuid.uuid4()}/job/"
    text = '{"name":"é"}'
    one, two = stores.documents.put(prefix + "1.json", text), stores.documents.put(prefix + "2.json", "{}")
    assert stores.documents.get(one) == (one, text)
    assert stores.documents.keys(prefix) == [one.key, two.key]
    stores.documents.delete([one.key])
    assert stores.documents.get(one) == (one, text), "the bucket still has its version"
    assert stores.documents.keys(prefix) == [two.key]
    stores.documents.delete([one.key, two.key])
    assert stores.documents.keys(prefix) == []
    assert stores.documents.get(DocumentRef(prefix + "none", "no-such-version")) is None
