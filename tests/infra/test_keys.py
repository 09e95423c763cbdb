"""The keys of a stage by the commands that make runs, through deployments, to the end of the stage."""

from __future__ import annotations

import io
import re
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.emulation import delete_changed_api
from infra.deployment.plan import Deployer
from infra.emulator import running_emulator
from infra.errors import OperatorError
from infra.keys.__main__ import table
from infra.keys.api_keys import FIRST_OWNER, ApiKey, check_owner, new_api_key
from infra.settings import read_settings
from infra.stacks.change_sets import Stacks
from infra.stage.names import app_stack
from infra.stage.stage_file import read_deployment, stage_file
from infra.targets.target import Target, target_of
from tests.helpers import commands
from tests.helpers.deployed import Stage

Run = Callable[..., commands.Done]


@pytest.mark.parametrize("owner", ["alice", "a", "team7", "a" * 63, "deadbeef"])
def test_owners_names(owner: str) -> None:
    assert check_owner(owner) == owner


@pytest.mark.parametrize(
    "owner", ["", "Alice", "7team", "al-ice", "a.b", "a" * 64, "alice\n", "élise", "alice bob"]
)
def test_names_that_fit_no_key_are_one_clear_line(owner: str) -> None:
    with pytest.raises(OperatorError, match="owner's name") as raised:
        check_owner(owner)
    assert len(str(raised.value).splitlines()) == 1


def test_the_list_tells_all_but_the_secrets() -> None:
    at = datetime(2026, 11, 22, 20, 57, tzinfo=UTC)

    def key(key_id: str, owner: str, *, enabled: bool = True, in_plan: bool = True) -> ApiKey:
        return ApiKey(key_id, f"jobpipe-local.{owner}", owner, at, enabled, in_plan, new_api_key(owner))

    keys = [
        key("k1", "alice"),
        key("k2", "bob", enabled=False),
        key("k3", "bob", in_plan=False),
        key("k4", FIRST_OWNER),
    ]
    header, *lines = table(keys, keys[3].value)
    assert header.split() == ["OWNER", "KEY", "ID", "CREATED", "STATE", "ENDS", "IN"]
    for each, line, state in zip(keys, lines, ["enabled", "disabled", "in no plan", "enabled"], strict=True):
        assert line.startswith(each.owner)
        assert f" {each.key_id} " in line
        assert f" {state} " in line
        assert each.value[-4:] in line
        assert each.value[-5:] not in line
        assert each.value not in repr(each)
    assert [line.endswith("in the stage file") for line in lines] == [False, False, False, True]


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def run(state_dir: Path) -> Iterator[Run]:
    with running_emulator(state_dir) as emulator:
        environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir), JOBPIPE_PORT=str(emulator.port))

        def command(module: str, *arguments: str) -> commands.Done:
            return commands.run(sys.executable, "-m", f"infra.{module}", *arguments, env=environment)

        up = command("deploy", "up", "--target", "embedded")
        assert up.returncode == 0, up.stderr
        yield command


def deployed(state_dir: Path) -> Stage:
    return Stage(read_deployment(state_dir, "local"))


def key_of(done: commands.Done, owner: str) -> str:
    """The key that the command made, which is all that it has on standard output."""
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(rf"{owner}[0-9a-f]{{32}}\n", done.stdout)
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def ids(stage: Stage, owner: str) -> list[str]:
    return [key.key_id for key in stage.api_keys.of(owner)]


def gets_in(stage: Stage, key: str) -> bool:
    status = stage.request("GET", "/items", key=key).status_code
    assert status in {200, 403}
    return status == 200


