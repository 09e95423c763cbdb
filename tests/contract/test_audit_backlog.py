"""While messages wait, the audit reports the suspects that it cannot judge, and still finds the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.documents.item import new_version
from jobpipe.domain.errors import AttemptsSpent, InternalError
from jobpipe.domain.jobs.job import Job
from jobpipe.domain.limits import QUEUE_RETENTION
from jobpipe.runtime.aws import AwsClients
from scripts.audit import __main__ as audit_command
from scripts.audit.search import audit
from tests.contract.audited import Audited, claim_of, new_create
from tests.helpers.stored import document_key


@pytest.fixture
def run(
    store: Audited, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any]]:
    """Run the command, and return its exit status and its output, decoded if it is JSON."""
    monkeypatch.setattr(audit_command, "open_stage", lambda _: None)
    monkeypatch.setattr(audit_command, "resources_of", lambda _: store.resources)

    def run(*arguments: str) -> tuple[int, Any]:
        status = audit_command.main(["--older-than", "0", *arguments])
        output = capsys.readouterr().out
        return status, json.loads(output) if "--json" in arguments else output

    return run


def document_of(job: Job) -> str:
    return document_key(job.item_id, job.ref, new_version())


# --- unfinished jobs ----------------------------------------------------------------------------------------------


def test_suspects_that_were_not_judged_are_reported_by_an_exit_status(
    store: Audited, run: Callable[..., tuple[int, Any]]
) -> None:
    assert run() == (0, "clean: rows, locks, jobs and documents agree\n")
    store.send_another_message()
    assert run("--json")[1]["clean"], "a waiting message alone has no effect"
    for _ in range(2):
        store.accept(new_create())
    status, output = run()
    assert status == 4
    assert "2 unfinished jobs not judged: about 1 messages wait\n" in output
    assert "clean" not in output
    status, report = run("--json", "--repair")
    assert status == 4
    assert not report["clean"]
    assert report["not_judged"] == {"unfinished jobs": 2}
    assert report["waiting_messages"] == 1


def test_the_status_of_findings_precedes_that_of_suspects_not_judged(
    store: Audited, run: Callable[..., tuple[int, Any]]
) -> None:
    store.send_another_message()
    store.accept(new_create())
    store.lock("stale", "no-such-item")
    status, report = run("--json")
    assert status == 3
    assert report["not_judged"] == {"unfinished jobs": 1}


def set_age(store: Audited, job: Job, age: timedelta) -> None:
    store.set_job(job, updated_at={"S": rfc3339(now() - age)})


def test_a_job_older_than_any_message_is_a_finding_while_messages_wait(store: Audited) -> None:
    store.send_another_message()
    job = store.accept(new_create())
    set_age(store, job, 2 * QUEUE_RETENTION - timedelta(hours=1))
    assert store.audit() == []
    set_age(store, job, 2 * QUEUE_RETENTION + timedelta(hours=1))
    (finding,) = store.audit()
    assert finding.subject == job.job_id
    assert "longer than any message is kept" in finding.detail


# --- objects that a waiting message may delete --------------------------------------------------------------------


def cancelled(store: Audited, job: Job) -> None:
    store.stores.jobs.cancel(job.ref, now())


def dead_letter(store: Audited, job: Job) -> None:
    store.stores.jobs.fail(job.ref, AttemptsSpent("").to_problem(), now())


@pytest.mark.parametrize("end", [cancelled, dead_letter])
@pytest.mark.parametrize(
    ("key_of", "kind"),
    [(document_of, "orphan document"), (claim_of, "orphan claim")],
    ids=["document", "claim check"],
)
def test_objects_of_a_job_that_ended_without_its_message_are_found_on_empty_queues(
    store: Audited,
    run: Callable[..., tuple[int, Any]],
    key_of: Callable[[Job], str],
    kind: str,
    end: Callable[[Audited, Job], None],
) -> None:
    job = store.accept(new_create())
    store.stores.documents.put(key_of(job), "{}")
    end(store, job)
    store.send_another_message()
    assert store.audit() == []
    status, report = run("--json")
    assert status == 4
    assert report["not_judged"] == {f"{kind}s": 1}
    store.resources.clients.sqs.purge_queue(QueueUrl=store.resources.queue_urls[0])
    assert store.kinds() == [kind]
    store.repair()


def test_objects_of_other_jobs_are_found_while_messages_wait(store: Audited) -> None:
    done, failed = store.apply(DeleteItem(store.create().item_id)), store.accept(new_create())
    store.stores.jobs.fail(failed.ref, InternalError("").to_problem(), now())
    for key in (document_of(done), claim_of(done), document_of(failed), claim_of(failed)):
        store.stores.documents.put(key, "{}")
    store.send_another_message()
    assert sorted(store.kinds()) == ["orphan claim"] * 2 + ["orphan document"] * 2


def test_an_audit_reads_the_length_of_the_queues_once(store: Audited) -> None:
    for _ in range(3):
        store.accept(new_create())
        job = store.accept(new_create())
        for key in (document_of(job), claim_of(job)):
            store.stores.documents.put(key, "{}")
        cancelled(store, job)
    calls: list[str] = []
    clients = AwsClients(make=store.resources.clients.make)
    clients.sqs.meta.events.register("before-call", lambda model, **_: calls.append(model.name))
    assert len(audit(replace(store.resources, clients=clients))) == 9
    assert len(calls) == store.resources.queue_looks * len(store.resources.queue_urls)
