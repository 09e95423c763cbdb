"""Stacks in the embedded emulator's CloudFormation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.stacks.change_sets import Stacks
from infra.targets.target import Target
from tests.helpers.embedded import embedded


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with embedded(tmp_path_factory.mktemp("emulator")) as (found, _):
        yield found


@pytest.fixture
def console() -> Console:
    return Console(record=True, width=200, file=Path("/dev/null").open("w"))


@pytest.fixture
def stacks(target: Target, console: Console) -> Stacks:
    return Stacks(target.client("cloudformation"), Progress(console), target.poll_seconds)


def with_queue() -> dict[str, Any]:
    return {
        "Parameters": {"Seconds": {"Type": "Number", "Default": 30}},
        "Resources": {
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"VisibilityTimeout": {"Ref": "Seconds"}},
            }
        },
        "Outputs": {"Url": {"Value": {"Ref": "Queue"}}},
    }


def test_a_stack_is_created_changed_left_unchanged_and_deleted(stacks: Stacks, console: Console) -> None:
    made = stacks.deploy("life", with_queue(), {"Seconds": "10", "Unknown": "x"})
    same = stacks.deploy("life", with_queue(), {"Seconds": "10"})
    changed = stacks.deploy("life", with_queue(), {"Seconds": "20"})

    assert (made.changed, same.changed, changed.changed) == (True, False, True)
    assert made.outputs == same.outputs == changed.outputs
    assert stacks.template("life") == with_queue()
    assert stacks.delete("life") is True
    assert stacks.delete("life") is False
    assert stacks.outputs("life") == {}
    text = console.export_text()
    assert "AWS::SQS::Queue Queue" in text
    assert "no changes" in text


def failing() -> dict[str, Any]:
    template = with_queue()
    # The queue is created or changed first, and then rolled back.
    template["Resources"]["Response"] = {
        "Type": "AWS::ApiGateway::GatewayResponse",
        "DependsOn": "Queue",
        "Properties": {"RestApiId": "no-such-api", "ResponseType": "THROTTLED"},
    }
    return template


def test_a_parameter_that_is_not_given_keeps_its_value_and_a_default_is_for_new_stacks(stacks: Stacks) -> None:
    def seconds() -> str:
        (stack,) = stacks._cfn.describe_stacks(StackName="sticky")["Stacks"]
        (parameter,) = stack["Parameters"]
        return str(parameter["ParameterValue"])

    stacks.deploy("sticky", with_queue(), {}, {"Seconds": "11"})
    assert seconds() == "11"
    stacks.deploy("sticky", with_queue(), {"Seconds": "22"}, {"Seconds": "11"})
    assert seconds() == "22"
    assert stacks.deploy("sticky", with_queue(), {}, {"Seconds": "11"}).changed is False
    assert seconds() == "22"


def test_a_new_default_reaches_a_stack_that_has_the_old_one(stacks: Stacks) -> None:
    def seconds() -> str:
        (stack,) = stacks._cfn.describe_stacks(StackName="defaults")["Stacks"]
        (parameter,) = stack["Parameters"]
        return str(parameter["ParameterValue"])

    stacks.deploy("defaults", with_queue(), {})
    assert seconds() == "30"
    newer = with_queue()
    newer["Parameters"]["Seconds"]["Default"] = 60
    assert stacks.deploy("defaults", newer, {}).changed is True
    assert seconds() == "60"
    assert stacks.deploy("defaults", newer, {}).changed is False

    stacks.deploy("defaults", newer, {"Seconds": "45"})
    stacks.deploy("defaults", with_queue(), {})
    assert seconds() == "45", "an operator's value stays"
    stacks.delete("defaults")


def test_a_failure_names_the_resource_and_the_next_try_works(stacks: Stacks) -> None:
    with pytest.raises(OperatorError, match=r"Response \(AWS::ApiGateway::GatewayResponse\): ."):
        stacks.deploy("retry", failing(), {})

    assert stacks.template("retry") is None
    assert stacks.deploy("retry", with_queue(), {}).changed
    stacks.delete("retry")


def test_a_change_that_fails_leaves_the_stack_as_it_was(stacks: Stacks) -> None:
    before = stacks.deploy("keep", with_queue(), {"Seconds": "10"})

    with pytest.raises(OperatorError, match="Response"):
        stacks.deploy("keep", failing(), {"Seconds": "20"})

    assert stacks.outputs("keep") == before.outputs
    assert stacks.deploy("keep", with_queue(), {"Seconds": "30"}).changed
    stacks.delete("keep")


def test_an_empty_stack_is_replaced(stacks: Stacks, target: Target) -> None:
    target.client("cloudformation").create_change_set(
        StackName="half",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody='{"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}',
    )

    assert stacks.deploy("half", with_queue(), {}).changed
    stacks.delete("half")


def test_a_parameter_out_of_range_is_one_clear_line(stacks: Stacks) -> None:
    template = with_queue()
    template["Parameters"]["Seconds"]["MaxValue"] = 100

    with pytest.raises(OperatorError, match="refused"):
        stacks.deploy("range", template, {"Seconds": "1000"})
