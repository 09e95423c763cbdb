"""Stacks, made and changed through CloudFormation change sets."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import tenacity
from botocore.exceptions import ClientError

from infra.errors import OperatorError
from infra.progress import Progress
from infra.templates import INLINE_LIMIT, Template, to_json

STACK_SECONDS = 1800
_UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"}
_NOTHING_TO_DO = ("didn't contain changes", "no updates are to be performed", "no changes")
_CANCELLED = "cancelled"  # what CloudFormation says of resources that fell with another one


@dataclass(frozen=True)
class StackResult:
    """A stack as it is after a deployment."""

    outputs: dict[str, str]
    changed: bool


class Stacks:
    """CloudFormation of one target."""

    def __init__(self, cloudformation: Any, progress: Progress, poll_seconds: float) -> None:
        self._cfn = cloudformation
        self._progress = progress
        self._poll_seconds = poll_seconds

    def deploy(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str] | None = None
    ) -> StackResult:
        """Brings the stack to the template; a failure names its first cause and leaves the way free.

        A parameter that is not given keeps the stack's value; where it has none yet, it takes the default. A value
        that is the old template's default gives way to another default of the new one.
        """
        body = to_json(template)
        if len(body.encode()) > INLINE_LIMIT:
            raise OperatorError(f"the template of {name} exceeds {INLINE_LIMIT} bytes")
        exists = self._make_way(name)
        seen = self._event_ids(name) if exists else set()
        values = self._parameters(name, template, parameters, defaults or {})
        change_set = self._create_change_set(name, body, values, exists=exists)
        if change_set is None:
            self._progress.event(name, "UNCHANGED", "no changes")
            return StackResult(self.outputs(name), changed=False)
        self._cfn.execute_change_set(ChangeSetName=change_set, StackName=name)
        self._follow(name, seen)
        return StackResult(self.outputs(name), changed=True)

    def delete(self, name: str) -> bool:
        """Deletes the stack and waits; False if there was none."""
        stack = self._describe(name)
        if stack is None:
            return False
        # by id, since a deleted stack is found by that only
        stack_id = stack["StackId"]
        seen = self._event_ids(stack_id)
        self._cfn.delete_stack(StackName=stack_id)
        status = self._settled(stack_id)
        if status not in {"DELETE_COMPLETE", "GONE"}:
            raise OperatorError(f"{name} cannot be deleted: {self._first_failure(stack_id, seen)}")
        self._progress.event(name, "DELETE_COMPLETE", "AWS::CloudFormation::Stack")
        return True

    def outputs(self, name: str) -> dict[str, str]:
        """The stack's outputs; empty if there is no such stack."""
        stack = self._describe(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def template(self, name: str) -> Template | None:
        """The stack's template as it was sent; None if there is no such stack."""
        if self._describe(name) is None:
            return None
        body = self._cfn.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        template: Template = json.loads(body) if isinstance(body, str) else body
        return template

    def resources(self, name: str) -> list[tuple[str, str]]:
        """Type and physical id of everything in the stack."""
        if self._describe(name) is None:
            return []
        pages = self._cfn.get_paginator("list_stack_resources").paginate(StackName=name)
        found = (summary for page in pages for summary in page["StackResourceSummaries"])
        return [(each["ResourceType"], each.get("PhysicalResourceId", "")) for each in found]

    def _make_way(self, name: str) -> bool:
        """Whether the stack exists, after removing the remains of one that never came to be."""
        stack = self._describe(name)
        if stack and stack["StackStatus"] == "DELETE_IN_PROGRESS":
            self._settled(stack["StackId"])
            stack = self._describe(name)
        if stack is None:
            return False
        status = stack["StackStatus"]
        if status in _UNUSABLE:
            self._progress.event(name, status, "removing what is left of an earlier try")
            self.delete(name)
            return False
        if status == "UPDATE_ROLLBACK_FAILED":
            raise OperatorError(
                f"{name} is stuck: run `aws cloudformation continue-update-rollback --stack-name {name}`"
            )
        if status.endswith("IN_PROGRESS"):
            raise OperatorError(f"{name} is being changed by someone else ({status}); try again when that is done")
        return True

    def _parameters(
        self, name: str, template: Template, given: dict[str, str], defaults: dict[str, str]
    ) -> list[dict[str, Any]]:
        stack = self._describe(name) or {}
        held = {each["ParameterKey"]: each.get("ParameterValue") for each in stack.get("Parameters", [])}
        declared = template.get("Parameters", {})
        before = (self.template(name) or {}).get("Parameters", {}) if held else {}
        kept = {key for key, value in held.items() if not _gives_way(value, before.get(key), declared.get(key))}
        values: list[dict[str, Any]] = []
        for key in declared:
            if key in given:
                values.append({"ParameterKey": key, "ParameterValue": given[key]})
            elif key in kept:
                values.append({"ParameterKey": key, "UsePreviousValue": True})
            elif key in defaults:
                values.append({"ParameterKey": key, "ParameterValue": defaults[key]})
        return values

    def _create_change_set(
        self, name: str, body: str, parameters: list[dict[str, Any]], *, exists: bool
    ) -> str | None:
        try:
            change_set: str = self._cfn.create_change_set(
                StackName=name,
                ChangeSetName=f"jobpipe-{uuid4().hex}",
                ChangeSetType="UPDATE" if exists else "CREATE",
                TemplateBody=body,
                Parameters=parameters,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            )["Id"]
        except ClientError as error:
            if _says_nothing_to_do(error.response["Error"]["Message"]):
                return None
            raise OperatorError(f"{name} is refused: {error.response['Error']['Message']}") from None
        described = self._poll(
            lambda: self._cfn.describe_change_set(ChangeSetName=change_set, StackName=name),
            lambda answer: answer["Status"] in {"CREATE_COMPLETE", "FAILED"},
        )
        if described["Status"] == "CREATE_COMPLETE":
            return change_set  # even if it lists no changes: those to outputs are not listed
        self._cfn.delete_change_set(ChangeSetName=change_set, StackName=name)
        reason = described.get("StatusReason", "no reason given")
        if exists and _says_nothing_to_do(reason):
            return None
        if not exists:
            self.delete(name)  # the empty stack that the change set made
        raise OperatorError(f"{name} is refused: {reason}")

    def _follow(self, name: str, seen: set[str]) -> None:
        printed = set(seen)

        def step() -> str:
            # the status first: events that are there by then are printed before it is believed
            status = self._status(name)
            for event in self._events(name):
                if event["EventId"] not in printed:
                    printed.add(event["EventId"])
                    self._print(name, event)
            return status

        status = self._poll(step, _is_settled)
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE"}:
            return
        cause = self._first_failure(name, seen)
        if status in _UNUSABLE:
            with suppress(OperatorError):  # what cannot be deleted now is deleted before the next try
                self.delete(name)
        raise OperatorError(f"{name} failed and was rolled back: {cause}")

    def _print(self, name: str, event: dict[str, Any]) -> None:
        status = event["ResourceStatus"]
        if status.endswith("IN_PROGRESS") and "ROLLBACK" not in status:
            return
        what = f"{event['ResourceType']} {event['LogicalResourceId']}"
        reason = event.get("ResourceStatusReason", "") if "FAILED" in status else ""
        self._progress.event(name, status, what, reason)

    def _first_failure(self, name: str, seen: set[str]) -> str:
        failed = [
            event
            for event in self._events(name)
            if event["EventId"] not in seen and event["ResourceStatus"].endswith("FAILED")
        ]
        causes = [event for event in failed if _CANCELLED not in event.get("ResourceStatusReason", "").lower()]
        # a stack's own event comes after, and repeats, its resources'
        causes.sort(key=lambda event: event["ResourceType"] == "AWS::CloudFormation::Stack")
        if not causes:
            return self._describe_reason(name)
        event = causes[0]
        reason = event.get("ResourceStatusReason", "no reason given")
        return f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}"

    def _describe_reason(self, name: str) -> str:
        stack = self._describe(name) or {}
        return str(stack.get("StackStatusReason") or "no reason given")

    def _event_ids(self, name: str) -> set[str]:
        return {event["EventId"] for event in self._events(name)}

    def _events(self, name: str) -> list[dict[str, Any]]:
        """Oldest first."""
        try:
            pages = self._cfn.get_paginator("describe_stack_events").paginate(StackName=name)
            return [event for page in pages for event in page["StackEvents"]][::-1]
        except ClientError as error:
            if _is_missing(error):
                return []
            raise

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            stack: dict[str, Any] = self._cfn.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        except IndexError:
            return None
        return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack

    def _status(self, name: str) -> str:
        return str((self._describe(name) or {"StackStatus": "GONE"})["StackStatus"])

    def _settled(self, name: str) -> str:
        return str(self._poll(lambda: self._status(name), _is_settled))

    def _poll(self, read: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
        retrying = tenacity.Retrying(
            wait=tenacity.wait_fixed(self._poll_seconds),
            stop=tenacity.stop_after_delay(STACK_SECONDS),
            retry=tenacity.retry_if_result(lambda result: not done(result)),
        )
        try:
            return retrying(read)
        except tenacity.RetryError:
            raise OperatorError(f"CloudFormation did not finish in {STACK_SECONDS} s") from None


def _gives_way(value: str | None, before: Template | None, now: Template | None) -> bool:
    old, new = (before or {}).get("Default"), (now or {}).get("Default")
    return old != new and old is not None and value == str(old)


def _is_settled(status: str) -> bool:
    return not status.endswith("IN_PROGRESS")


def _is_missing(error: ClientError) -> bool:
    return "does not exist" in error.response["Error"]["Message"]


def _says_nothing_to_do(reason: str) -> bool:
    return any(words in reason.lower() for words in _NOTHING_TO_DO)
