"""An update that takes longer than a deployment waits, as an index of a large table does."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber
from rich.console import Console

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.stacks import change_set_requests
from infra.stacks.change_set_requests import ChangeSetRequests
from infra.stacks.change_sets import Stacks
from tests.helpers.stubbed import a_client


def test_a_deployment_says_that_cloudformation_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_set_requests, "STACK_SECONDS", 0)
    requests = ChangeSetRequests(a_client("cloudformation"), poll_seconds=0)

    with pytest.raises(OperatorError, match=r"has not finished .*, and goes on: run this again"):
        requests.wait(lambda: "UPDATE_IN_PROGRESS", lambda status: status == "UPDATE_COMPLETE")


def test_the_next_deployment_blames_nobody_else() -> None:
    client = a_client("cloudformation")
    stack = {"StackName": "s", "StackStatus": "UPDATE_IN_PROGRESS", "CreationTime": datetime.now(UTC)}

    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": "s"})
        stacks = Stacks(client, Progress(Console(file=io.StringIO())), poll_seconds=0)
        with pytest.raises(OperatorError, match=r"UPDATE_IN_PROGRESS.* CloudFormation has not finished"):
            stacks.deploy("s", {"Resources": {}}, {})
