"""The audit on emulated AWS: it finds, reports and repairs each kind of damage, and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import DeleteItem, SetFields
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.jobs.job import KeptCommand, new_generation
from jobpipe.runtime.aws import AwsClients
from scripts.audit.kinds import KINDS
from scripts.audit.search import audit
from tests.contract.audited import LARGE, Audited, claim_of, claim_to_wait, lose_claim, new_create, one
from tests.contract.audited_collections import DAMAGES as OF_LOOKUPS
from tests.helpers.stored import document_key

# --- consistent states --------------------------------------------------------------------------------------------


def test_an_empty_store_is_clean(store: Audited) -> None:
    assert store.audit() == []


def test_a_store_after_normal_commands_is_clean(store: Audited) -> None:
    items = [store.create(text=LARGE if n % 2 else "x") for n in range(4)]
    store.apply(SetFields(items[0].item_id, {"name": "e\u0301"}))  # the lock has the composed form
    store.apply(SetFields(items[1].item_id, {"price": 1}))
    store.apply(DeleteItem(items[2].item_id))
    failed = store.accept(new_create())
    store.stores.documents.put(claim_of(failed), "{}")
    store.fail(failed, KeptCommand(claim=claim_of(failed)))
    store.stores.jobs.cancel(store.accept(new_create()).ref, now())
    assert store.audit() == []


def test_a_clean_audit_makes_six_calls(store: Audited) -> None:
    store.create()
    calls: list[str] = []
    clients = AwsClients(make=store.resources.clients.make)
    for client in (clients.dynamodb, clients.s3, clients.sqs):
        client.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    assert audit(replace(store.resources, clients=clients)) == []
    assert sorted(calls) == ["ListObjectsV2", *["Scan"] * 5]


def test_an_unfinished_job_is_not_a_finding_while_messages_wait(store: Audited) -> None:
    command = new_create()
    job = store.accept(command)
    store.stores.documents.put(claim_of(job), "{}")
    for url in store.resources.queue_urls:
        store.resources.clients.sqs.send_message(
            QueueUrl=url, MessageBody="{}", MessageGroupId="g", MessageDeduplicationId=uuid.uuid4().hex
        )
        assert store.audit() == []
        store.resources.clients.sqs.purge_queue(QueueUrl=url)
    assert store.kinds() == ["never answered 202"]


def test_a_message_in_flight_counts_as_waiting(store: Audited) -> None:
    command = new_create()
    store.send(store.accept(command), command)
    sqs, url = store.resources.clients.sqs, store.resources.queue_urls[0]
    assert len(sqs.receive_message(QueueUrl=url)["Messages"]) == 1
    assert store.audit() == []


def test_recent_changes_are_ignored(store: Audited) -> None:
    for damage in DAMAGES.values():
        damage(store)
    found = audit(store.resources, older_than=600)
    timeless = {"lock without item", "malformed row"}
    assert {finding.kind for finding in found} == timeless, "these have no time of change"
    later = audit(store.resources, older_than=600, now=now() + timedelta(seconds=700))
    assert {finding.kind for finding in later} >= set(DAMAGES)


# --- each kind of damage -----------------------------------------------------------------------------


def dangling(store: Audited) -> str:
    item = store.create(text=LARGE)
    store.stores.documents.delete([item.document.key])
    return item.item_id


def orphan(store: Audited) -> str:
    item, job = store.create(), store.apply(DeleteItem(store.create().item_id))
    key = document_key(item.item_id, job.ref, new_version())
    store.stores.documents.put(key, "{}")
    return key


def stale_lock(store: Audited) -> str:
    name = f"stale {uuid.uuid4()}"
    store.lock(name, str(uuid.uuid4()))
    return name


def unlocked(store: Audited) -> str:
    item = store.create()
    store.unlock(item.name)
    return item.item_id


def two_items_with_one_name(store: Audited) -> str:
    name = f"twice {uuid.uuid4()}"
    store.create(name)
    store.unlock(name)
    store.create(name)
    return name


def never_answered(store: Audited) -> str:
    return store.accept(new_create()).job_id


def lost(store: Audited) -> str:
    job = store.accept(new_create())
    store.stores.jobs.begin_attempt(job.ref, 0, now())
    return job.job_id


def orphan_claim(store: Audited) -> str:
    key = claim_of(store.apply(DeleteItem(store.create().item_id)))
    store.stores.documents.put(key, "{}")
    return key


def malformed(store: Audited) -> str:
    job = store.apply(new_create())
    store.set_job(job, attempts={"S": "one"})
    return job.job_id


def never_stored(store: Audited) -> str:
    """A large command whose request died between its two writes."""
    return store.wait_since(timedelta(hours=2), text="x" * 20_000).job_id


def overdue(store: Audited) -> str:
    return store.wait_since(timedelta(hours=2)).job_id


DAMAGES: dict[str, Callable[[Audited], str]] = {
    "malformed row": malformed,
    "dangling pointer": dangling,
    "orphan document": orphan,
    "lock without item": stale_lock,
    "item without lock": unlocked,
    "name held twice": two_items_with_one_name,
    "never answered 202": never_answered,
    "never stored": never_stored,
    "overdue": overdue,
    "lost": lost,
    "orphan claim": orphan_claim,
    "missing claim": lose_claim,
}


UNREPAIRED = ["malformed row", "name held twice", "overdue"]


def test_every_kind_of_finding_has_a_test() -> None:
    assert set(DAMAGES) | set(OF_LOOKUPS) == {kind.kind for kind in KINDS}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_reported_and_repaired(store: Audited, kind: str) -> None:
    store.create()
    store.apply(SetFields(store.create().item_id, {"price": 1}))
    subject = DAMAGES[kind](store)
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == (kind, subject)
    assert finding.detail
    (repaired,) = store.repair()
    assert repaired.mended == (kind not in UNREPAIRED)


def test_all_kinds_of_damage_at_once(store: Audited) -> None:
    subjects = {(kind, damage(store)) for kind, damage in DAMAGES.items()}
    assert {(finding.kind, finding.subject) for finding in store.audit()} == subjects
    store.repair()
    assert store.kinds() == UNREPAIRED


def test_a_job_that_waits_is_clean(store: Audited) -> None:
    store.stores.documents.put(claim_to_wait(store.wait_since(-timedelta(hours=1), text="x" * 20_000)), "{}")
    store.wait_since(timedelta(minutes=50))
    cancelled = store.wait_since(-timedelta(hours=1), text="x" * 20_000)
    store.stores.documents.put(claim_to_wait(cancelled), "{}")
    store.stores.jobs.cancel(cancelled.ref, now(), make_due=True)
    assert store.audit() == []


def test_a_command_for_which_no_job_waits_is_found_and_deleted(store: Audited) -> None:
    key = f"scheduled/{uuid.uuid4().hex}/00/{'0' * 64}.json"
    store.stores.documents.put(key, "{}")
    finding = one(store.audit())
    assert (finding.kind, finding.subject) == ("orphan claim", key)
    store.repair()
    assert store.audit() == []


# --- expiry, generations, keys of unknown form --------------------------------------------------------------------


def test_an_expired_job_counts_as_missing(store: Audited) -> None:
    store.expire(store.accept(new_create()))
    assert store.audit() == []
    job = store.accept(new_create())
    document, claim = document_key(job.item_id, job.ref, new_version()), claim_of(job)
    for key in (document, claim):
        store.stores.documents.put(key, "{}")
    store.expire(job)
    assert store.kinds() == ["orphan document"]
    store.repair()
    assert not store.exists(document)
    assert store.exists(claim), "the bucket's lifecycle deletes it"


def test_a_retried_job_still_needs_its_first_claim_check(store: Audited) -> None:
    job = store.accept(new_create())
    claim = claim_of(job)
    store.stores.documents.put(claim, "{}")
    store.fail(job, KeptCommand(claim=claim))
    store.stores.jobs.requeue(replace(job.ref, generation=new_generation()), job.generation, now())
    assert store.kinds() == ["lost"]
    assert store.exists(claim)


def test_the_claim_check_of_an_earlier_job_with_the_same_id_is_not_a_finding(store: Audited) -> None:
    first = store.accept(new_create(), key="k")
    store.stores.documents.put(claim_of(first), "{}")
    store.expire(first)
    second = store.accept(new_create(), key="k")
    assert second.job_id == first.job_id
    store.fail(second, None)
    store.set_job(second, created_at={"S": rfc3339(now() + timedelta(minutes=1))})
    assert store.audit() == []
    store.set_job(second, created_at={"S": rfc3339(now())})
    assert store.kinds() == ["orphan claim"], "the claim check of the later job"


def test_the_document_of_an_unfinished_job_is_not_a_finding(store: Audited) -> None:
    command = new_create()
    job = store.accept(command)
    key = document_key(job.item_id, job.ref, new_version())
    store.stores.documents.put(key, "{}")
    store.send(job, command)
    assert store.audit() == []
    store.set_job(job, generation={"S": new_generation()})
    assert store.kinds() == ["orphan document"], "a later generation does not commit the document"


@pytest.mark.parametrize("key", ["items/x.json", "collections/x.json", "claims/x.json"])
def test_a_key_of_unknown_form_is_reported_and_not_deleted(store: Audited, key: str) -> None:
    store.stores.documents.put(key, "{}")
    (repaired,) = store.repair()
    assert not repaired.mended
    assert store.exists(key)
