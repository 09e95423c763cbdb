"""The order of a deployment's steps, and the effect of missing permissions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment import plan, updates
from infra.deployment.checks import check_overrides
from infra.deployment.plan import Deployer
from infra.deployment.readiness import wait_for_key, wait_until_healthy
from infra.deployment.teardown import Teardown
from infra.errors import OperatorError
from infra.packaging.package import package_all
from infra.settings import LOCAL_STAGE, Settings
from infra.stacks.change_sets import StackResult, Stacks
from infra.stacks.stage_stacks import PlannedStack
from infra.stage.stage_file import read_deployment
from infra.targets.target import AWS, Target, access_logs
from infra.templates.sources import foundation_template, operations_template
from tests.helpers.embedded import embedded

pytestmark = pytest.mark.slow


def refused(operation: str, code: str) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}}
    return ClientError(answer, operation)


class Refusing:
    """AWS for a caller without rights."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_account(self) -> dict[str, Any]:
        raise refused("GetAccount", self.code)


def on_aws(tmp_path: Path, **overrides: str) -> Deployer:
    target = Target(AWS, "eu-west-1", None, "", boto3.Session(region_name="eu-west-1"))
    settings = Settings(stage="prod", port=1, endpoint_url=None, state_dir=tmp_path)
    return Deployer(target, "prod", settings, Progress(Console(quiet=True)), overrides)


def test_without_permission_to_read_the_account_there_are_no_access_logs() -> None:
    assert access_logs(Refusing("AccessDeniedException")) == "false"
    with pytest.raises(ClientError):
        access_logs(Refusing("TooManyRequestsException"))


@pytest.mark.parametrize(
    "name", ["Stage", "CodeKey", "CodeVersion", "CommandsQueueArn", "ArtifactsBucket", "EncryptionKey"]
)
def test_parameters_that_stacks_pass_to_each_other_cannot_be_given(name: str) -> None:
    foundation = foundation_template("prod")
    templates = [foundation, operations_template(), *(package.template() for package in package_all().values())]
    with pytest.raises(OperatorError, match=f"{name}: set by the deployment"):
        check_overrides({name: "mine"}, foundation, templates)
    check_overrides({"WorkerTimeout": "10", "AlarmEmail": "a@b.example"}, foundation, templates)


def test_on_aws_nothing_is_changed_before_both_zips_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OperatorError("chalice cannot package")

    def deploys(*_: Any) -> None:
        raise AssertionError("a stack is deployed")

    monkeypatch.setattr(plan, "package_all", fails)
    monkeypatch.setattr(Stacks, "deploy", deploys)
    monkeypatch.setattr(Stacks, "planned", lambda *_: {})
    monkeypatch.setattr(Target, "client", lambda *_: Refusing("AccessDeniedException"))

    with pytest.raises(OperatorError, match="chalice"):
        on_aws(tmp_path).deploy()


def test_a_stage_whose_alarms_cannot_be_made_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded(tmp_path) as (target, settings):
        quiet = Progress(Console(quiet=True))
        broken = {"Parameters": {}, "Resources": {"Alarm": {"Type": "AWS::CloudWatch::NoSuchThing"}}}
        monkeypatch.setattr(plan, "operations_template", lambda: broken)

        with pytest.raises(OperatorError, match="operations"):
            Deployer(target, LOCAL_STAGE, settings, quiet, {}).deploy()

        stage = read_deployment(tmp_path, LOCAL_STAGE)
        wait_until_healthy(stage.base_url)
        assert wait_for_key(stage.base_url, stage.api_key, accepted=True)
        Teardown(target, LOCAL_STAGE, settings, quiet).destroy()


@pytest.mark.parametrize(("planned", "reported"), [("false", True), ("true", False)])
def test_access_logs_are_reported_by_the_stack_and_not_by_the_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planned: str, reported: bool
) -> None:
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    monkeypatch.setattr(Target, "default_parameters", lambda *_: {"AccessLogs": "true"})
    monkeypatch.setattr(Stacks, "planned", lambda *_: {"AccessLogs": planned})
    monkeypatch.setattr(Stacks, "deploy", lambda *_: StackResult({}, changed=True))
    monkeypatch.setattr(updates, "upload", lambda *_: "v")
    package = package_all()["api"]
    deployer = replace(on_aws(tmp_path), progress=Progress(console))

    deployer.create_executor().deploy_app(
        PlannedStack("api", package.template()), package, {"ArtifactsBucket": "b"}
    )

    assert ("access logs are disabled" in console.export_text()) is reported
