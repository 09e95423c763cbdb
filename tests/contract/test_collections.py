"""One suite for both stores of a collection, in memory and on DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobpipe.domain.documents.item import Change, Created, MalformedItem, Removed, Replaced
from jobpipe.domain.errors import ItemChanged, JobEnded, ValueLocked
from jobpipe.domain.jobs.job import Status
from jobpipe.stores.documents.dynamodb_collections import partition_key
from tests.contract.collection_stores import KINDS, Shelf, changed, document, opened

FIRST, SECOND, THIRD = (f"2026-11-22T12:00:0{second}.000Z" for second in range(3))


@pytest.fixture(params=KINDS)
def shelf(request: pytest.FixtureRequest) -> Iterator[Shelf]:
    with opened(request.param) as found:
        yield found


def lock(shelf: Shelf, value: str, field: str = "invoice") -> dict[str, str]:
    return {field: f"{shelf.name}##{field}#s#{value}"}


def ids_by(shelf: Shelf, key: str, limit: int = 100) -> list[str]:
    """Return the ids that an index lists, page by page."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = shelf.store().list_with_value(key, limit, after)
        assert len(page.items) <= limit
        found += [each.item_id for each in page.items]
        after = page.next_after
        if after is None:
            return found


def all_ids(shelf: Shelf, limit: int, scope: str = "") -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = shelf.store(scope).page(limit, after)
        assert len(page.items) <= limit
        assert not any(isinstance(each, MalformedItem) for each in page.items)
        found += [each.item_id for each in page.items]
        after = page.next_after
        if after is None:
            return found


@pytest.mark.parametrize("inline", [None, '{"n":12345678901234567890123456789012345.99,"\u00e9":"\U0001f9ca"}'])
def test_a_document_is_read_as_it_was_committed(shelf: Shelf, inline: str | None) -> None:
    new = document(
        inline=inline, locks=lock(shelf, "\u00e9\U0001f9ca#/"), entries={"customer": f"{shelf.name}##customer#s#a"}
    )
    job = shelf.commit(Created(new))
    assert shelf.store().get(new.item_id) == new
    ended = shelf.jobs.get(job.job_id)
    assert ended is not None
    assert (ended.status, ended.result) == (Status.SUCCEEDED, "{}")


@pytest.mark.parametrize("item_id", ["none", "", "8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a", "A", "\u0661", "x/../y"])
def test_there_is_no_other_document(shelf: Shelf, item_id: str) -> None:
    assert shelf.store().get(item_id) is None


