"""A stage with retained data: as on AWS, its resources outlive their stacks."""

from __future__ import annotations

import os
import pty
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.comparison import print_diff
from infra.deployment.plan import Deployer
from infra.deployment.stateful import Queue, stateful_resources
from infra.deployment.teardown import Teardown, confirm_destruction
from infra.emulator import running_emulator
from infra.errors import OperatorError
from infra.packaging.package import APPS
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stage.names import app_stack, foundation_stack, operations_stack
from infra.targets.target import EMBEDDED, Target, find_target
from infra.templates import sources as templates
from tests.helpers.deployed import WAIT, Stage, unique
from tests.infra.foundations import stack_resources

PROD = "prod"
STATEFUL = {"CommandsQueue", "DeadLettersQueue", "ParkedQueue", "JobsTable", "ItemsTable", "NamesTable"}
STATEFUL |= {"CollectionsTable", "LookupsTable"}
BUCKETS = {"DocumentsBucket", "ArtifactsBucket"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    state_dir: Path = tmp_path_factory.mktemp("prod")
    with running_emulator(state_dir) as emulator:
        yield Settings(stage=PROD, port=emulator.port, endpoint_url=None, state_dir=state_dir)


@pytest.fixture(scope="module")
def target(settings: Settings) -> Target:
    found = find_target(EMBEDDED, "local", settings, start=False)
    assert found
    return found


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200, file=Path("/dev/null").open("w"))


@pytest.fixture
def deployer(settings: Settings, target: Target, console: Console) -> Deployer:
    return Deployer(target, PROD, settings, Progress(console), {}, allow_data_loss=False)


@pytest.fixture
def prod(deployer: Deployer, target: Target, settings: Settings) -> Iterator[Stage]:
    yield Stage(deployer.deploy())
    Teardown(target, PROD, settings, Progress(Console(quiet=True))).destroy()
    assert existing(target) == set()


def existing(target: Target) -> set[str]:
    """Return the names of all stacks, tables, buckets, queues and waiting change sets of the account."""
    cfn = target.client("cloudformation")
    found = {
        stack["StackName"] for stack in cfn.describe_stacks()["Stacks"] if stack["StackStatus"] != "DELETE_COMPLETE"
    }
    for stack in list(found):
        found |= {each["ChangeSetName"] for each in cfn.list_change_sets(StackName=stack)["Summaries"]}
    found |= set(target.client("dynamodb").list_tables()["TableNames"])
    found |= {bucket["Name"] for bucket in target.client("s3").list_buckets()["Buckets"]}
    return found | {url.rpartition("/")[2] for url in target.client("sqs").list_queues().get("QueueUrls", [])}


def with_another_foundation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any) -> None:
    template = templates.read_template(templates.FOUNDATION)
    change(template)
    path = tmp_path / "foundation.yaml"
    path.write_text(yaml.safe_dump(template))
    monkeypatch.setattr(templates, "FOUNDATION", path)


def test_a_diff_of_a_new_stage_has_all_its_resources(deployer: Deployer, target: Target, console: Console) -> None:
    foundation, worker, api, operations = deployer.diff()

    added = {change.logical_id for change in foundation.changes}
    assert added >= STATEFUL | BUCKETS
    assert {change.action for diff in (foundation, worker, api, operations) for change in diff.changes} == {"add"}
    for diff in (foundation, worker, api, operations):
        assert diff.differs
        assert "no such stack" in diff.note
    assert "JobsTable" in worker.note, "it needs the foundation's outputs"
    assert existing(target) == set(), "nothing was left behind"
    print_diff([foundation, worker, api, operations], deployer.progress)
    assert "jobpipe-prod-foundation:" in console.export_text()


