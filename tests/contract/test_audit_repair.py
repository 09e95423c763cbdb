"""What the audit's repairs leave on a real (emulated) AWS, and what they leave alone because it has changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobpipe import json_text
from jobpipe.clock import now
from jobpipe.commands import SetFields
from jobpipe.item import document_key, new_version
from jobpipe.job import KeptCommand, Status, new_generation
from scripts.audit_confirm import Confirm
from scripts.audit_places import Places
from scripts.audit_repair import repair
from scripts.audit_search import audit
from tests.contract.audited import LARGE, Audited, claim_of, lose_claim, new_create, one

# --- what a repair leaves -----------------------------------------------------------------------------------------


def test_a_deleted_document_comes_back(store: Audited) -> None:
    item = store.create(text=LARGE)
    store.stores.documents.delete([item.document.key] * 2)  # two markers
    store.repair()
    assert store.item(item.item_id) == item
    assert store.is_there(item.document.key)


def test_a_document_that_is_gone_is_put_from_the_row(store: Audited) -> None:
    item = store.create()
    store.remove_versions(item.document.key)
    assert one(store.audit()).remedy == "put the document anew from the row"
    store.repair()
    mended = store.item(item.item_id)
    assert store.stores.documents.get(mended.document) == item.inline
    assert replace(mended, document=item.document) == item, "nothing else has changed"
    store.apply(SetFields(item.item_id, {"price": 1}))
    assert store.audit() == []


def test_a_document_that_is_gone_altogether_needs_a_person(store: Audited) -> None:
    item = store.create(text=LARGE)
    store.remove_versions(item.document.key)
    (repaired,) = store.repair()
    assert not repaired.mended
    assert repaired.finding.remedy is None


def test_the_lock_of_another_item_is_replaced(store: Audited) -> None:
    item, other = store.create(), store.create()
    store.lock(item.name, other.item_id)
    assert store.kinds() == ["lock without item", "item without lock"]
    store.repair()
    assert store.places.lock_holder(item.name) == item.item_id
    assert store.places.lock_holder(other.name) == other.item_id


def test_a_lost_job_ends_failed_with_nothing_left_of_it(store: Audited) -> None:
    job = store.accept(new_create())
    key = document_key(job.item_id, job.ref, new_version())
    store.stores.documents.put(key, "{}")
    store.stores.documents.put(claim_of(job), "{}")
    finding = one(store.audit())
    assert finding.kind == "lost"
    assert "document" in finding.detail
    store.repair()
    ended = store.job(job)
    assert ended.status is Status.FAILED
    assert ended.attempts == 0
    assert ended.kept is None
    assert ended.error is not None
    assert ended.error["type"].endswith(":internal-error")
    assert not store.is_there(key)
    assert not store.is_there(claim_of(job))


def test_a_committed_document_is_spared_even_if_its_job_was_set_back(store: Audited) -> None:
    """As a jobs table that was restored from a backup would have it."""
    command = new_create()
    job = store.apply(command)
    store.set_job(job, status={"S": "queued"})
    assert store.kinds() == ["lost"]
    store.repair()
    assert store.is_there(store.item(command.item_id).document.key)


def test_a_job_that_was_never_answered_ends_as_unavailable(store: Audited) -> None:
    job = store.accept(new_create())
    store.repair()
    error = store.job(job).error
    assert error is not None
    assert error["type"].endswith(":unavailable")


@pytest.mark.parametrize("trace", ["began", "retrying", "retried", "logged"])
def test_a_job_with_a_trace_is_lost(store: Audited, trace: str) -> None:
    job = store.accept(new_create())
    places = store.places
    if trace == "began":
        store.stores.jobs.begin_attempt(job.ref, 0, now())
    elif trace == "retrying":
        store.stores.jobs.hold(job.ref, {"type": "urn:jobpipe:problem:unavailable"}, 0, 1, now())
    elif trace == "retried":
        store.fail(job, KeptCommand(command=json_text.encode(new_create().to_raw())))
        store.stores.jobs.requeue(replace(job.ref, generation=new_generation()), job.generation, now())
    else:
        places = replace(places, was_answered=lambda asked: asked.job_id == job.job_id)
    assert one(audit(places)).kind == "lost"


# --- races: what changes between audit and repair is left alone ---------------------------------------------------


def test_a_lock_that_came_to_be_right_stays(store: Audited) -> None:
    item = store.create()
    store.lock("new name", item.item_id)
    findings = store.audit()
    assert one(findings).kind == "lock without item"
    store.unlock("new name")
    store.apply(SetFields(item.item_id, {"name": "new name"}))  # the rename locks it
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.audit() == []


def test_a_lock_that_another_item_took_stays(store: Audited) -> None:
    store.lock("name", "no-such-item")
    findings = store.audit()
    store.unlock("name")
    item = store.create("name")
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.places.lock_holder("name") == item.item_id


def test_an_item_that_was_renamed_gets_no_lock(store: Audited) -> None:
    item = store.create("old name")
    store.unlock("old name")
    findings = store.audit()
    store.apply(SetFields(item.item_id, {"name": "new name"}))
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.places.lock_holder("old name") is None
    assert store.audit() == []


def test_a_name_that_another_item_took_stays_its_own(store: Audited) -> None:
    store.create("name")
    store.unlock("name")
    findings = store.audit()
    other = store.create("name")
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.places.lock_holder("name") == other.item_id
    assert store.kinds() == ["name held twice"]


@pytest.mark.parametrize("deleted", [True, False])
def test_a_document_that_was_superseded_meanwhile_stays_deleted(store: Audited, deleted: bool) -> None:
    item = store.create()
    if deleted:
        store.stores.documents.delete([item.document.key])
    else:
        store.remove_versions(item.document.key)
    findings = store.audit()
    store.apply(SetFields(item.item_id, {"price": 1}))
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert not store.is_there(item.document.key)
    assert store.audit() == []


def test_a_job_that_ended_meanwhile_stays_as_it_ended(store: Audited) -> None:
    job = store.accept(new_create())
    findings = store.audit()
    store.stores.jobs.cancel(job.ref, now())
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.job(job).status is Status.CANCELLED


def test_a_claim_that_its_job_used_up_meanwhile_stays_deleted(store: Audited) -> None:
    job_id = lose_claim(store)
    findings = store.audit()
    job = store.stores.jobs.get(job_id)
    assert job is not None
    ref = replace(job.ref, generation=new_generation())
    store.stores.jobs.requeue(ref, job.generation, now())
    store.stores.jobs.cancel(ref, now())
    assert [each.mended for each in repair(findings, store.places)] == [False]
    assert store.audit() == []


def test_suspects_that_are_innocent_by_now_are_no_findings(store: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens between the scans and the second look: every suspect is set right."""
    item = store.create("renamed", LARGE)
    store.lock("renamed", "no-such-item")
    store.stores.documents.delete([item.document.key])
    waiting = store.accept(new_create())
    assert len(store.audit()) == 4
    look = Places.lock_holder

    def late(places: Places, name: str) -> str | None:
        monkeypatch.setattr(Places, "lock_holder", look)
        store.lock("renamed", item.item_id)
        store.stores.jobs.cancel(waiting.ref, now())
        return look(places, name)

    monkeypatch.setattr(Places, "lock_holder", late)
    assert store.kinds() == ["dangling pointer"], "which was confirmed before"