def test_another_collection_or_scope_has_other_documents(shelf: Shelf) -> None:
    new, other = document(), Shelf(shelf.jobs, shelf.open)
    shelf.commit(Created(new))
    assert shelf.store("alice").get(new.item_id) is None
    assert other.store().get(new.item_id) is None
    shelf.commit(Created(replace(new, inline="{}")), "alice")
    assert shelf.store().get(new.item_id) == new
    assert (all_ids(shelf, 10), all_ids(shelf, 10, "alice"), all_ids(other, 10)) == (
        [new.item_id],
        [new.item_id],
        [],
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_have_every_document_once(shelf: Shelf, limit: int) -> None:
    created = [document() for _ in range(9)]
    for each in created:
        shelf.commit(Created(each))
    assert sorted(all_ids(shelf, limit)) == sorted(each.item_id for each in created)


def test_pages_pass_over_empty_partitions(shelf: Shelf) -> None:
    ids = [f"8f14e45f-ceea-467f-a8d0-3f5e0c9d1b{n}{last}" for n in range(2) for last in "37"]
    for each in ids:
        shelf.commit(Created(document(item_id=each)))
    assert len({partition_key(shelf.name, "", each) for each in ids}) == 1
    for limit in (1, 2, 3, 4, 5):
        assert sorted(all_ids(shelf, limit)) == sorted(ids)


def test_a_page_may_start_after_a_deleted_document(shelf: Shelf) -> None:
    deleted = document()
    shelf.commit(Created(deleted))
    shelf.commit(Removed(deleted))
    assert not shelf.store().page(100, deleted.item_id).items


def test_a_unique_value_is_held_until_a_change_or_a_removal(shelf: Shelf) -> None:
    value = lock(shelf, "7")
    first, other, attempt = document(locks=value), document(locks=value), shelf.job()
    shelf.commit(Created(first))
    assert shelf.store().holder(value["invoice"]) == first.item_id
    with pytest.raises(ValueLocked) as refused:
        shelf.commit(Created(other), job=attempt)
    assert (refused.value.field, refused.value.existing) == ("invoice", first.item_id)
    assert shelf.store().get(other.item_id) is None
    assert shelf.jobs.get(attempt.job_id) == attempt, "a cancelled transaction does not change the job"

    moved = changed(first, locks=lock(shelf, "8"))
    shelf.commit(Replaced(first, moved))
    assert shelf.store().holder(value["invoice"]) is None
    shelf.commit(Created(other), job=attempt)
    with pytest.raises(ValueLocked):
        shelf.commit(Replaced(moved, changed(moved, locks=value)))
    assert shelf.store().get(first.item_id) == moved
    shelf.commit(Removed(other))
    freed = changed(moved, locks=value)
    shelf.commit(Replaced(moved, freed))
    assert shelf.store().holder(value["invoice"]) == first.item_id
    assert shelf.store().holder(lock(shelf, "8")["invoice"]) is None
    without = changed(freed, locks={})
    shelf.commit(Replaced(freed, without))
    assert shelf.store().holder(value["invoice"]) is None


def test_the_second_of_two_unique_fields_is_named(shelf: Shelf) -> None:
    held = lock(shelf, "1", "b")
    first = document(locks=held)
    shelf.commit(Created(first))
    with pytest.raises(ValueLocked) as refused:
        shelf.commit(Created(document(locks={**lock(shelf, "1", "a"), **held})))
    assert (refused.value.field, refused.value.existing) == ("b", first.item_id)
    assert shelf.store().holder(lock(shelf, "1", "a")["a"]) is None, "all or nothing"


def test_a_change_that_keeps_its_value_keeps_its_lock(shelf: Shelf) -> None:
    value = lock(shelf, "7")
    old = document(locks=value)
    shelf.commit(Created(old))
    shelf.commit(Replaced(old, changed(old)))
    assert shelf.store().holder(value["invoice"]) == old.item_id


def test_an_index_lists_the_newest_change_first(shelf: Shelf) -> None:
    entry = {"customer": f"{shelf.name}##customer#s#alice"}
    one, two = document(FIRST, entries=entry), document(SECOND, entries=entry)
    for each in (one, two):
        shelf.commit(Created(each))
    assert ids_by(shelf, entry["customer"]) == [two.item_id, one.item_id]
    newest = changed(one, THIRD)
    shelf.commit(Replaced(one, newest))
    for limit in (1, 2, 100):
        assert ids_by(shelf, entry["customer"], limit) == [one.item_id, two.item_id]
    gone = changed(newest, THIRD, entries={"customer": f"{shelf.name}##customer#s#bob"})
    shelf.commit(Replaced(newest, gone))
    assert ids_by(shelf, entry["customer"]) == [two.item_id]
    assert ids_by(shelf, gone.entries["customer"]) == [one.item_id]
    shelf.commit(Removed(two))
    shelf.commit(Removed(gone))
    assert ids_by(shelf, entry["customer"]) == ids_by(shelf, gone.entries["customer"]) == []


def test_two_changes_in_one_millisecond_keep_their_entry(shelf: Shelf) -> None:
    entry = {"customer": f"{shelf.name}##customer#s#alice", "status": f"{shelf.name}##status#s#open"}
    old = document(FIRST, entries=entry)
    shelf.commit(Created(old))
    new = changed(old, FIRST, entries={**entry, "status": f"{shelf.name}##status#s#paid"})
    shelf.commit(Replaced(old, new))
    assert ids_by(shelf, entry["customer"]) == ids_by(shelf, new.entries["status"]) == [old.item_id]
    assert ids_by(shelf, entry["status"]) == []
    shelf.commit(Removed(new))
    assert ids_by(shelf, entry["customer"]) == []


def test_documents_of_one_millisecond_are_all_listed(shelf: Shelf) -> None:
    entry = {"customer": f"{shelf.name}##customer#s#alice"}
    created = [document(FIRST, entries=entry) for _ in range(5)]
    for each in created:
        shelf.commit(Created(each))
    for limit in (1, 2, 5):
        assert ids_by(shelf, entry["customer"], limit) == sorted((each.item_id for each in created), reverse=True)


def test_only_the_version_that_was_read_can_be_changed(shelf: Shelf) -> None:
    old = document(locks=lock(shelf, "7"))
    shelf.commit(Created(old))
    new = changed(old)
    shelf.commit(Replaced(old, new))
    attempt = shelf.job()
    for change in (Replaced(old, changed(old)), Removed(old), Created(old)):
        with pytest.raises(ItemChanged):
            shelf.commit(change, job=attempt)
    assert shelf.store().get(old.item_id) == new
    shelf.commit(Removed(new), job=attempt)
    with pytest.raises(ItemChanged):
        shelf.commit(Removed(new))


def test_an_ended_job_is_reported_before_other_reasons(shelf: Shelf) -> None:
    new = document(locks=lock(shelf, "7"))
    ended = shelf.commit(Created(new))
    others: list[Change] = [Created(new), Created(document(locks=lock(shelf, "7"))), Removed(document())]
    for change in others:
        with pytest.raises(JobEnded):
            shelf.commit(change, job=ended)
    assert shelf.store().get(new.item_id) == new


def test_a_changed_document_is_reported_before_a_taken_value(shelf: Shelf) -> None:
    shelf.commit(Created(document(locks=lock(shelf, "7"))))
    with pytest.raises(ItemChanged):
        shelf.commit(Replaced(document(), document(locks=lock(shelf, "7"))))
