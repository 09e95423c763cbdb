"""Creates, changes and deletes stacks through CloudFormation change sets."""

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
from infra.stacks.changes import StackDiff, all_added
from infra.stacks.events import StackEvents, find_leftovers
from infra.stacks.template_bodies import INLINE_ONLY, TemplateBodies
from infra.templates.sources import Template

STALE_SECONDS = 20  # in case an emulator records no events
_UNUSABLE = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS", "DELETE_FAILED"}
_CREATION_FAILED = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}  # so the stack never held data
_IMPORT_FAILED = {"IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"}
DeleteLeftovers = Callable[[list[tuple[str, str]]], None]  # its argument: types and physical ids


@dataclass(frozen=True)
class StackResult:
    """A stack after a deployment."""

    outputs: dict[str, str]
    changed: bool


class Stacks:
    """The stacks of one target. CloudFormation failures are raised as OperatorError."""

    def __init__(
        self,
        cloudformation: Any,
        progress: Progress,
        poll_seconds: float,
        *,
        allow_data_loss: bool = True,
        delete_leftovers: DeleteLeftovers | None = None,
        bodies: TemplateBodies = INLINE_ONLY,
    ) -> None:
        self._cfn = cloudformation
        self._progress = progress
        self._requests = ChangeSetRequests(cloudformation, poll_seconds, bodies)
        self._allow_loss = allow_data_loss
        self._delete_leftovers = delete_leftovers

    def deploy(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str] | None = None
    ) -> StackResult:
        """Create the stack, or update it to the template. After a failure, the stack can be deployed again.

        Without `allow_data_loss`, a change set that replaces or removes a stateful resource is refused.
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
        self._execute(name, change_set, events)
        return StackResult(self.outputs(name), changed=True)

    def adopt(
        self, name: str, template: Template, parameters: dict[str, str], to_import: Sequence[ToImport]
    ) -> None:
        """Import existing resources into a new stack. They are neither changed nor, after a failure, deleted."""
        events = StackEvents(self._cfn, name, self._progress)
        values = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        try:
            change_set = self._requests.create(name, template, values, IMPORT, to_import)
            self._execute(name, change_set, events)
        except OperatorError:
            self._delete_empty(name)
            raise

    def reimport(self, name: str, template: Template, to_import: Sequence[ToImport]) -> None:
        """Import existing resources into the stack; otherwise the template must equal the stack's."""
        events = StackEvents(self._cfn, name, self._progress)
        names = _values_of(self._describe(name))
        values: list[stack_parameters.Parameter] = [
            {"ParameterKey": key, "UsePreviousValue": True} for key in names
        ]
        self._execute(name, self._requests.create(name, template, values, IMPORT, to_import), events)

    def diff(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str] | None = None
    ) -> StackDiff:
        """Return what deploy() would change, without leaving a change set or an empty stack."""
        stack = self._describe(name)
        status = stack["StackStatus"] if stack else ""
        if status in _UNUSABLE:
            note = f"it is {status}: a deployment deletes it and creates it again"
            if status == "DELETE_FAILED" and not self._allow_loss:
                note += ", if ALLOW_REPLACEMENT=yes allows it"
            return StackDiff(name, all_added(template), note=note)
        if stack:
            _refuse_busy(name, status)
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
        differing = stack_parameters.changed(template, _values_of(stack), values) if change_set else {}
        return StackDiff(name, changes, differing)

    def delete(self, name: str) -> bool:
        """Delete the stack and wait for the deletion; return whether the stack existed."""
        stack = self._describe(name)
        if stack is None:
            return False
        stack_id = stack["StackId"]  # a deleted stack is found only by its id
        events = StackEvents(self._cfn, stack_id, self._progress)
        self._cfn.delete_stack(StackName=stack_id)
        if self._final_status(stack_id) not in {"DELETE_COMPLETE", "GONE"}:
            raise OperatorError(f"{name} cannot be deleted: {self._cause(stack_id, events)}")
        self._progress.event(name, "DELETE_COMPLETE", "AWS::CloudFormation::Stack")
        return True

    def planned(
        self, name: str, template: Template, parameters: dict[str, str], defaults: dict[str, str]
    ) -> dict[str, str]:
        """Return the value that each of the template's parameters would have after a deployment."""
        values = self._choose(name, template, parameters, defaults)
        return stack_parameters.resolved(template, _values_of(self._describe(name)), values)

    def parameters(self, name: str) -> dict[str, str]:
        """Return the stack's parameters with known values, or an empty dict if there is no such stack."""
        return {key: value for key, value in _values_of(self._describe(name)).items() if value is not None}

    def outputs(self, name: str) -> dict[str, str]:
        """Return the stack's outputs, or an empty dict if there is no such stack."""
        stack = self._describe(name) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def template(self, name: str) -> Template | None:
        """Return the stack's template as it was sent, or None if the stack does not exist or is empty."""
        if self._describe(name) is None:
            return None
        body = self._cfn.get_template(StackName=name, TemplateStage="Original").get("TemplateBody")
        template: Template | None = json.loads(body) if body and isinstance(body, str) else body or None
        return template

    def remove_unusable(self, name: str) -> bool:
        """Delete the stack if its creation has failed, and return whether there is a stack that can be updated."""
        stack = self._describe(name)
        if stack and stack["StackStatus"] == "DELETE_IN_PROGRESS":
            self._final_status(stack["StackId"])
            stack = self._describe(name)
        if stack is None:
            return False
        status = stack["StackStatus"]
        if status == "DELETE_FAILED" and not self._allow_loss:
            raise OperatorError(
                f"{name} is partly deleted ({status}), and would be deleted and created again: "
                "ALLOW_REPLACEMENT=yes allows it"
            )
        if status in _UNUSABLE or self._is_failed_import(name, stack):
            self._progress.event(name, status, "deleting what an earlier attempt left")
            self._delete_with_leftovers(name)
            return False
        _refuse_busy(name, status)
        return True

    def _delete_with_leftovers(self, name: str) -> None:
        """Delete the stack and the resources it would leave behind, so that their names can be used again.

        The stack is deleted last, since only its events show what it created.
        """
        stack = self._describe(name)
        if stack and self._delete_leftovers and stack["StackStatus"] in _CREATION_FAILED:
            self._delete_leftovers(find_leftovers(self._cfn, stack["StackId"]))
        self.delete(name)

    def _choose(
        self, name: str, template: Template, given: dict[str, str], defaults: dict[str, str]
    ) -> list[stack_parameters.Parameter]:
        current = _values_of(self._describe(name))
        before = (self.template(name) or {}) if current else {}
        return stack_parameters.choose(template, before, current, given, defaults)

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
        lost = [str(change) for change in self._requests.changes(name, change_set) if change.loses_data]
        if lost:
            self._requests.delete(name, change_set)
            raise OperatorError(
                f"{name} would lose data, addresses or secrets: {'; '.join(lost)}"
                " (--allow-replacement, make: ALLOW_REPLACEMENT=yes, deploys nevertheless)"
            )

    def _delete_empty(self, name: str) -> None:
        """Delete the empty stack that a change set for a new stack, or a failed import, leaves behind."""
        stack = self._describe(name)
        if stack and (stack["StackStatus"] == "REVIEW_IN_PROGRESS" or self._is_failed_import(name, stack)):
            self._cfn.delete_stack(StackName=stack["StackId"])
            self._final_status(stack["StackId"])

    def _is_failed_import(self, name: str, stack: dict[str, Any]) -> bool:
        """Whether a failed import left this stack, so that its deletion deletes no resources."""
        if stack["StackStatus"] not in _IMPORT_FAILED:
            return False
        resources = (self.template(name) or {}).get("Resources", {})
        return all(each.get("DeletionPolicy") == "Retain" for each in resources.values())

    def _execute(self, name: str, change_set: str | None, events: StackEvents) -> None:
        self._cfn.execute_change_set(ChangeSetName=change_set, StackName=name)
        stale_until = time.monotonic() + STALE_SECONDS

        def status_after_events() -> str:
            # After the execution, a stack may still have the final status of the last change. So a status counts
            # only if it is read after the first new event.
            has_begun = events.has_begun or time.monotonic() > stale_until
            status = self._status(name)  # before the events, so that all events before a final status are printed
            events.print_new()
            if status == "REVIEW_IN_PROGRESS" and events.first_failure():
                return "IMPORT_ROLLBACK_COMPLETE"  # a new stack returns to this status when its import fails
            return status if has_begun else "NOT_BEGUN_IN_PROGRESS"

        status = self._requests.wait(status_after_events, _is_final)
        if status in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
            return
        cause = self._cause(name, events)
        if status in _UNUSABLE:
            # If this fails, the next deployment tries again; the operator needs the cause of the first failure.
            with suppress(OperatorError, ClientError, BotoCoreError):
                self._delete_with_leftovers(name)
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

    def _final_status(self, name: str) -> str:
        return str(self._requests.wait(lambda: self._status(name), _is_final))


def _values_of(stack: dict[str, Any] | None) -> dict[str, str | None]:
    """Return the stack's parameters; a stack that will be created again has none."""
    if stack is None or stack["StackStatus"] in _UNUSABLE:
        return {}
    return {each["ParameterKey"]: each.get("ParameterValue") for each in stack.get("Parameters", [])}


def _refuse_busy(name: str, status: str) -> None:
    if status == "UPDATE_ROLLBACK_FAILED":
        raise OperatorError(
            f"{name} is stuck: run `aws cloudformation continue-update-rollback --stack-name {name}`"
        )
    if status.endswith("IN_PROGRESS"):
        raise OperatorError(
            f"{name} is being changed ({status}), by another deployment or by an earlier one that CloudFormation"
            " has not finished; try again when the change has ended"
        )


def _is_final(status: str) -> bool:
    return not status.endswith("IN_PROGRESS")