def test_a_diff_shows_what_a_deployment_would_change_and_changes_nothing(
    prod: Stage, deployer: Deployer, target: Target, settings: Settings, console: Console
) -> None:
    before = existing(target)
    assert [diff.differs or diff.note for diff in deployer.diff()] == ["", "", "", ""]

    other = Deployer(target, PROD, settings, deployer.progress, {"WorkerTimeout": "10"})
    foundation, worker, api, operations = other.diff()

    assert foundation.parameters == worker.parameters == {"WorkerTimeout": ("5", "10")}
    changed = {change.logical_id: change for change in foundation.changes + worker.changes}
    assert set(changed) >= {"CommandsQueue", "DeadLettersQueue", "Work", "DeadLetters"}
    assert not (STATEFUL - {"CommandsQueue", "DeadLettersQueue"}) & set(changed)
    assert not any(change.loses_data for change in changed.values())
    assert "VisibilityTimeout (by WorkerTimeout)" in changed["CommandsQueue"].causes
    assert not api.differs
    assert not operations.differs
    assert existing(target) == before, "neither changed nor left behind"
    print_diff([foundation, worker, api], deployer.progress)
    text = console.export_text()
    assert "WorkerTimeout: 5 -> 10" in text
    assert "STATE WOULD BE LOST" not in text
    assert deployer.diff()[0].differs is False, "it was not executed"


def test_a_diff_reports_that_a_new_key_will_change_all_stacks(
    prod: Stage, deployer: Deployer, console: Console
) -> None:
    foundation, *others = replace(deployer, overrides={"Encryption": "customer-managed"}).diff()

    assert foundation.parameters == {"Encryption": ("aws-owned", "customer-managed")}
    assert not foundation.note
    assert len(others) == 3
    assert all("new encryption key will change this stack too" in diff.note for diff in others)
    print_diff([foundation, *others], deployer.progress)
    assert "nothing to deploy" not in console.export_text()


