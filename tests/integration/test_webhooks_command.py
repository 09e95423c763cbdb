"""`make webhooks` on a deployed stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.keys.api_keys import FIRST_OWNER
from jobpipe.domain.clock import now
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.events.dynamodb_webhooks import DynamoDbWebhooks
from tests.helpers.deployed import Stage
from tests.integration.operators import Operator

pytestmark = pytest.mark.slow

URL = "https://hooks.example:8443/services/T000/secret-path?token=hidden"


@pytest.fixture
def operator(stage: Stage, tmp_path: Path) -> Operator:
    return Operator(stage, tmp_path)


@pytest.fixture
def store(stage: Stage) -> DynamoDbWebhooks:
    clients = AwsClients(make=lambda service, **_: stage.aws(service))
    return DynamoDbWebhooks(clients, stage.resources["webhooks_table"])


@pytest.fixture
def webhooks(store: DynamoDbWebhooks) -> Iterator[list[Webhook]]:
    """Return two webhooks of carla and one of carlo."""
    made = [
        new_webhook({"url": URL, "events": ["job.ended"]}, owner, {"items"}, UrlRules(), now())
        for owner in ("carla", "carla", "carlo")
    ]
    for each in made:
        assert store.put_new(each, 10)
    yield made
    for each in made:
        store.delete(each.owner, each.webhook_id)


def paused(store: DynamoDbWebhooks, webhooks: list[Webhook]) -> list[bool]:
    found = [store.get(each.owner, each.webhook_id) for each in webhooks]
    return [each is not None and each.paused for each in found]


def test_the_list_has_all_owners_webhooks_and_no_secret(
    operator: Operator, store: DynamoDbWebhooks, webhooks: list[Webhook]
) -> None:
    failing = replace(webhooks[2], failing_since="2026-11-22T20:57:44.123Z", paused=True, paused_by_failures=True)
    assert store.replace(webhooks[2], failing)
    output = operator.output_of("webhooks")
    rows = {cells[1]: cells for cells in (line.split("\t") for line in output.splitlines()) if len(cells) > 1}
    assert rows[webhooks[0].webhook_id] == [
        *("carla", webhooks[0].webhook_id, "hooks.example:8443", "job.ended", "on", "")
    ]
    state = "paused because its receiver failed"
    assert rows[failing.webhook_id][4:] == [state, "2026-11-22T20:57:44.123Z"]
    assert output.splitlines()[-1] == f"{len(rows)} webhooks"

    listed = operator.output_of("webhooks", "--json")
    documents = {each["id"]: each for each in json.loads(listed)["webhooks"]}
    assert documents[failing.webhook_id] == {
        "owner": "carlo",
        "host": "hooks.example:8443",
        "id": failing.webhook_id,
        "events": ["job.ended"],
        "collections": [],
        "paused": True,
        "paused_by_failures": True,
        "failing_since": "2026-11-22T20:57:44.123Z",
        "created_at": failing.created_at,
        "updated_at": failing.updated_at,
    }
    for text in ("secret-path", "hidden", *(each.secret for each in webhooks)):
        assert text not in output + listed


def test_webhooks_are_paused_and_resumed_by_owner_or_id(
    operator: Operator, store: DynamoDbWebhooks, webhooks: list[Webhook]
) -> None:
    first, second, _ = webhooks
    output = operator.output_of("webhooks", "--pause", first.webhook_id)
    assert output == f"paused {first.webhook_id} of carla\n1 webhooks paused\n"
    assert paused(store, webhooks) == [True, False, False]

    output = operator.output_of("webhooks", "--pause=carla")
    assert output == f"paused {second.webhook_id} of carla\n1 webhooks paused, 1 not changed\n"
    assert paused(store, webhooks) == [True, True, False]

    report = json.loads(operator.output_of("webhooks", "--json", "--resume=carla", f"--resume={first.webhook_id}"))
    assert {*report["resumed"]} == {first.webhook_id, second.webhook_id}
    assert report["left"] == 0
    assert paused(store, webhooks) == [False, False, False]


def test_the_owner_sees_what_an_operator_has_done(stage: Stage, operator: Operator) -> None:
    made = stage.client.webhooks.create("https://receiver.example/", events=["job.ended"])
    try:
        operator.output_of("webhooks", "--pause", made.id)
        assert stage.client.webhooks.get(made.id).paused
        assert f"resumed {made.id} of {FIRST_OWNER}" in operator.output_of("webhooks", "--resume", made.id)
        assert not stage.client.webhooks.get(made.id).paused
    finally:
        stage.client.webhooks.delete(made.id)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--pause", "carla", "nobody"), "there is no webhook with this id or owner: 'nobody'"),
        (("--resume", "carl"), "'carl'"),
        (("--pause", ""), "''"),
        (("--pause", "car\nla"), r"'car\nla'"),
        (("--pause", "carla", "--resume", "carlo"), "not allowed with argument"),
        (("--pause",), "expected at least one argument"),
        (("--unknown",), "unrecognized arguments"),
        (("carla",), "unrecognized arguments"),
        (("--stage", "elsewhere"), "the stage 'elsewhere' is not deployed"),
    ],
)
def test_an_operators_error_is_one_line_and_changes_nothing(
    operator: Operator, store: DynamoDbWebhooks, webhooks: list[Webhook], arguments: tuple[str, ...], problem: str
) -> None:
    done = operator.run("webhooks", *arguments)
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert problem in done.stderr
    assert paused(store, webhooks) == [False] * 3


def test_a_stage_without_events_says_so(stage: Stage, tmp_path: Path) -> None:
    resources = {name: value for name, value in stage.resources.items() if name != "webhooks_table"}
    operator = Operator(Stage(replace(stage.deployment, resources=resources)), tmp_path)
    done = operator.run("webhooks")
    assert done.returncode == 1
    assert done.stderr == f"webhooks: the stage '{operator.stage}' has no webhooks, since Events is off\n"
