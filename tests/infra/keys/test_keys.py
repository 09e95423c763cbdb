"""The commands for keys: what they make, list and revoke, and what a key of each role may do."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api_lambda.chalicelib.http.callers import Caller, Role, caller_of, owner_of
from infra.errors import OperatorError
from infra.keys.__main__ import as_json, table
from infra.keys.api_keys import FIRST_OWNER, ApiKey, check_owner, check_role, new_api_key
from infra.stage.stage_file import stage_file, write_deployment
from tests.helpers.deployed import Stage
from tests.infra.stage_with_keys import Run, deployed, is_accepted, key_of, key_outside_plan

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("owner", ["alice", "a", "team7", "a" * 63, "deadbeef"])
def test_valid_owners(owner: str) -> None:
    assert check_owner(owner) == owner


@pytest.mark.parametrize(
    "owner", ["", "Alice", "7team", "al-ice", "a.b", "a" * 64, "alice\n", "élise", "alice bob"]
)
def test_an_invalid_owner_is_refused_in_one_line(owner: str) -> None:
    with pytest.raises(OperatorError, match="owner's name") as raised:
        check_owner(owner)
    assert len(str(raised.value).splitlines()) == 1


def test_the_list_shows_everything_except_the_secrets() -> None:
    at = datetime(2026, 11, 22, 20, 57, tzinfo=UTC)

    def key(key_id: str, value: str, *, enabled: bool = True, in_plan: bool = True) -> ApiKey:
        owner = owner_of(value)
        return ApiKey(key_id, f"jobpipe-local.{owner}", owner, at, enabled, in_plan, value)

    keys = [
        key("k1", new_api_key("alice")),
        key("k2", new_api_key("bob", Role.READER), enabled=False),
        key("k3", "bobreader" + "0123456789abcdef" * 2, in_plan=False),
        key("k4", new_api_key(FIRST_OWNER, Role.OPERATOR)),
    ]
    header, *lines = table(keys, keys[3].value)
    assert header.split() == ["OWNER", "ROLE", "KEY", "ID", "CREATED", "STATE", "ENDS", "IN"]
    roles = ["writer", "reader", "writer (no letter)", "operator"]
    states = ["enabled", "disabled", "in no plan", "enabled"]
    for each, line, role, state in zip(keys, lines, roles, states, strict=True):
        assert line.startswith(f"{each.owner} ")
        assert f" {role} " in line
        assert f" {each.key_id} " in line
        assert f" {state} " in line
        assert each.value[-4:] in line
        assert each.value[-5:] not in line
        assert each.value not in repr(each)
    assert [line.endswith("in the stage file") for line in lines] == [False, False, False, True]
    documents = [json.loads(line) for line in as_json(keys, keys[3].value)]
    assert documents[1:3] == [
        {
            "owner": "bob",
            "role": "reader",
            "has_letter": True,
            "key_id": "k2",
            "state": "disabled",
            "created": "2026-11-22T20:57:00+00:00",
            "ends_in": keys[1].value[-4:],
            "in_stage_file": False,
        },
        {
            "owner": "bobreader",
            "role": "writer",
            "has_letter": False,
            "key_id": "k3",
            "state": "in no plan",
            "created": "2026-11-22T20:57:00+00:00",
            "ends_in": "cdef",
            "in_stage_file": False,
        },
    ]
    assert [document["in_stage_file"] for document in documents] == [False, False, False, True]


@pytest.mark.parametrize("role", ["", "Reader", "admin", "W", "writer\n"])
def test_an_invalid_role_is_refused_in_one_line(role: str) -> None:
    with pytest.raises(OperatorError, match="is not a role") as raised:
        check_role(role)
    assert len(str(raised.value).splitlines()) == 1


def ids(stage: Stage, owner: str) -> list[str]:
    return [key.key_id for key in stage.api_keys.of(owner)]


def test_create_rotate_revoke(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    first = key_of(run("keys", "create", "--owner", "alice"), "alice")
    assert is_accepted(stage, first)
    listed = run("keys", "list").stdout
    assert f"{ids(stage, 'alice')[0]} " in listed
    assert first not in listed

    again = run("keys", "create", "--owner", "alice")
    assert (again.returncode, again.stdout) == (1, "")
    assert "rotate-key OWNER=alice" in again.stderr
    assert len(ids(stage, "alice")) == 1, "a second key needs rotate-key"

    second = key_of(run("keys", "rotate", "--owner", "alice"), "alice")
    assert is_accepted(stage, first)
    assert is_accepted(stage, second)
    third = key_of(run("keys", "rotate", "--owner", "alice", "--revoke-old"), "alice")
    assert [is_accepted(stage, key) for key in (first, second, third)] == [False, False, True]

    (key_id,) = ids(stage, "alice")
    fourth = key_of(run("keys", "rotate", "--owner", "alice"), "alice")
    assert run("keys", "revoke", "--key", key_id).returncode == 0
    assert [is_accepted(stage, key) for key in (third, fourth)] == [False, True]
    bobs = key_of(run("keys", "create", "--owner", "bob"), "bob")
    assert run("keys", "revoke", "--owner", "alice").returncode == 0
    assert [is_accepted(stage, key) for key in (fourth, bobs)] == [False, True]
    assert run("keys", "revoke", "--owner", "bob").returncode == 0
    assert stage.deployment == deployed(state_dir).deployment
    assert is_accepted(stage, stage.deployment.api_key)


def test_keys_have_roles(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    assert caller_of(stage.deployment.api_key) == Caller(FIRST_OWNER, Role.OPERATOR)
    reader = key_of(run("keys", "create", "--owner", "dora", "--role", "reader"), "dora", Role.READER)

    def statuses(key: str) -> list[int]:
        requests = (
            ("GET", "/items"),
            ("DELETE", "/items/nope"),
            ("GET", "/stats"),
            ("GET", "/jobs?status=failed&owner=*"),
        )
        return [stage.request(method, path, key=key).status_code for method, path in requests]

    assert statuses(reader) == [200, 403, 403, 403]
    refused = stage.request("DELETE", "/items/nope", key=reader).json()
    assert refused["type"] == "urn:jobpipe:problem:forbidden"
    assert "writer's or an operator's key" in refused["detail"]

    again = run("keys", "create", "--owner", "dora", "--role", "writer")
    assert (again.returncode, again.stdout) == (1, "")
    key_of(run("keys", "rotate", "--owner", "dora"), "dora", Role.READER)
    writer = key_of(run("keys", "rotate", "--owner", "dora", "--role", "writer"), "dora", Role.WRITER)
    assert statuses(writer) == [200, 202, 403, 403]
    key_of(run("keys", "rotate", "--owner", "dora"), "dora", Role.WRITER)
    operator = key_of(run("keys", "rotate", "--owner", "dora", "--role", "operator"), "dora", Role.OPERATOR)
    assert statuses(operator) == [200, 202, 200, 200]
    assert statuses(stage.deployment.api_key) == [200, 202, 200, 200]
    listed = [json.loads(line) for line in run("keys", "list", "--json").stdout.splitlines()]
    assert [each["role"] for each in listed if each["owner"] == "dora"] == [
        *("reader", "reader", "writer", "writer", "operator")
    ]
    assert {key.name for key in stage.api_keys.of("dora")} == {"jobpipe-local.dora"}

    # an owner of whose name this one is a part has keys of its own
    others = key_of(run("keys", "create", "--owner", "dorareader"), "dorareader")
    assert run("keys", "revoke", "--owner", "dora").returncode == 0
    assert [is_accepted(stage, key) for key in (reader, writer, operator, others)] == [False, False, False, True]
    assert run("keys", "revoke", "--owner", "dorareader").returncode == 0


def test_keys_of_an_earlier_release_go_on_as_writers(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    former = f"emil{'0123456789abcdef' * 2}"
    stage.api_keys.add("emil", value=former)
    assert is_accepted(stage, former)
    assert stage.request("GET", "/stats", key=former).status_code == 200
    job = stage.request("DELETE", "/items/nope", key=former)
    assert job.status_code == 202
    new = key_of(run("keys", "rotate", "--owner", "emil", "--revoke-old"), "emil")
    assert not is_accepted(stage, former)
    assert stage.request("GET", f"/jobs/{job.json()['id']}", key=new).status_code == 200, "the jobs stay emil's"
    assert run("keys", "revoke", "--owner", "emil").returncode == 0


def hook_of(stage: Stage, key: str) -> str:
    """Create a webhook with this key, and return its id."""
    body = {"url": "https://receiver.example/", "events": ["job.ended"]}
    answer = stage.request("POST", "/webhooks", body, key=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def paused(stage: Stage, key: str) -> dict[str, bool]:
    return {each["id"]: each["paused"] for each in stage.request("GET", "/webhooks", key=key).json()}


def test_the_last_key_of_an_owner_takes_its_webhooks_along(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    first = key_of(run("keys", "create", "--owner", "wanda"), "wanda")
    others = key_of(run("keys", "create", "--owner", "wandas"), "wandas")
    hooks, of_other = [hook_of(stage, first) for _ in range(3)], hook_of(stage, others)
    (old_id,) = ids(stage, "wanda")
    second = key_of(run("keys", "rotate", "--owner", "wanda"), "wanda")
    stage.request("PATCH", f"/webhooks/{hooks[0]}", {"paused": True}, key=first)

    done = run("keys", "revoke", "--key", old_id)
    assert "webhooks" not in done.stderr, "wanda has another key"
    assert paused(stage, second) == {hooks[0]: True, hooks[1]: False, hooks[2]: False}

    (last_id,) = ids(stage, "wanda")
    done = run("keys", "revoke", "--key", last_id)
    assert done.returncode == 0, done.stderr
    assert "wanda has no other key: 2 webhooks of wanda are paused now (make webhooks)" in done.stderr.splitlines()
    assert paused(stage, others) == {of_other: False}

    third = key_of(run("keys", "create", "--owner", "wanda"), "wanda")
    assert paused(stage, third) == dict.fromkeys(hooks, True), "a new key does not resume them"
    done = run("keys", "revoke", "--owner", "wanda")
    assert done.returncode == 0
    assert "webhooks" not in done.stderr, "all are paused already"
    assert run("keys", "revoke", "--owner", "wandas").returncode == 0


def test_webhooks_are_paused_by_a_second_try_if_the_first_has_revoked_the_keys_only(
    run: Run, state_dir: Path
) -> None:
    stage = deployed(state_dir)
    hook_of(stage, key_of(run("keys", "create", "--owner", "wilma"), "wilma"))
    path = stage_file(state_dir, "local")
    text = path.read_text()
    try:
        wrong = text.replace(stage.resources["webhooks_table"], "no-such-table")
        path.write_text(wrong)
        done = run("keys", "revoke", "--owner", "wilma")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("make webhooks PAUSE=wilma")
    finally:
        path.write_text(text)
    assert not ids(stage, "wilma")
    done = run("keys", "revoke", "--owner", "wilma")
    assert (done.returncode, done.stderr) == (
        0,
        "wilma has no other key: 1 webhooks of wilma are paused now (make webhooks)\n",
    )
    assert run("keys", "revoke", "--owner", "wilma").returncode == 1, "there is nothing left to do"


def test_a_stage_without_events_has_no_webhooks_to_pause(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    key_of(run("keys", "create", "--owner", "wolf"), "wolf")
    resources = {name: value for name, value in stage.resources.items() if name != "webhooks_table"}
    try:
        write_deployment(state_dir, replace(stage.deployment, resources=resources))
        done = run("keys", "revoke", "--owner", "wolf")
        assert done.returncode == 0, done.stderr
        assert "webhook" not in done.stderr
    finally:
        write_deployment(state_dir, stage.deployment)


@pytest.mark.parametrize(
    "command", [("revoke", "--owner", "carol"), ("rotate", "--owner", "carol", "--revoke-old")]
)
def test_a_key_of_another_name_leaves_the_plan_but_is_not_deleted(
    run: Run, state_dir: Path, command: tuple[str, ...]
) -> None:
    stage = deployed(state_dir)
    gateway, keys = stage.aws("apigateway"), stage.api_keys
    own = key_of(run("keys", "create", "--owner", "carol"), "carol")
    other = key_outside_plan(stage, "carol", "billing-api.partner")
    try:
        gateway.create_usage_plan_key(usagePlanId=keys.usage_plan, keyId=other.key_id, keyType="API_KEY")
        assert is_accepted(stage, other.value)

        done = run("keys", *command)

        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stderr.splitlines() if other.key_id in line]
        assert "not deleted: its name 'billing-api.partner'" in line
        assert [is_accepted(stage, key) for key in (own, other.value)] == [False, False]
        values = {each["value"] for each in gateway.get_api_keys(includeValues=True)["items"]}
        assert other.value in values
        assert own not in values
    finally:
        gateway.delete_api_key(apiKey=other.key_id)
        for key in keys.of("carol"):
            keys.revoke(key)


@pytest.mark.parametrize(
    "arguments",
    [
        ("create",),
        ("create", "--owner", "Alice"),
        ("create", "--owner", "alice", "--role", "admin"),
        ("create", "--owner", "alice", "--role", ""),
        ("rotate", "--owner", FIRST_OWNER, "--role", "writer"),
        ("list", "--role", "reader"),
        ("revoke", "--owner", "alice", "--role", "reader"),
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
        ("unknown",),
    ],
)
def test_an_operators_error_is_one_line(run: Run, state_dir: Path, arguments: tuple[str, ...]) -> None:
    before = deployed(state_dir).api_keys.all()
    done = run("keys", *arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert deployed(state_dir).api_keys.all() == before
