"""The contract of labels: the lists have them, problems do not, and none outlasts its failure."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Job, Status, Success, new_generation
from jobpipe.runtime.aws import AwsClients
from tests.contract.stores import NOW, Stores, ref
from tests.contract.test_job_lists import PROBLEM, Table, accepted

LATER = NOW + timedelta(seconds=5)
LABEL = 'Tent \N{TENT} "4"'


@pytest.fixture
def owner() -> str:
    return f"owner{secrets.token_hex(4)}"


@pytest.fixture
def table(aws: tuple[AwsClients, dict[str, str]]) -> Table:
    return Table(aws)


def failed(stores: Any, owner: str, label: str | None = LABEL) -> Job:
    job = accepted(owner)
    stores.jobs.put_new(job, NOW)
    stores.jobs.fail(ref(job), PROBLEM, NOW, label=label)
    found = stores.jobs.get(job.job_id)
    assert found is not None
    return found  # type: ignore[no-any-return]


def shown(job: Job) -> tuple[Any, str | None]:
    return job.error, job.label


@pytest.mark.parametrize("label", [LABEL, None])
def test_each_list_has_the_label_of_a_failed_job_beside_its_problem(
    stores: Stores, owner: str, label: str | None
) -> None:
    job = failed(stores, owner, label)
    assert shown(job) == (PROBLEM, label)
    assert list(map(shown, stores.jobs.list_jobs(owner, Status.FAILED, 10, None, NOW).jobs)) == [(PROBLEM, label)]
    assert list(map(shown, stores.batches.jobs([job.job_id]).values())) == [(PROBLEM, label)]
    after, found = None, dict[str, Job]()
    while True:
        page = stores.jobs.list_jobs_of_all_owners(Status.FAILED, 100, after, NOW)
        found |= {each.job_id: each for each in page.jobs}
        after = page.next_after
        if after is None:
            break
    assert shown(found[job.job_id]) == (PROBLEM, label)
    assert shown(stores.jobs.dismiss(ref(job), LATER)) == (PROBLEM, label)


def test_a_retrying_job_has_the_label_of_its_last_interruption(stores: Stores, owner: str) -> None:
    job = failed(stores, owner)
    again = JobRef(job.job_id, new_generation())
    stores.jobs.requeue(again, job.generation, LATER)
    for label in (LABEL, None, LABEL):
        stores.jobs.record_interruption(again, PROBLEM, 1, 1, LATER, label=label)
        (retrying,) = stores.jobs.list_jobs(owner, Status.RETRYING, 10, None, NOW).jobs
        assert shown(retrying) == (PROBLEM, label)
    assert shown(stores.jobs.cancel(again, LATER)) == (None, None)


def test_no_label_outlasts_its_failure(stores: Stores, owner: str) -> None:
    job = failed(stores, owner)
    again = JobRef(job.job_id, new_generation())
    assert stores.jobs.requeue(again, job.generation, LATER).label is None
    stores.jobs.record_interruption(again, PROBLEM, 1, 1, LATER)
    (retrying,) = stores.jobs.list_jobs(owner, Status.RETRYING, 10, None, NOW).jobs
    assert shown(retrying) == (PROBLEM, None)
    stores.jobs.succeed(again, Success(), LATER)
    ended = stores.jobs.get(job.job_id)
    assert ended is not None
    assert shown(ended) == (None, None)


def test_the_label_is_a_member_of_the_problem_that_is_stored(table: Table, owner: str) -> None:
    """An earlier release shows it there, after a rollback."""
    job = failed(table, owner)
    assert json.loads(table.row(job)["error"]["S"]) == {**PROBLEM, "label": LABEL}


@pytest.mark.parametrize("error", [json.dumps(PROBLEM), json.dumps({**PROBLEM, "label": 5})])
def test_a_job_whose_row_has_no_label_has_none(table: Table, owner: str, error: str) -> None:
    job = failed(table, owner)
    table.change(job, error=error)
    found = table.jobs.get(job.job_id)
    assert found is not None
    assert shown(found) == (PROBLEM, None)