def test_the_second_look_acquits_by_itself(store: Audited) -> None:
    """Of everything that is right, as if a check had suspected all there is."""
    look = Confirm(store.places, now())
    item, other = store.create("one"), store.create("two")
    old = item.document.key
    store.apply(SetFields(item.item_id, {"price": 1}))  # and deletes the old document
    done = store.apply(SetFields(item.item_id, {"price": 2}))
    failed = store.accept(new_create())
    store.stores.documents.put(claim_of(failed), "{}")
    store.fail(failed, KeptCommand(claim=claim_of(failed)))
    suspected = [
        look.dangling_pointer(item.item_id, old),
        look.dangling_pointer(other.item_id, other.document.key),
        look.dangling_pointer("no-such-item", old),
        look.orphan_document(other.document.key),
        look.orphan_document(old),
        look.lock_without_item("one"),
        look.lock_without_item("no such name"),
        look.item_without_lock(item.item_id),
        look.item_without_lock("no-such-item"),
        look.name_held_twice("one", item.item_id, other.item_id),
        look.unfinished_job(done.job_id, done.generation, has_document=True),
        look.unfinished_job("ab" * 16, "ab" * 8, has_document=False),
        look.orphan_claim(claim_of(failed)),
        look.orphan_claim(claim_of(done)),
        look.missing_claim(failed.job_id, claim_of(failed)),
        look.missing_claim(done.job_id, claim_of(done)),
    ]
    assert suspected == [None] * len(suspected)