def test_create_rotate_revoke(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    first = key_of(run("keys", "create", "--owner", "alice"), "alice")
    assert gets_in(stage, first)
    listed = run("keys", "list").stdout
    assert f"{ids(stage, 'alice')[0]} " in listed
    assert first not in listed

    again = run("keys", "create", "--owner", "alice")
    assert (again.returncode, again.stdout) == (1, "")
    assert "rotate-key OWNER=alice" in again.stderr
    assert len(ids(stage, "alice")) == 1, "nobody becomes another caller by mistake"

    second = key_of(run("keys", "rotate", "--owner", "alice"), "alice")
    assert gets_in(stage, first)
    assert gets_in(stage, second)
    third = key_of(run("keys", "rotate", "--owner", "alice", "--revoke-old"), "alice")
    assert [gets_in(stage, key) for key in (first, second, third)] == [False, False, True]

    (key_id,) = ids(stage, "alice")
    fourth = key_of(run("keys", "rotate", "--owner", "alice"), "alice")
    assert run("keys", "revoke", "--key", key_id).returncode == 0
    assert [gets_in(stage, key) for key in (third, fourth)] == [False, True]
    bobs = key_of(run("keys", "create", "--owner", "bob"), "bob")
    assert run("keys", "revoke", "--owner", "alice").returncode == 0
    assert [gets_in(stage, key) for key in (fourth, bobs)] == [False, True]
    assert run("keys", "revoke", "--owner", "bob").returncode == 0
    assert stage.deployment == deployed(state_dir).deployment
    assert gets_in(stage, stage.deployment.api_key)


def test_the_stages_own_key_can_be_rotated_and_deployments_keep_all_keys(run: Run, state_dir: Path) -> None:
    before = deployed(state_dir)
    alice = key_of(run("keys", "create", "--owner", "alice"), "alice")
    own = key_of(run("keys", "rotate", "--owner", FIRST_OWNER, "--revoke-old"), FIRST_OWNER)
    stage = deployed(state_dir)
    assert stage.deployment.api_key == own
    assert stat.S_IMODE(stage_file(state_dir, "local").stat().st_mode) == 0o600
    assert f"export JOBPIPE_API_KEY={own}\n" in run("deploy", "env").stdout
    assert stage.client.wait(stage.client.read("by the new key")).done
    assert not gets_in(stage, before.deployment.api_key)

    def deploy() -> None:
        up = run("deploy", "up")
        assert up.returncode == 0, up.stderr
        assert f"API key:  {own}\n" in up.stdout

    deploy()
    assert deployed(state_dir).deployment == stage.deployment
    assert gets_in(stage, alice)

    # Such a deployment takes the usage plan away on an emulator.
    stacks = Stacks(stage.aws("cloudformation"), Progress(), 0.1)
    changed = stacks.template(app_stack("local", "api"))
    assert changed is not None
    changed["Resources"]["RestAPI"]["Properties"]["Body"]["info"]["title"] = "another"
    delete_changed_api(target_of(stage.deployment), "local", changed, stacks, Progress())
    assert not stage.aws("apigateway").get_usage_plans()["items"]
    deploy()
    replaced = deployed(state_dir)
    assert replaced.api_keys.usage_plan != stage.api_keys.usage_plan
    assert gets_in(replaced, own)
    assert gets_in(replaced, alice)
    assert len(replaced.api_keys.all()) == 2

    # Somebody deploys who has no stage file: the key there is serves, and no other is made.
    stage_file(state_dir, "local").unlink()
    deploy()
    assert deployed(state_dir).deployment == replaced.deployment


@pytest.mark.parametrize(
    "command", [("revoke", "--owner", "carol"), ("rotate", "--owner", "carol", "--revoke-old")]
)
def test_a_key_of_another_name_is_shut_out_but_not_deleted(
    run: Run, state_dir: Path, command: tuple[str, ...]
) -> None:
    stage = deployed(state_dir)
    gateway, keys = stage.aws("apigateway"), stage.api_keys
    ours = key_of(run("keys", "create", "--owner", "carol"), "carol")
    theirs = taken_out(stage, "carol", "billing-api.partner")
    try:
        gateway.create_usage_plan_key(usagePlanId=keys.usage_plan, keyId=theirs.key_id, keyType="API_KEY")
        assert gets_in(stage, theirs.value)

        done = run("keys", *command)

        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if theirs.key_id in line]
        assert "not deleted: 'billing-api.partner'" in line
        assert [gets_in(stage, key) for key in (ours, theirs.value)] == [False, False]
        there = {each["value"] for each in gateway.get_api_keys(includeValues=True)["items"]}
        assert theirs.value in there
        assert ours not in there
    finally:
        gateway.delete_api_key(apiKey=theirs.key_id)
        for key in keys.of("carol"):
            keys.end(key)


@dataclass(frozen=True)
class AsOnAws(Target):
    """The emulator's API Gateway, by a target that is AWS to a deployment."""

    emulator: Target | None = None

    def client(self, service: str) -> Any:
        assert self.emulator
        return self.emulator.client(service)


