"""Each read of a stack's events gets only the new ones, and not the whole history again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from rich.console import Console

from infra.cli.progress import Progress
from infra.stacks.events import StackEvents
from tests.helpers.stubbed import a_client

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/jobpipe-prod-api/1"


@pytest.fixture
def cloudformation() -> Iterator[tuple[Any, Stubber]]:
    """A stub that answers only the calls that the test adds."""
    client = a_client("cloudformation")
    with Stubber(client) as stub:
        yield client, stub
        stub.assert_no_pending_responses()


def event(number: int, status: str = "UPDATE_COMPLETE", reason: str = "") -> dict[str, Any]:
    return {
        "StackId": STACK,
        "EventId": f"event-{number}",
        "StackName": "jobpipe-prod-api",
        "LogicalResourceId": f"Resource{number}",
        "ResourceType": "AWS::SQS::Queue",
        "Timestamp": datetime(2026, 11, 1, tzinfo=UTC),
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def page(stub: Stubber, numbers: range, *, token: str = "", following: str = "", **newest: str) -> None:
    """Add an answer with one page of events, the newest first."""
    events = [event(number) for number in reversed(numbers)]
    events[0] |= event(numbers[-1], **newest)
    answer: dict[str, Any] = {"StackEvents": events}
    expected = {"StackName": "jobpipe-prod-api"}
    stub.add_response(
        "describe_stack_events",
        answer | ({"NextToken": following} if following else {}),
        expected | ({"NextToken": token} if token else {}),
    )


def test_reading_stops_at_the_last_known_event(cloudformation: tuple[Any, Stubber], tmp_path: Any) -> None:
    client, stub = cloudformation
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    page(stub, range(900, 1000), following="older")  # nine more pages follow
    events = StackEvents(client, "jobpipe-prod-api", Progress(console))
    page(stub, range(900, 1000), following="older")
    events.print_new()
    assert console.export_text(clear=False) == ""

    page(stub, range(903, 1003), following="older")
    events.print_new()
    assert events.has_begun

    page(stub, range(1010, 1110), following="older")
    page(stub, range(910, 1010), token="older", following="oldest")
    events.print_new()

    page(stub, range(1011, 1111), following="older", status="UPDATE_FAILED", reason="no room")
    assert events.first_failure() == "Resource1110 (AWS::SQS::Queue): no room"
    text = console.export_text()
    assert [
        text.count(f"Resource{number} ") + text.count(f"Resource{number}\n") for number in range(999, 1110)
    ] == [
        0,
        *[1] * 110,
    ]


def test_a_stack_without_events_has_not_begun(cloudformation: tuple[Any, Stubber]) -> None:
    client, stub = cloudformation
    stub.add_client_error(
        "describe_stack_events", "ValidationError", "Stack [jobpipe-prod-api] does not exist", 400
    )
    events = StackEvents(client, "jobpipe-prod-api", Progress(Console(quiet=True)))
    page(stub, range(3))
    events.print_new()
    assert events.has_begun


def test_in_short_a_stack_has_one_line_and_each_failure_another(tmp_path: Any) -> None:
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    progress = Progress(console, in_short=True)
    for stack, resources in (("jobpipe-local-api", 3), ("jobpipe-local-worker", 2)):
        for number in range(resources):
            progress.event(stack, "CREATE_COMPLETE", f"AWS::SQS::Queue Queue{number}")
    progress.event("jobpipe-local-worker", "CREATE_FAILED", "AWS::SQS::Queue Broken", "no room")
    progress.event("jobpipe-local-worker", "ROLLBACK_COMPLETE", "AWS::CloudFormation::Stack jobpipe-local-worker")
    progress.event("jobpipe-local-api", "CREATE_COMPLETE", "AWS::CloudFormation::Stack jobpipe-local-api")
    progress.event("jobpipe-local-operations", "UNCHANGED", "no changes")
    assert [line.split() for line in console.export_text().splitlines()] == [
        ["jobpipe-local-worker", "CREATE_FAILED", "AWS::SQS::Queue", "Broken", "no", "room"],
        ["jobpipe-local-worker", "ROLLBACK_COMPLETE", "AWS::CloudFormation::Stack", "jobpipe-local-worker"],
        ["jobpipe-local-api", "CREATE_COMPLETE", "3", "resources"],
        ["jobpipe-local-operations", "UNCHANGED", "no", "changes"],
    ]
