"""A repair does not change data that changed after the audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import SetFields
from jobpipe.domain.jobs.job import Job, KeptCommand, Status, new_generation
from scripts.audit.confirm import Confirm
from scripts.audit.repair import Repaired, repair
from scripts.audit.resources import Resources
from scripts.audit.search import audit
from tests.contract.audited import LARGE, Audited, claim_of, lose_claim, new_create, one


def test_a_lock_that_became_valid_is_not_deleted(store: Audited) -> None:
    item = store.create()
    store.lock("new name", item.item_id)
    findings = store.audit()
    assert one(findings).kind == "lock without item"
    store.unlock("new name")
    store.apply(SetFields(item.item_id, {"name": "new name"}))  # the rename takes the lock
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.audit() == []


def test_a_lock_that_another_item_has_taken_is_not_deleted(store: Audited) -> None:
    store.lock("name", "no-such-item")
    findings = store.audit()
    store.unlock("name")
    item = store.create("name")
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.resources.lock_holder("name") == item.item_id


def test_an_item_that_was_renamed_gets_no_lock(store: Audited) -> None:
    item = store.create("old name")
    store.unlock("old name")
    findings = store.audit()
    store.apply(SetFields(item.item_id, {"name": "new name"}))
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.resources.lock_holder("old name") is None
    assert store.audit() == []


def test_an_item_does_not_get_the_lock_that_another_has_taken(store: Audited) -> None:
    store.create("name")
    store.unlock("name")
    findings = store.audit()
    other = store.create("name")
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.resources.lock_holder("name") == other.item_id
    assert store.kinds() == ["name held twice"]


@pytest.mark.parametrize("deleted", [True, False])
def test_a_document_that_was_superseded_since_the_audit_is_not_restored(store: Audited, deleted: bool) -> None:
    item = store.create()
    if deleted:
        store.stores.documents.delete([item.document.key])
    else:
        store.remove_versions(item.document.key)
    findings = store.audit()
    store.apply(SetFields(item.item_id, {"price": 1}))
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert not store.exists(item.document.key)
    assert store.audit() == []


def test_a_job_that_ended_since_the_audit_keeps_its_status(store: Audited) -> None:
    job = store.accept(new_create())
    findings = store.audit()
    store.stores.jobs.cancel(job.ref, now())
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.job(job).status is Status.CANCELLED


@pytest.mark.parametrize("began", [False, True])
def test_a_job_whose_request_was_replayed_since_the_audit_is_not_failed(store: Audited, began: bool) -> None:
    """The replay sends a message and changes no row."""
    commands = [new_create(), new_create()]
    jobs = [store.accept(command) for command in commands]
    if began:
        for job in jobs:
            store.stores.jobs.begin_attempt(job.ref, 0, now())
    findings = store.audit()
    assert len(findings) == 2
    late = next(n for n, job in enumerate(jobs) if job.job_id == findings[1].subject)

    def replay(_: Repaired) -> None:
        """Send a message between the first repair and the second."""
        store.send(jobs[late], commands[late])

    repaired = repair(findings, store.resources, on_repaired=replay)
    assert [each.mended for each in repaired] == [True, False]
    assert "messages wait" in repaired[1].note
    assert not store.job(jobs[late]).status.done


@pytest.mark.parametrize("began", [False, True])
def test_a_job_that_was_answered_since_the_audit_is_not_failed(store: Audited, began: bool) -> None:
    """SQS may not count its message yet."""
    job = store.accept(new_create())
    if began:
        store.stores.jobs.begin_attempt(job.ref, 0, now())
    at = now()
    findings = audit(store.resources, now=at)
    answered: list[datetime | None] = []

    def was_answered(_: Job, since: datetime | None) -> bool:
        answered.append(since)
        return True

    repaired = repair(findings, replace(store.resources, was_answered=was_answered))
    assert [each.mended for each in repaired] == [False]
    assert "got a 202" in repaired[0].note
    # A lost job was answered before; only an answer since the audit matters.
    assert answered == [at if began else None]
    assert not store.job(job).status.done


def test_a_claim_check_that_its_job_no_longer_needs_is_not_restored(store: Audited) -> None:
    job_id = lose_claim(store)
    findings = store.audit()
    job = store.stores.jobs.get(job_id)
    assert job is not None
    ref = replace(job.ref, generation=new_generation())
    store.stores.jobs.requeue(ref, job.generation, now())
    store.stores.jobs.cancel(ref, now())
    assert [each.mended for each in repair(findings, store.resources)] == [False]
    assert store.audit() == []


def test_suspects_that_became_consistent_are_not_findings(store: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their data changes between the scans and the confirmation."""
    item = store.create("renamed", LARGE)
    store.lock("renamed", "no-such-item")
    store.stores.documents.delete([item.document.key])
    waiting = store.accept(new_create())
    assert len(store.audit()) == 4
    lock_holder = Resources.lock_holder

    def change(resources: Resources, name: str) -> str | None:
        monkeypatch.setattr(Resources, "lock_holder", lock_holder)
        store.lock("renamed", item.item_id)
        store.stores.jobs.cancel(waiting.ref, now())
        return lock_holder(resources, name)

    monkeypatch.setattr(Resources, "lock_holder", change)
    assert store.kinds() == ["dangling pointer"], "it was confirmed before the change"


def test_no_consistent_suspect_is_confirmed(store: Audited) -> None:
    """Every method gets a consistent suspect."""
    confirm = Confirm(store.resources, now())
    item, other = store.create("one"), store.create("two")
    old = item.document.key
    store.apply(SetFields(item.item_id, {"price": 1}))  # this deletes the old document
    done = store.apply(SetFields(item.item_id, {"price": 2}))
    failed = store.accept(new_create())
    store.stores.documents.put(claim_of(failed), "{}")
    store.fail(failed, KeptCommand(claim=claim_of(failed)))
    suspected = [
        confirm.dangling_pointer(item.item_id, old),
        confirm.dangling_pointer(other.item_id, other.document.key),
        confirm.dangling_pointer("no-such-item", old),
        confirm.orphan_document(other.document.key, superseded=False),
        confirm.orphan_document(old, superseded=False),
        confirm.lock_without_item("one"),
        confirm.lock_without_item("no such name"),
        confirm.item_without_lock(item.item_id),
        confirm.item_without_lock("no-such-item"),
        confirm.name_held_twice("one", item.item_id, other.item_id),
        confirm.unfinished_job(done.job_id, done.generation, done.updated_at, has_document=True),
        confirm.unfinished_job("ab" * 16, "ab" * 8, done.updated_at, has_document=False),
        confirm.orphan_claim(claim_of(failed)),
        confirm.orphan_claim(claim_of(done)),
        confirm.missing_claim(failed.job_id, claim_of(failed)),
        confirm.missing_claim(done.job_id, claim_of(done)),
    ]
    assert suspected == [None] * len(suspected)
