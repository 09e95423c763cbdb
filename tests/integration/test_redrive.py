"""`make redrive` on a deployed stage."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import tenacity

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.limits import BUCKET_SETTLES
from jobpipe_client import Job
from tests.helpers.deployed import WAIT, Stage, unique
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow

soon = tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Operator:
    return Operator(stage, tmp_path)


def refused_create(stage: Stage, item_name: str) -> Job:
    """Return a job that failed because the name is taken."""
    job = stage.client.wait(stage.client.create({"name": item_name, "description": "d"}))
    assert job.status == "failed"
    return job


def free(stage: Stage, item_id: str) -> None:
    assert stage.request("DELETE", f"/items/{item_id}", headers=WAIT).status_code == 200


@pytest.fixture
def taken(stage: Stage) -> tuple[str, str]:
    """Return a name and the item that has it."""
    name = unique("Redrive")
    created = stage.request("POST", "/items", {"name": name, "description": "d"}, headers=WAIT).json()
    return name, created["id"]


def set_job(stage: Stage, job_id: str, **values: Any) -> None:
    stage.aws("dynamodb").update_item(
        TableName=stage.resources["jobs_table"],
        Key={"job_id": {"S": job_id}},
        UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in values),
        ExpressionAttributeNames={f"#{name}": name for name in values},
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def test_only_matching_jobs_are_retried_and_once(stage: Stage, operator: Operator, taken: tuple[str, str]) -> None:
    name, item_id = taken
    job, other = refused_create(stage, name), stage.client.wait(stage.client.delete(unique("no-such-item")))
    free(stage, item_id)
    filters = ["--item", job.item_id, "--reason", "name-taken", "--operation", "create", "--owner", "operator"]
    filters += ["--collection", "items"]

    @soon
    def dry_run() -> None:  # the index may be a moment behind
        assert "1 failed jobs would be retried" in operator.output_of("redrive", *filters, "--dry-run")

    dry_run()
    assert stage.client.job(job.id).status == "failed", "a dry run retries nothing"
    assert "retried: 1" in operator.output_of("redrive", *filters)
    assert stage.client.wait(stage.client.job(job.id)).succeeded
    assert stage.client.job(other.id).raw["retries"] == 0

    again = operator.output_of("redrive", *filters)
    assert "retried: 1" not in again
    assert stage.client.job(job.id).raw["retries"] == 1


@pytest.mark.parametrize(
    "filters",
    [
        ("--reason", "attempts-spent"),
        ("--operation", "delete"),
        ("--operation", "ship"),
        ("--collection", "orders"),
        ("--owner", "anotherowner"),
        ("--since", "2999-01-01T00:00:00Z"),
        ("--until", "2001-01-01T00:00:00+01:00"),
    ],
)
def test_every_filter_has_to_match(
    stage: Stage, operator: Operator, taken: tuple[str, str], filters: tuple[str, str]
) -> None:
    job = refused_create(stage, taken[0])
    assert "no failed job matches" in operator.output_of("redrive", "--item", job.item_id, *filters)
    assert stage.client.job(job.id).raw["retries"] == 0


def test_jobs_that_cannot_be_retried_are_skipped_and_reported(
    stage: Stage, operator: Operator, taken: tuple[str, str]
) -> None:
    unaccepted, expired, claimed = (refused_create(stage, taken[0]) for _ in range(3))
    item = f"redrive-{uuid.uuid4()}"
    for job in (unaccepted, expired, claimed):
        set_job(stage, job.id, item_id={"S": item})
    set_job(stage, expired.id, expires_at={"N": "1000"})
    set_job(stage, claimed.id, claim={"S": f"claims/{claimed.id}/1/{'ab' * 32}.json"})
    # The job failed so long ago that its claim check must be visible in S3.
    set_job(stage, claimed.id, updated_at={"S": rfc3339(now() - 2 * BUCKET_SETTLES)})
    stage.aws("dynamodb").update_item(
        TableName=stage.resources["jobs_table"],
        Key={"job_id": {"S": unaccepted.id}},
        UpdateExpression="REMOVE command",
    )

    @soon
    def skipped() -> None:
        output = operator.output_of("redrive", "--item", item)
        assert "retried: 0" in output
        assert "skipped: 1  never accepted" in output
        assert "skipped: 1  The command of this job is no longer stored" in output

    skipped()
    # Tests of the audit would find that the claim check is missing.
    stage.aws("dynamodb").delete_item(TableName=stage.resources["jobs_table"], Key={"job_id": {"S": claimed.id}})


def test_rows_that_cannot_be_read_are_reported_and_the_others_are_retried(
    stage: Stage, operator: Operator, taken: tuple[str, str]
) -> None:
    name, _ = taken
    in_the_index, beside_it, good = (refused_create(stage, name) for _ in range(3))
    set_job(stage, in_the_index.id, attempts={"S": "one"})
    set_job(stage, beside_it.id, command={"N": "1"})
    try:
        done = operator.run("redrive", "--reason", "name-taken")
        assert done.returncode == 0, done.stderr
        assert done.stderr == "redrive: 1 malformed rows are skipped: make audit shows them\n"
        assert "skipped: 1  its row cannot be read" in done.stdout
        assert stage.client.job(good.id).retries == 1
    finally:
        for job in (in_the_index, beside_it):
            key = {"job_id": {"S": job.id}}
            stage.aws("dynamodb").delete_item(TableName=stage.resources["jobs_table"], Key=key)


def test_a_limit_takes_the_jobs_that_failed_first(stage: Stage, operator: Operator, taken: tuple[str, str]) -> None:
    jobs = [refused_create(stage, taken[0]) for _ in range(3)]
    item = f"redrive-{uuid.uuid4()}"
    for job in jobs:
        set_job(stage, job.id, item_id={"S": item})

    @soon
    def one() -> None:
        assert "2 failed jobs would be retried" in operator.output_of(
            "redrive", "--item", item, "--limit", "2", "--dry-run"
        )

    one()
    assert "retried: 2" in operator.output_of("redrive", "--item", item, "--limit", "2")
    assert [stage.client.job(job.id).raw["retries"] for job in jobs] == [1, 1, 0]


def test_an_operators_mistake_is_one_line(operator: Operator, tmp_path: Path) -> None:
    for arguments, message in (
        ((), "say which jobs"),
        (("--reason", "no-such-reason"), "invalid choice"),
        (("--since", "yesterday"), "is not a time"),
        (("--since", "2026-11-22T20:00:00"), "no time zone"),
    ):
        done = operator.run("redrive", *arguments)
        assert done.returncode in {1, 2}
        assert message in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
    (tmp_path / "local.json").unlink(missing_ok=True)
    for script in ("redrive", "parked", "audit"):
        done = operator.run(script, *(["--all"] if script == "redrive" else []))
        assert done.returncode == 1
        assert "is not deployed" in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