def test_stacks_with_different_values_after_an_interruption_get_the_same_values(
    prod: Stage, deployer: Deployer, target: Target, console: Console
) -> None:
    """One deployment was interrupted after the foundation, another after the worker."""
    cloudformation = target.client("cloudformation")
    apart = {foundation_stack(PROD): ("WorkerTimeout", "20"), app_stack(PROD, "worker"): ("LogLevel", "DEBUG")}
    for stack, (name, value) in apart.items():
        (described,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        keys = [each["ParameterKey"] for each in described["Parameters"]]
        unchanged = [{"ParameterKey": key, "UsePreviousValue": True} for key in keys if key != name]
        parameters = [*unchanged, {"ParameterKey": name, "ParameterValue": value}]
        capabilities = ["CAPABILITY_NAMED_IAM"]
        cloudformation.update_stack(
            StackName=stack, UsePreviousTemplate=True, Parameters=parameters, Capabilities=capabilities
        )
        cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.2})

    foundation, worker, api, operations = deployer.diff()
    assert not foundation.differs
    assert not operations.differs
    assert worker.parameters == {"WorkerTimeout": ("5", "20")}
    assert api.parameters == {"LogLevel": ("INFO", "DEBUG")}
    assert "api: LogLevel becomes DEBUG, as in jobpipe-prod-worker; it was INFO" in console.export_text()

    # MiniStack reports that an API whose function changes may be replaced; AWS changes it in place.
    replace(deployer, allow_data_loss=True).deploy()

    lambdas = target.client("lambda")
    for function in ("worker_function", "dead_letters_function"):
        assert lambdas.get_function_configuration(FunctionName=prod.resources[function])["Timeout"] == 20
    api_function = lambdas.get_function_configuration(FunctionName=prod.resources["api_function"])
    assert api_function["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"
    assert [diff.differs for diff in deployer.diff()] == [False] * 4


def test_no_resource_with_state_is_replaced_or_removed_without_permission(
    prod: Stage,
    deployer: Deployer,
    target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    console: Console,
) -> None:
    item = prod.request("POST", "/items", {"name": unique("Kept"), "description": "d"}, headers=WAIT).json()
    before = existing(target)

    def change(template: templates.Template) -> None:
        del template["Resources"]["ParkedQueue"]
        template["Outputs"]["ParkedQueueUrl"]["Value"] = template["Outputs"]["ParkedQueueArn"]["Value"] = "gone"
        table = template["Resources"]["ItemsTable"]["Properties"]
        table["AttributeDefinitions"][0]["AttributeName"] = table["KeySchema"][0]["AttributeName"] = "id"
        template["Resources"]["NamesTable"]["Properties"]["TableName"] = "another"

    with_another_foundation(tmp_path, monkeypatch, change)

    foundation = deployer.diff()[0]
    assert {str(change) for change in foundation.changes if change.loses_data} == {
        "ItemsTable (AWS::DynamoDB::Table): may replace",
        "NamesTable (AWS::DynamoDB::Table): replace",
        "ParkedQueue (AWS::SQS::Queue): remove",
    }
    print_diff([foundation], deployer.progress)
    assert "STATE WOULD BE LOST: ItemsTable" in console.export_text()
    with pytest.raises(OperatorError, match=r"ItemsTable .* replace.*ParkedQueue .* remove.*ALLOW_REPLACEMENT=yes"):
        deployer.deploy()
    assert existing(target) == before
    assert prod.request("GET", f"/items/{item['id']}").json() == item


def test_allowed_removals_are_done(
    prod: Stage,
    settings: Settings,
    target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def change(template: templates.Template) -> None:
        del template["Resources"]["ParkedQueue"]
        template["Outputs"]["ParkedQueueUrl"]["Value"] = prod.resources["parked_queue_url"]
        template["Outputs"]["ParkedQueueArn"]["Value"] = "arn:aws:sqs:us-east-1:000000000000:jobpipe-prod-parked"

    with_another_foundation(tmp_path, monkeypatch, change)
    Deployer(target, PROD, settings, Progress(Console(quiet=True)), {}, allow_data_loss=True).deploy()

    names = {name for _, name in stack_resources(target, foundation_stack(PROD))}
    assert not any("parked" in name for name in names)
    assert "jobpipe-prod-parked" in existing(target), "it outlives its stack"
    monkeypatch.undo()  # the destruction that follows finds the queue by its name in the template


def stacks(target: Target) -> Stacks:
    return Stacks(target.client("cloudformation"), Progress(Console(quiet=True)), target.poll_seconds)


def test_an_interrupted_destruction_is_completed_by_the_next(
    deployer: Deployer, target: Target, settings: Settings
) -> None:
    stage = Stage(deployer.deploy())
    stage.request("POST", "/items", {"name": unique("Lost"), "description": "d"}, headers=WAIT)
    for stack in (operations_stack(PROD), *(app_stack(PROD, app) for app in APPS), foundation_stack(PROD)):
        assert stacks(target).delete(stack)
    resources = stateful_resources(target, PROD).values()
    left = {each.name for each in resources if each.kind != "AWS::KMS::Alias"}  # AWS's key is used here
    assert existing(target) == left, (
        "resources with state outlive the stacks, under the names by which they are found"
    )

    Teardown(target, PROD, settings, Progress(Console(quiet=True))).destroy()

    assert existing(target) == set()
    Teardown(target, PROD, settings, Progress(Console(quiet=True))).destroy()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Replace standard input by a terminal and yield the end at which a user types."""
    typed, read = pty.openpty()
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typed
    os.close(typed)


def test_a_destruction_on_a_terminal_shows_the_losses_and_asks_for_the_name(
    prod: Stage, target: Target, console: Console, terminal: int
) -> None:
    prod.request("POST", "/items", {"name": unique("Seen"), "description": "d"}, headers=WAIT)
    resources = stateful_resources(target, PROD).values()

    os.write(terminal, b"\x04")  # Ctrl-D
    with pytest.raises(OperatorError, match="nothing was deleted"):
        confirm_destruction(target, PROD, resources, None, Progress(console))
    os.write(terminal, b"yes\n")
    with pytest.raises(OperatorError, match="nothing was deleted"):
        confirm_destruction(target, PROD, resources, None, Progress(console))
    text = console.export_text()
    assert "jobpipe-prod-items: about 1 rows" in text
    assert "jobpipe-prod-commands.fifo: about 0 messages" in text
    assert "jobpipe-prod-documents-000000000000-us-east-1: 1 versions" in text

    os.write(terminal, b"prod\n")
    confirm_destruction(target, PROD, resources, None, Progress(console))


def test_a_destruction_without_a_terminal_needs_the_name_as_an_argument(
    target: Target, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Path("/dev/null").open() as no_terminal:
        monkeypatch.setattr(sys, "stdin", no_terminal)
        resources = [Queue(target, "jobpipe-prod-parked")]
        for given in (None, "yes", "prod2"):
            with pytest.raises(OperatorError, match="prod"):
                confirm_destruction(target, PROD, resources, given, Progress(console))

        confirm_destruction(target, PROD, resources, PROD, Progress(console))
    assert "no resource with data is left" in console.export_text()
