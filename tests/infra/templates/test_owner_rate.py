"""A stage that limits the commands of each owner (OwnerRate)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_lambda.chalicelib.http.callers import Role
from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe_client import Client, TooManyRequests
from tests.helpers import commands
from tests.helpers.deployed import Stage, problem, unique
from tests.helpers.embedded import embedded

LIMITS = {"OwnerRate": "0.5", "OwnerBurst": "100"}


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with embedded(tmp_path_factory.mktemp("limited")) as (target, settings):
        yield Deployer(target, LOCAL_STAGE, settings, Progress(), LIMITS)


@pytest.fixture(scope="module")
def stage(deployer: Deployer) -> Stage:
    return Stage(deployer.deploy())


def item() -> dict[str, str]:
    return {"name": unique("Tent"), "description": "d"}


def job_rows(stage: Stage) -> set[str]:
    rows = stage.aws("dynamodb").scan(TableName=stage.resources["jobs_table"], ConsistentRead=True)["Items"]
    return {row["job_id"]["S"] for row in rows}


def test_an_owner_is_limited_with_all_its_keys_and_nobody_else(stage: Stage) -> None:
    first, second = (stage.api_keys.add("alice", Role.WRITER).value for _ in range(2))
    other = stage.api_keys.add("bob", Role.WRITER).value
    batch = {"commands": [{"operation": "create", "item": item()} for _ in range(MAX_COMMANDS)]}
    assert stage.request("POST", "/batches", batch, key=first).status_code == 202

    before = job_rows(stage)
    assert "limit:alice" in before
    refused = stage.request("POST", "/batches", batch, key=second)
    assert problem(refused) == "too-many-requests"
    assert 100 < int(refused.headers["Retry-After"]) <= 200
    with Client(stage.deployment.base_url, second, retries=0) as client, pytest.raises(TooManyRequests) as raised:
        client.submit_batch(batch["commands"])
    assert raised.value.retry_after is not None
    assert job_rows(stage) == before, "nothing was stored"

    assert stage.request("POST", "/items", item(), key=other).status_code == 202
    assert stage.request("GET", "/items?limit=1", key=second).status_code == 200


def test_the_audit_knows_the_rows_of_the_limit(stage: Stage, deployer: Deployer) -> None:
    assert stage.request("POST", "/items", item()).status_code == 202
    assert "limit:operator" in job_rows(stage)
    environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(Path(deployer.settings.state_dir)))
    arguments = ("-m", "scripts.audit", "--stage", "local", "--json")
    assert '"findings": []' in commands.run(sys.executable, *arguments, env=environment).stdout


@pytest.mark.parametrize("given", [{"OwnerBurst": "99"}, {"OwnerBurst": "150.5"}, {"OwnerRate": "-1"}])
def test_a_limit_that_would_refuse_whole_batches_is_refused(deployer: Deployer, given: dict[str, str]) -> None:
    wrong = Deployer(deployer.target, deployer.stage, deployer.settings, deployer.progress, given)
    with pytest.raises(OperatorError, match=next(iter(given))):
        wrong.diff()
