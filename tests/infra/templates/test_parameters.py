"""Optional features of a stage: its own key, limits, access logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.teardown import Teardown
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stage.names import foundation_stack, log_groups
from infra.targets.target import access_logs
from infra.templates.sources import foundation_template
from tests.helpers.deployed import WAIT, Stage, problem, unique
from tests.helpers.embedded import embedded

pytestmark = pytest.mark.slow

# A deployment makes three requests with its key.
LIMITS = {"StageRateLimit": "2", "StageBurstLimit": "5", "QuotaLimit": "7", "QuotaPeriod": "DAY"}
OVERRIDES, WAY_BACK = {"Encryption": "customer-managed", **LIMITS}, {"Encryption": "aws-owned"}


@pytest.fixture(scope="module")
def deployer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    with embedded(tmp_path_factory.mktemp("own-key")) as (target, settings):
        yield Deployer(target, LOCAL_STAGE, settings, Progress(), OVERRIDES)


@pytest.fixture(scope="module")
def stage(deployer: Deployer) -> Stage:
    return Stage(deployer.deploy())


def test_commands_succeed_with_the_stages_own_key(stage: Stage) -> None:
    item = {"name": unique("Secret"), "description": "x" * 10_000}  # not in the row, but in the bucket
    created = stage.request("POST", "/items", item, headers=WAIT)
    assert created.status_code == 201, created.text
    assert stage.request("GET", f"/items/{created.json()['id']}").json()["description"] == item["description"]

    (alias,) = stage.aws("kms").list_aliases()["Aliases"]
    key = stage.aws("kms").describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]["Arn"]
    assert alias["AliasName"] == "alias/jobpipe-local"
    assert stage.aws("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    # MiniStack's CloudFormation leaves out the keys of tables and buckets: test_data_protection.py looks at those
    for name in ("commands", "dead_letters", "parked"):
        url = stage.resources[f"{name}_queue_url"]
        attributes = stage.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["KmsMasterKeyId"])
        assert attributes["Attributes"] == {"KmsMasterKeyId": key}
    groups = stage.aws("logs").describe_log_groups()["logGroups"]
    assert {group["logGroupName"]: group["kmsKeyId"] for group in groups} == dict.fromkeys(log_groups("local"), key)


def test_open_routes_are_limited(stage: Stage) -> None:
    """The caller exceeds the stage's rate many times."""
    answers = [stage.request("GET", "/health", key=None) for _ in range(100)]

    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert problem(refused) == "too-many-requests"
    assert refused.headers["Retry-After"] == "1"


def test_a_key_whose_quota_is_used_up_waits_for_the_next_period(stage: Stage) -> None:
    answers = [stage.request("GET", "/items") for _ in range(100)]

    assert problem(answers[-1]) == "too-many-requests"
    assert "3600" in {answer.headers.get("Retry-After") for answer in answers}
    assert 0 < sum(answer.status_code == 200 for answer in answers) <= 4


def test_a_stage_cannot_return_to_the_key_of_aws(deployer: Deployer, stage: Stage) -> None:
    back = Deployer(deployer.target, deployer.stage, deployer.settings, deployer.progress, WAY_BACK)
    with pytest.raises(OperatorError, match="no way back"):
        back.deploy()
    with pytest.raises(OperatorError, match="no way back"):
        back.diff()


def test_the_key_is_deleted_with_the_data(deployer: Deployer, stage: Stage) -> None:
    (alias,) = stage.aws("kms").list_aliases()["Aliases"]

    Teardown(deployer.target, deployer.stage, deployer.settings, deployer.progress).destroy()
    assert stage.aws("kms").describe_key(KeyId=alias["TargetKeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert stage.aws("kms").list_aliases()["Aliases"] == []


def test_a_stage_with_retained_data_is_destroyed_with_its_key(deployer: Deployer) -> None:
    target, retained = deployer.target, "retained"  # not the local stage, so that everything is retained
    stacks = Stacks(target.client("cloudformation"), deployer.progress, target.poll_seconds)
    given = {"Stage": retained, "Encryption": "customer-managed"}
    outputs = stacks.deploy(
        foundation_stack(retained), foundation_template(retained), given, target.default_parameters(retained)
    )

    Teardown(target, retained, deployer.settings, deployer.progress).destroy()

    assert target.client("kms").list_aliases()["Aliases"] == []
    key = target.client("kms").describe_key(KeyId=outputs.outputs["EncryptionKey"])["KeyMetadata"]
    assert key["KeyState"] == "PendingDeletion"
    assert target.client("sqs").list_queues(QueueNamePrefix="jobpipe-retained-").get("QueueUrls", []) == []
    assert not [name for name in target.client("dynamodb").list_tables()["TableNames"] if retained in name]
    assert not [bucket for bucket in target.client("s3").list_buckets()["Buckets"] if retained in bucket["Name"]]


def test_access_logs_are_written_where_the_account_lets_api_gateway_write(deployer: Deployer) -> None:
    gateway = deployer.target.client("apigateway")
    assert access_logs(gateway) == "false"

    role = {"op": "replace", "path": "/cloudwatchRoleArn", "value": "arn:aws:iam::000000000000:role/logs"}
    gateway.update_account(patchOperations=[role])

    assert access_logs(gateway) == "true"
