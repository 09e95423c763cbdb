"""Stacks, made and changed through CloudFormation change sets."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.cli.aws_errors import is_missing_stack
from infra.cli.progress import Progress
from infra.cli.reasons import on_screen
from infra.errors import OperatorError
from infra.stacks import parameters as stack_parameters
from infra.stacks.change_set_requests import CREATE, IMPORT, UPDATE, ChangeSetRequests, ToImport
from infra.stacks.changes import StackDiff, all_added, losses
from infra.stacks.events import StackEvents, made_and_left
from infra.stacks.status import NEVER_CAME_TO_BE, NOT_IMPORTED, UNUSABLE, is_settled, refuse_busy
from infra.templates.sources import Template

STALE_SECONDS = 20  # should an emulator tell no events
RemoveRemains = Callable[[list[tuple[str, str]]], None]  # by type and physical id


@dataclass(frozen=True)
class StackResult:
    """A stack as it is after a deployment."""

    outputs: dict[str, str]
    changed: bool


class Stacks:
    """CloudFormation of one target."""

    def __init__(
        self,
        cloudformation: Any,
        progress: Progress,
        poll_seconds: float,
        *,
        allow_loss: bool = True,
        remove_remains: RemoveRemains | None = None,
    ) -> None:
        self._cfn = cloudformation
        self._progress = progress
        self._requests = ChangeSetRequests(cloudformation, poll_seconds)
        self._allow_loss = allow_loss
        self._remove_remains = remove_remains

    def deploy(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str] | None = None
    ) -> StackResult:
        """Brings the stack to the template; a failure names its first cause and leaves the way free.

        Unless that is allowed, a change set that would replace or remove what holds state is refused.
        """
        exists = self.remove_unusable(name)
        events = StackEvents(self._cfn, name, self._progress)
        values = self._choose(name, template, parameters, defaults or {})
        change_set = self._create_change_set(name, template, values, exists=exists)
        if change_set is None:
            self._progress.event(name, "UNCHANGED", "no changes")
            return StackResult(self.outputs(name), changed=False)
        if exists and not self._allow_loss:
            self._refuse_losses(name, change_set)
        self._cfn.execute_change_set(ChangeSetName=change_set, StackName=name)
        self._follow(name, events)
        return StackResult(self.outputs(name), changed=True)

    def adopt(
        self, name: str, template: Template, parameters: dict[str, str], to_import: Sequence[ToImport]
    ) -> None:
        """Import existing resources into a new stack. They are not changed, nor deleted if this fails."""
        events = StackEvents(self._cfn, name, self._progress)
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        try:
            change_set = self._requests.create(name, template, values, IMPORT, to_import)
            self._cfn.execute_change_set(ChangeSetName=change_set, StackName=name)
            self._follow(name, events)
        except OperatorError:
            self._delete_empty(name)
            raise

    def diff(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str] | None = None
    ) -> StackDiff:
        """What deploy() would do, and nothing done: neither a change set nor an empty stack stays."""
        stack = self._describe(name)
        status = stack["StackStatus"] if stack else ""
        if status in UNUSABLE:
            note = f"it is {status}: a deployment removes it and makes it anew"
            if status == "DELETE_FAILED" and not self._allow_loss:
                note += ", if ALLOW_REPLACEMENT=yes allows it"
            return StackDiff(name, all_added(template), note=note)
        if stack:
            refuse_busy(name, status)
        values = self._choose(name, template, parameters, defaults or {})
        change_set = None
        try:
            change_set = self._create_change_set(name, template, values, exists=bool(stack))
            changes = tuple(self._requests.changes(name, change_set)) if change_set else ()
        finally:
            if change_set:
                self._requests.delete(name, change_set)
            if not stack:
                self._delete_empty(name)
        if not stack:
            return StackDiff(name, changes, note="there is no such stack yet")
        differing = stack_parameters.changed(template, _held(stack), values) if change_set else {}
        return StackDiff(name, changes, differing)

    def delete(self, name: str) -> bool:
        """Deletes the stack and waits; False if there was none."""
        stack = self._describe(name)
        if stack is None:
            return False
        # by id, since a deleted stack is found by that only
        stack_id = stack["StackId"]
        events = StackEvents(self._cfn, stack_id, self._progress)
        self._cfn.delete_stack(StackName=stack_id)
        status = self._settled(stack_id)
        if status not in {"DELETE_COMPLETE", "GONE"}:
            raise OperatorError(f"{name} cannot be deleted: {self._cause(stack_id, events)}")
        self._progress.event(name, "DELETE_COMPLETE", "AWS::CloudFormation::Stack")
        return True

    def planned(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str]
    ) -> dict[str, str]:
        """The value of each of the template's parameters after a deployment."""
        values = self._choose(name, template, parameters, defaults)
        return stack_parameters.resolved(template, _held(self._describe(name) or {}), values)

    def outputs(self, name: str) -> dict[str, str]:
        """The stack's outputs; empty if there is no such stack."""
        stack = self._describe(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def template(self, name: str) -> Template | None:
        """The stack's template as it was sent; None if there is no such stack, or only an empty one."""
        if self._describe(name) is None:
            return None
        body = self._cfn.get_template(StackName=name, TemplateStage="Original").get("TemplateBody")
        template: Template | None = json.loads(body) if body and isinstance(body, str) else body or None
        return template

    def resources(self, name: str) -> list[tuple[str, str]]:
        """Type and physical id of everything in the stack."""
        if self._describe(name) is None:
            return []
        pages = self._cfn.get_paginator("list_stack_resources").paginate(StackName=name)
        found = (summary for page in pages for summary in page["StackResourceSummaries"])
        return [(each["ResourceType"], each.get("PhysicalResourceId", "")) for each in found]

    def remove_unusable(self, name: str) -> bool:
        """Whether the stack exists, after removing the remains of one that never came to be."""
        stack = self._describe(name)
        if stack and stack["StackStatus"] == "DELETE_IN_PROGRESS":
            self._settled(stack["StackId"])
            stack = self._describe(name)
        if stack is None:
            return False
        status = stack["StackStatus"]
        if status == "DELETE_FAILED" and not self._allow_loss:
            raise OperatorError(
                f"{name} is half deleted ({status}), and would be removed and made anew: "
                "ALLOW_REPLACEMENT=yes allows it"
            )
        if status in UNUSABLE or self._failed_to_adopt(name, stack):
            self._progress.event(name, status, "removing what is left of an earlier try")
            self._delete_unusable(name)
            return False
        refuse_busy(name, status)
        return True

    def _delete_unusable(self, name: str) -> None:
        """With what its deletion policies would leave, and its deletion protection has left, under names that the
        next try needs.

        The stack goes last: its events are the only record of what it made.
        """
        stack = self._describe(name)
        if stack and self._remove_remains and stack["StackStatus"] in NEVER_CAME_TO_BE:
            self._remove_remains(made_and_left(self._cfn, stack["StackId"]))
        self.delete(name)

    def _choose(
        self, name: str, template: Template, given: dict[str, str], defaults: dict[str, str]
    ) -> list[stack_parameters.Parameter]:
        held = _held(self._describe(name) or {})
        before = (self.template(name) or {}) if held else {}
        return stack_parameters.choose(template, before, held, given, defaults)

    def _create_change_set(
        self, name: str, template: Template, parameters: list[stack_parameters.Parameter], *, exists: bool
    ) -> str | None:
        try:
            return self._requests.create(name, template, parameters, UPDATE if exists else CREATE)
        except OperatorError:
            if not exists:
                self._delete_empty(name)
            raise

    def _refuse_losses(self, name: str, change_set: str) -> None:
        lost = losses(self._requests.changes(name, change_set))
        if lost:
            self._requests.delete(name, change_set)
            raise OperatorError(
                f"{name} would lose what it holds: {'; '.join(map(str, lost))}"
                " (--allow-replacement, make: ALLOW_REPLACEMENT=yes, goes on all the same)"
            )

    def _delete_empty(self, name: str) -> None:
        """Delete the empty stack that a change set of a new stack makes, or that a failed import leaves."""
        stack = self._describe(name)
        if stack and (stack["StackStatus"] == "REVIEW_IN_PROGRESS" or self._failed_to_adopt(name, stack)):
            self._cfn.delete_stack(StackName=stack["StackId"])
            self._settled(stack["StackId"])

    def _failed_to_adopt(self, name: str, stack: dict[str, Any]) -> bool:
        """Whether a failed adoption left this stack, so that deleting it deletes nothing else."""
        if stack["StackStatus"] not in NOT_IMPORTED:
            return False
        resources = (self.template(name) or {}).get("Resources", {})
        return all(each.get("DeletionPolicy") == "Retain" for each in resources.values())

    def _follow(self, name: str, events: StackEvents) -> None:
        believed = time.monotonic() + STALE_SECONDS

        def step() -> str:
            # Right after the execution a stack may still say UPDATE_COMPLETE, of the change before: only a status
            # that is read after the first new event is believed.
            begun = events.has_begun or time.monotonic() > believed
            # the status first: events that are there by then are printed before it is believed
            status = self._status(name)
            events.print_new()
            if status == "REVIEW_IN_PROGRESS" and events.first_failure():
                return "IMPORT_ROLLBACK_COMPLETE"  # a new stack returns to this status when its import fails
            return status if begun else "NOT_BEGUN_IN_PROGRESS"

        status = self._requests.wait(step, is_settled)
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
            return
        cause = self._cause(name, events)
        if status in UNUSABLE:
            # what cannot be deleted now is deleted before the next try; the cause is what counts
            with suppress(OperatorError, ClientError, BotoCoreError):
                self._delete_unusable(name)
        raise OperatorError(f"{name} failed and was rolled back: {cause}")

    def _cause(self, name: str, events: StackEvents) -> str:
        stack = self._describe(name) or {}
        return on_screen(events.first_failure() or str(stack.get("StackStatusReason") or "no reason given"))

    def _describe(self, name: str) -> dict[str, Any] | None:
        try:
            stack: dict[str, Any] = self._cfn.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if is_missing_stack(error):
                return None
            raise
        except IndexError:
            return None
        return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack

    def _status(self, name: str) -> str:
        return str((self._describe(name) or {"StackStatus": "GONE"})["StackStatus"])

    def _settled(self, name: str) -> str:
        return str(self._requests.wait(lambda: self._status(name), is_settled))


def _held(stack: dict[str, Any]) -> dict[str, str | None]:
    """The stack's values; one that will be made anew keeps none."""
    if stack.get("StackStatus") in UNUSABLE:
        return {}
    return {each["ParameterKey"]: each.get("ParameterValue") for each in stack.get("Parameters", [])}
