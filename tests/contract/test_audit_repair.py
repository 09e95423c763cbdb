"""The audit's repairs on emulated AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobpipe.domain import json_text
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import SetFields
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.jobs.job import KeptCommand, Status, new_generation
from jobpipe.domain.jobs.retry import retry
from jobpipe.stores.queues.sqs_commands import SqsCommands
from scripts.audit.search import audit
from tests.contract.audited import LARGE, Audited, claim_of, new_create, one
from tests.helpers.stored import document_key


def test_a_deleted_document_is_restored(store: Audited) -> None:
    item = store.create(text=LARGE)
    store.stores.documents.delete([item.document.key] * 2)  # it gets two delete markers
    store.repair()
    assert store.item(item.item_id) == item
    assert store.exists(item.document.key)


def test_a_missing_document_is_put_from_the_row(store: Audited) -> None:
    item = store.create()
    store.remove_versions(item.document.key)
    assert one(store.audit()).remedy == "put the document again from the row"
    store.repair()
    repaired = store.item(item.item_id)
    assert store.stores.documents.get(repaired.document) == (repaired.document, item.inline)
    assert replace(repaired, document=item.document) == item, "nothing else changes"
    store.apply(SetFields(item.item_id, {"price": 1}))
    assert store.audit() == []


def test_a_missing_document_without_a_copy_is_not_repaired(store: Audited) -> None:
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
    assert store.resources.lock_holder(item.name) == item.item_id
    assert store.resources.lock_holder(other.name) == other.item_id


def test_a_lost_job_fails_and_its_objects_are_deleted(store: Audited) -> None:
    job = store.accept(new_create())
    key = document_key(job.item_id, job.ref, new_version())
    earlier = claim_of(replace(job, fingerprint="ab" * 32))  # of an earlier job of the same id
    for each in (key, earlier):
        store.stores.documents.put(each, "{}")
    finding = one(store.audit())
    assert finding.remedy == "end it as failed"
    assert finding.kind == "lost"
    assert "document" in finding.detail
    store.repair()
    ended = store.job(job)
    assert ended.status is Status.FAILED
    assert ended.attempts == 0
    assert ended.kept is None
    assert ended.error is not None
    assert ended.error["type"].endswith(":internal-error")
    assert not store.exists(key)
    assert not store.exists(earlier)


@pytest.mark.parametrize("retried", [False, True])
def test_a_lost_command_that_has_a_claim_check_can_be_retried(store: Audited, retried: bool) -> None:
    """The claim check is the only copy of the command."""
    command = new_create()
    job = store.accept(command)
    key, earlier = claim_of(job), claim_of(replace(job, generation="0" * 16))
    store.stores.documents.put(key, json_text.encode(command.to_raw()))
    if retried:  # a retried job has the claim check of its first generation
        store.fail(job, KeptCommand(claim=key))
        job = store.stores.jobs.requeue(replace(job.ref, generation=new_generation()), job.generation, now())
    else:
        store.stores.jobs.begin_attempt(job.ref, 0, now())
        store.stores.documents.put(earlier, "{}")
    finding = one(store.audit())
    assert finding.kind == "lost"
    assert finding.remedy is not None
    assert "retried" in finding.remedy
    store.repair()
    ended = store.job(job)
    assert ended.kept == KeptCommand(claim=key)
    assert not store.exists(earlier)
    queue = SqsCommands(store.resources.clients, store.resources.queue_urls[0])
    stores = store.stores
    retried_job = retry(ended, jobs=stores.jobs, documents=stores.documents, queue=queue, request_id="r", at=now())
    assert retried_job.status is Status.QUEUED


def test_a_command_that_was_never_accepted_is_not_stored(store: Audited) -> None:
    job = store.accept(new_create())
    store.stores.documents.put(claim_of(job), "{}")
    assert store.kinds() == ["never answered 202"]
    store.repair()
    assert store.job(job).kept is None
    assert not store.exists(claim_of(job))


def test_a_committed_document_is_not_deleted_even_if_its_job_is_unfinished(store: Audited) -> None:
    """A restored backup of the jobs table may have such a job."""
    command = new_create()
    job = store.apply(command)
    store.set_job(job, status={"S": "queued"})
    assert store.kinds() == ["lost"]
    store.repair()
    assert store.exists(store.item(command.item_id).document.key)


def test_a_job_that_was_never_answered_fails_as_unavailable(store: Audited) -> None:
    job = store.accept(new_create())
    store.repair()
    error = store.job(job).error
    assert error is not None
    assert error["type"].endswith(":unavailable")


@pytest.mark.parametrize("trace", ["began", "retrying", "retried", "logged"])
def test_a_job_with_a_trace_is_lost(store: Audited, trace: str) -> None:
    job = store.accept(new_create())
    resources = store.resources
    if trace == "began":
        store.stores.jobs.begin_attempt(job.ref, 0, now())
    elif trace == "retrying":
        store.stores.jobs.record_interruption(job.ref, {"type": "urn:jobpipe:problem:unavailable"}, 0, 1, now())
    elif trace == "retried":
        store.fail(job, KeptCommand(command=json_text.encode(new_create().to_raw())))
        store.stores.jobs.requeue(replace(job.ref, generation=new_generation()), job.generation, now())
    else:
        resources = replace(resources, was_answered=lambda each, _: each.job_id == job.job_id)
    assert one(audit(resources)).kind == "lost"
