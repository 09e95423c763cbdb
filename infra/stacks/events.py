"""Reads the events that CloudFormation records while it changes a stack."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_missing_stack
from infra.cli.progress import Progress

_CANCELLED = "cancelled"  # in the reason of resources that failed only because another one did


class StackEvents:
    """The events of one stack since this object was created.

    CloudFormation lists the events of 90 days, newest first, so each read stops at the last known event.
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
        """Whether a new event has been read."""
        return bool(self._new)

    def print_new(self) -> None:
        """Print the events since the last call."""
        for event in self._read_new():
            self._print(event)

    def first_failure(self) -> str | None:
        """Return the cause of the failure, if there is one."""
        self._read_new()
        failed = [event for event in self._new if event["ResourceStatus"].endswith("FAILED")]
        causes = [event for event in failed if _CANCELLED not in event.get("ResourceStatusReason", "").lower()]
        # The stack's own event only repeats the failure of a resource.
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
        """Return the events since the last read, oldest first."""
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
        """Yield pages of events, newest first, or nothing if there is no such stack."""
        try:
            yield from self._cfn.get_paginator("describe_stack_events").paginate(StackName=self._name)
        except ClientError as error:
            if not is_missing_stack(error):
                raise


def find_leftovers(cloudformation: Any, stack_id: str) -> list[tuple[str, str]]:
    """Return the type and physical id of each resource that this stack created and, by its events, did not delete.

    If a creation fails because the resource "already exists", the id is that of a resource outside the stack.
    """
    pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack_id)
    left: dict[str, tuple[str, str]] = {}
    for event in [event for page in pages for event in page["StackEvents"]][::-1]:
        status, logical = event["ResourceStatus"], event["LogicalResourceId"]
        initiated = status == "CREATE_IN_PROGRESS" and "Initiated" in event.get("ResourceStatusReason", "")
        if (status == "CREATE_COMPLETE" or initiated) and event.get("PhysicalResourceId"):
            left[logical] = (event["ResourceType"], event["PhysicalResourceId"])
        elif status == "DELETE_COMPLETE" or (status == "CREATE_FAILED" and _already_existed(event)):
            left.pop(logical, None)
    return list(left.values())


def _already_existed(event: dict[str, Any]) -> bool:
    reason = event.get("ResourceStatusReason", "").lower()
    return "already exist" in reason or "alreadyexist" in reason
