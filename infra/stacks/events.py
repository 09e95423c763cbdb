"""What CloudFormation tells of a stack while it changes it."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_missing_stack
from infra.cli.progress import Progress

_CANCELLED = "cancelled"  # what CloudFormation says of resources that fell with another one


class StackEvents:
    """The events of one stack from now on.

    CloudFormation lists the newest first, and 90 days of them: each read stops at the last known event.
    """

    def __init__(self, cloudformation: Any, name: str, progress: Progress) -> None:
        self._cfn = cloudformation
        self._name = name
        self._progress = progress
        self._new: list[dict[str, Any]] = []  # oldest first
        newest: list[dict[str, Any]] = next((page["StackEvents"][:1] for page in self._pages()), [])
        self._last_known = newest[0]["EventId"] if newest else None

    @property
    def has_begun(self) -> bool:
        """Whether anything was told since."""
        return bool(self._new)

    def print_new(self) -> None:
        """Prints what came since the last call."""
        for event in self._read_new():
            self._print(event)

    def first_failure(self) -> str | None:
        """The cause, where one failed."""
        self._read_new()
        failed = [event for event in self._new if event["ResourceStatus"].endswith("FAILED")]
        causes = [event for event in failed if _CANCELLED not in event.get("ResourceStatusReason", "").lower()]
        # a stack's own event comes after, and repeats, its resources'
        causes.sort(key=lambda event: event["ResourceType"] == "AWS::CloudFormation::Stack")
        if not causes:
            return None
        event = causes[0]
        reason = event.get("ResourceStatusReason", "no reason given")
        return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"

    def _print(self, event: dict[str, Any]) -> None:
        status = event["ResourceStatus"]
        if status.endswith("IN_PROGRESS") and "ROLLBACK" not in status:
            return
        what = f"{event['ResourceType']} {event['LogicalResourceId']}"
        reason = event.get("ResourceStatusReason", "") if "FAILED" in status else ""
        self._progress.event(event["StackName"], status, what, reason)

    def _read_new(self) -> list[dict[str, Any]]:
        """The events since the last read, oldest first."""
        found: list[dict[str, Any]] = []
        for page in self._pages():
            fresh = list(takewhile(lambda event: event["EventId"] != self._last_known, page["StackEvents"]))
            found += fresh
            if len(fresh) < len(page["StackEvents"]):
                break
        if found:
            self._last_known = found[0]["EventId"]
        self._new += found[::-1]
        return found[::-1]

    def _pages(self) -> Iterator[dict[str, Any]]:
        """Pages of events, newest first, each read on demand; none if there is no such stack."""
        try:
            yield from self._cfn.get_paginator("describe_stack_events").paginate(StackName=self._name)
        except ClientError as error:
            if not is_missing_stack(error):
                raise


def made_and_left(cloudformation: Any, stack_id: str) -> list[tuple[str, str]]:
    """Type and physical id of what this very stack made and no event says was deleted.

    A resource that "already exists" fails with the id of somebody else's: CloudFormation tells neither that its
    creation was initiated nor that it was complete.
    """
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    left: dict[str, tuple[str, str]] = {}
    for event in [event for page in pages for event in page["StackEvents"]][::-1]:
        status, logical = event["ResourceStatus"], event["LogicalResourceId"]
        initiated = status == "CREATE_IN_PROGRESS" and "Initiated" in event.get("ResourceStatusReason", "")
        if (status == "CREATE_COMPLETE" or initiated) and event.get("PhysicalResourceId"):
            left[logical] = (event["ResourceType"], event["PhysicalResourceId"])
        elif status == "DELETE_COMPLETE" or (status == "CREATE_FAILED" and _names_another(event)):
            left.pop(logical, None)
    return list(left.values())


def _names_another(event: dict[str, Any]) -> bool:
    reason = event.get("ResourceStatusReason", "").lower()
    return "already exist" in reason or "alreadyexist" in reason
