"""cancel and retry take the ids of batches as well."""

from __future__ import annotations

from jobpipe_client import Batch, Client
from tests.cli.conftest import Jobpipe
from tests.cli.running import a_job, documents
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem

READ = {"operation": "read", "item_id": "none"}


def a_batch(service: Service, size: int) -> Batch:
    with Client(service.url, KEY) as client:
        return client.submit_batch([READ] * size)


def test_a_batch_is_cancelled(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    batch, job = a_batch(service, 3), a_job(jobpipe)["id"]
    first = batch.entries[0].job_id
    assert first is not None
    service.jobs[first] |= {"status": "succeeded", "done": True}
    done = jobpipe("cancel", job, batch.id)
    assert done.exit_code == 0, "that one has taken effect is no error"
    lines = done.stdout.splitlines()
    assert lines[0].startswith(job)
    assert lines[1] == f"{batch.id}: 1 succeeded, 2 cancelled"
    assert done.stderr == f"{batch.id}: 1 left unchanged: 409 job-ended: It has ended.\n"
    (shown,) = documents(jobpipe("cancel", batch.id, "--json").stdout)
    assert (shown["id"], shown["counts"]["cancelled"]) == (batch.id, 2)


def test_the_failed_jobs_of_a_batch_are_retried(jobpipe: Jobpipe, service: Service) -> None:
    batch = a_batch(service, 2)
    jobpipe("wait", *(entry.job_id or "" for entry in batch.entries))
    service.pause()
    assert jobpipe.does("retry", batch.id) == f"{batch.id}: 2 queued\n"
    assert {service.jobs[entry.job_id or ""]["retries"] for entry in batch.entries} == {1}
    jobpipe.fails(2, "retry", batch.id, "--all-failed")


def test_a_batch_is_shown_with_its_name(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    batch = Client(service.url, KEY).submit_batch([READ], name="tents\x1b.csv")
    assert jobpipe.does("cancel", batch.id) == f"{batch.id}: 1 cancelled (tents\\x1b.csv)\n"


def test_jobs_that_were_not_reached_are_an_error(jobpipe: Jobpipe, service: Service) -> None:
    service.pause()
    batch = a_batch(service, 1)
    entries = [{**batch.raw["entries"][0], "unchanged": problem(503, "unavailable")}]
    service.canned.append(Canned(200, {}, {**batch.raw, "entries": entries}))
    done = jobpipe("cancel", batch.id)
    assert done.exit_code == 1
    assert (
        done.stderr.splitlines()[1] == f"jobpipe: {batch.id}: not all jobs were reached; run the same command again"
    )
    assert jobpipe.does("cancel", batch.id) == f"{batch.id}: 1 cancelled\n"


def test_an_unknown_batch_is_reported_on_one_line(jobpipe: Jobpipe) -> None:
    assert "not-found" in jobpipe.fails(1, "cancel", "batch-none")