def taken_out(stage: Stage, owner: str, name: str) -> ApiKey:
    """A key of the owner's under some name, which the usage plan does not have."""
    made = stage.aws("apigateway").create_api_key(name=name, enabled=True, value=new_api_key(owner))
    return ApiKey(made["id"], name, owner, made["createdDate"], enabled=True, in_plan=False, value=made["value"])


def test_a_deployment_lets_no_key_in_that_was_made_by_name_only(run: Run, state_dir: Path) -> None:
    stage, keys, own = deployed(state_dir), deployed(state_dir).api_keys, deployed(state_dir).deployment.api_key
    alices = taken_out(stage, "alice", "jobpipe-local.alice")
    posing = taken_out(stage, "alice", "jobpipe-local.monitoring")
    emulator = target_of(stage.deployment)
    aws = AsOnAws("aws", emulator.region, None, "", emulator.session, emulator)
    settings = replace(read_settings(), state_dir=state_dir)
    try:
        console = Console(record=True, width=200, file=io.StringIO())
        deployer = Deployer(aws, "local", settings, Progress(console), {})
        assert deployer.updates().api_key(keys.usage_plan) == own
        assert {key.key_id for key in keys.left_out()} == {alices.key_id, posing.key_id}
        assert [key.key_id in line for key, line in zip(keys.left_out(), lines(console), strict=True)] == [
            True,
            True,
        ]

        console = Console(record=True, width=200, file=io.StringIO())
        deployer = Deployer(emulator, "local", settings, Progress(console), {})
        assert deployer.updates().api_key(keys.usage_plan) == own
        assert [key.key_id for key in keys.left_out()] == [posing.key_id], "its value is of another owner"
        (line,) = lines(console)
        assert "jobpipe-local.monitoring" in line
        assert posing.value not in line
    finally:
        for key in (alices, posing):
            keys.end(key)


def lines(console: Console) -> list[str]:
    return console.export_text(clear=False).splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "--owner", "Alice"),
        ("create", "--owner", FIRST_OWNER),
        ("create", "--owner", "alice", "--stage", "elsewhere"),
        ("rotate",),
        ("rotate", "--owner", "nobody"),
        ("revoke",),
        ("revoke", "--owner", "nobody"),
        ("revoke", "--key", "nosuchkey"),
        ("revoke", "--key", "k", "--owner", "alice"),
        ("revoke", "--owner", FIRST_OWNER),
        ("list", "--stage", "elsewhere"),
        ("steal",),
    ],
)
def test_an_error_of_an_operator_is_one_line(run: Run, state_dir: Path, arguments: tuple[str, ...]) -> None:
    before = deployed(state_dir).api_keys.all()
    done = run("keys", *arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert deployed(state_dir).api_keys.all() == before


def test_the_key_for_the_stage_file(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    keys, own = stage.api_keys, stage.deployment.api_key
    assert keys.operators_key(own, forgets=False).value == own
    bobs = keys.add("bob")
    assert keys.operators_key(bobs.value, forgets=False) == bobs, "what somebody wrote there, if it is good"
    assert keys.operators_key(None, forgets=False).value == own
    assert keys.operators_key(new_api_key(FIRST_OWNER), forgets=True).value == own, "what was revoked stays so"
    for key in keys.all():
        keys.end(key)
    assert keys.operators_key(own, forgets=True).value == own, "a new emulator takes the key that callers have"
    keys.end(keys.of(FIRST_OWNER)[0])
    made = keys.operators_key(own, forgets=False)
    assert made.value != own, "on AWS a deleted key was meant to be deleted"
    assert made.owner == FIRST_OWNER
    keys.end(made)
    assert keys.operators_key(bobs.value, forgets=True).owner == FIRST_OWNER


def test_with_the_stage_go_its_keys_and_no_others(run: Run, state_dir: Path) -> None:
    gateway = deployed(state_dir).aws("apigateway")
    others = {gateway.create_api_key(name=name)["id"] for name in ("jobpipe-local-2.alice", "jobpipe-local")}
    done = run("deploy", "destroy")
    assert done.returncode == 0, done.stderr
    assert {key["id"] for key in gateway.get_api_keys()["items"]} == others
