"""The keys of a stage through deployments and its destruction."""

from __future__ import annotations

import io
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from api_lambda.chalicelib.http.callers import Caller, Role, caller_of
from infra.cli.progress import Progress
from infra.deployment.emulation import delete_changed_api
from infra.deployment.plan import Deployer
from infra.keys.api_keys import FIRST_OWNER, new_api_key
from infra.settings import read_settings
from infra.stacks.change_sets import Stacks
from infra.stage.names import app_stack
from infra.stage.stage_file import stage_file
from infra.targets.target import Target, target_of
from tests.infra.stage_with_keys import Run, deployed, is_accepted, key_of, key_outside_plan

pytestmark = pytest.mark.slow


def test_the_operators_key_can_be_rotated_and_deployments_keep_all_keys(run: Run, state_dir: Path) -> None:
    before = deployed(state_dir)
    alice = key_of(run("keys", "create", "--owner", "alice"), "alice")
    own = key_of(run("keys", "rotate", "--owner", FIRST_OWNER, "--revoke-old"), FIRST_OWNER, Role.OPERATOR)
    stage = deployed(state_dir)
    assert stage.deployment.api_key == own
    assert stat.S_IMODE(stage_file(state_dir, "local").stat().st_mode) == 0o600
    assert f"export JOBPIPE_API_KEY={own}\n" in run("deploy", "env").stdout
    assert stage.client.wait(stage.client.read("by the new key")).done
    assert not is_accepted(stage, before.deployment.api_key)

    def deploy() -> None:
        up = run("deploy", "up")
        assert up.returncode == 0, up.stderr
        assert f"API key:  {own}\n" in up.stdout

    deploy()
    assert deployed(state_dir).deployment == stage.deployment
    assert is_accepted(stage, alice)

    # On an emulator, such a deployment replaces the usage plan.
    stacks = Stacks(stage.aws("cloudformation"), Progress(), 0.1)
    changed = stacks.template(app_stack("local", "api"))
    assert changed is not None
    changed["Resources"]["RestAPI"]["Properties"]["Body"]["info"]["title"] = "another"
    delete_changed_api(target_of(stage.deployment), "local", changed, stacks, Progress())
    assert not stage.aws("apigateway").get_usage_plans()["items"]
    deploy()
    replaced = deployed(state_dir)
    assert replaced.api_keys.usage_plan != stage.api_keys.usage_plan
    assert is_accepted(replaced, own)
    assert is_accepted(replaced, alice)
    assert len(replaced.api_keys.all()) == 2

    # A deployment without a stage file uses the existing key and makes no other.
    stage_file(state_dir, "local").unlink()
    deploy()
    assert deployed(state_dir).deployment == replaced.deployment


@dataclass(frozen=True)
class AsOnAws(Target):
    """A target that a deployment takes for AWS, with the emulator's API Gateway."""

    emulator: Target | None = None

    def client(self, service: str) -> Any:
        assert self.emulator
        return self.emulator.client(service)


def test_a_deployment_on_aws_adds_no_key_to_the_plan_because_of_its_name(run: Run, state_dir: Path) -> None:
    stage, keys, own = deployed(state_dir), deployed(state_dir).api_keys, deployed(state_dir).deployment.api_key
    alices = key_outside_plan(stage, "alice", "jobpipe-local.alice")
    of_another_name = key_outside_plan(stage, "alice", "jobpipe-local.monitoring")
    emulator = target_of(stage.deployment)
    aws = AsOnAws("aws", emulator.region, None, "", emulator.session, emulator)
    settings = replace(read_settings(), state_dir=state_dir)
    try:
        console = Console(record=True, width=200, file=io.StringIO())
        deployer = Deployer(aws, "local", settings, Progress(console), {})
        assert deployer.create_executor().ensure_api_key(keys.usage_plan) == own
        assert {key.key_id for key in keys.outside_plan()} == {alices.key_id, of_another_name.key_id}
        assert [key.key_id in line for key, line in zip(keys.outside_plan(), lines(console), strict=True)] == [
            True,
            True,
        ]

        console = Console(record=True, width=200, file=io.StringIO())
        deployer = Deployer(emulator, "local", settings, Progress(console), {})
        assert deployer.create_executor().ensure_api_key(keys.usage_plan) == own
        assert [key.key_id for key in keys.outside_plan()] == [of_another_name.key_id], "its name has another owner"
        (line,) = lines(console)
        assert "jobpipe-local.monitoring" in line
        assert of_another_name.value not in line
    finally:
        for key in (alices, of_another_name):
            keys.revoke(key)


def lines(console: Console) -> list[str]:
    return console.export_text(clear=False).splitlines()


def test_which_key_is_written_to_the_stage_file(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    keys, own = stage.api_keys, stage.deployment.api_key
    assert keys.operators_key(own, keys_may_be_lost=False).value == own
    bobs = keys.add("bob")
    assert keys.operators_key(bobs.value, keys_may_be_lost=False) == bobs, "a usable key in the stage file stays"
    assert keys.operators_key(None, keys_may_be_lost=False).value == own
    reader = keys.add(FIRST_OWNER, Role.READER)
    assert keys.operators_key(None, keys_may_be_lost=False).value == own, "a reader's key does not deploy"
    keys.revoke(reader)
    assert keys.operators_key(new_api_key(FIRST_OWNER), keys_may_be_lost=True).value == own, (
        "a revoked key stays revoked"
    )
    for key in keys.all():
        keys.revoke(key)
    assert keys.operators_key(own, keys_may_be_lost=True).value == own, (
        "a new emulator gets the key that callers have"
    )
    keys.revoke(keys.of(FIRST_OWNER)[0])
    made = keys.operators_key(own, keys_may_be_lost=False)
    assert made.value != own, "on AWS a deleted key is not made again"
    assert caller_of(made.value) == Caller(FIRST_OWNER, Role.OPERATOR)
    keys.revoke(made)
    former = keys.add(FIRST_OWNER, value=FIRST_OWNER + "0123456789abcdef" * 2)
    assert keys.operators_key(former.value, keys_may_be_lost=False) == former, "an earlier release made it"
    assert keys.operators_key(None, keys_may_be_lost=False) == former
    keys.revoke(former)
    assert keys.operators_key(bobs.value, keys_may_be_lost=True).owner == FIRST_OWNER


def test_destroying_a_stage_deletes_its_keys_and_no_others(run: Run, state_dir: Path) -> None:
    gateway = deployed(state_dir).aws("apigateway")
    others = {gateway.create_api_key(name=name)["id"] for name in ("jobpipe-local-2.alice", "jobpipe-local")}
    done = run("deploy", "destroy")
    assert done.returncode == 0, done.stderr
    assert {key["id"] for key in gateway.get_api_keys()["items"]} == others
