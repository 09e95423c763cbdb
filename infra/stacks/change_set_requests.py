"""Creates change sets, waits for them, and reports why one is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import tenacity
from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied, rights_problem
from infra.cli.reasons import on_screen
from infra.errors import OperatorError
from infra.stacks.changes import Change, read_change
from infra.stacks.parameters import Parameter
from infra.stacks.template_bodies import INLINE_ONLY, TemplateBodies
from infra.templates.sources import Template

STACK_SECONDS = 1800
CREATE, UPDATE, IMPORT = "CREATE", "UPDATE", "IMPORT"
_EARLY_VALIDATION = "AWS::EarlyValidation::"  # what AWS checks before a change set can be executed
_NO_CHANGES = ("didn't contain changes", "no updates are to be performed", "no changes")
ToImport = dict[str, Any]  # a ResourceToImport of CloudFormation


@dataclass(frozen=True)
class ChangeSetRequests:
    """Change sets in the CloudFormation of one target."""

    cloudformation: Any
    poll_seconds: float
    bodies: TemplateBodies = INLINE_ONLY

    def create(
        self,
        name: str,
        template: Template,
        parameters: list[Parameter],
        kind: str,
        to_import: Sequence[ToImport] = (),
    ) -> str | None:
        """Return the id of a change set that can be executed, or None if there is nothing to change.

        A refused change set of a new stack leaves an empty stack, which the caller has to delete.
        """
        body = self.bodies.of(name, template, parameters)
        imported = {"ResourcesToImport": list(to_import)} if to_import else {}
        try:
            change_set: str = self.cloudformation.create_change_set(
                StackName=name,
                ChangeSetName=f"jobpipe-{uuid4().hex}",
                ChangeSetType=kind,
                Parameters=parameters,
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                **body,
                **imported,
            )["Id"]
        except ClientError as error:
            if _means_no_changes(error.response["Error"]["Message"]):
                return None
            if rights_problem(error):
                raise
            raise OperatorError(f"{name} is refused: {on_screen(error.response['Error']['Message'])}") from None
        described = self.wait(
            lambda: self.cloudformation.describe_change_set(ChangeSetName=change_set, StackName=name),
            lambda answer: answer["Status"] in {"CREATE_COMPLETE", "FAILED"},
        )
        if described["Status"] == "CREATE_COMPLETE":
            return change_set  # even if it lists no changes: those to outputs are not listed
        reason = self._cause(change_set, described.get("StatusReason", "no reason given"))
        self.delete(name, change_set)
        if kind == UPDATE and _means_no_changes(reason):
            return None
        raise OperatorError(f"{name} is refused: {on_screen(reason)}")

    def changes(self, name: str, change_set: str) -> list[Change]:
        """Return the changes that the change set would make."""
        pages = self.cloudformation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, StackName=name
        )
        found = (change for page in pages for change in page["Changes"])
        return [read_change(change["ResourceChange"]) for change in found]

    def delete(self, name: str, change_set: str) -> None:
        """Delete the change set without executing it."""
        self.cloudformation.delete_change_set(ChangeSetName=change_set, StackName=name)

    def wait(self, read: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
        """Call `read` until `done` accepts its result, and return that. Raise OperatorError after half an hour."""
        retrying = tenacity.Retrying(
            wait=tenacity.wait_fixed(self.poll_seconds),
            stop=tenacity.stop_after_delay(STACK_SECONDS),
            retry=tenacity.retry_if_result(lambda result: not done(result)),
            sleep=time.sleep,
        )
        try:
            return retrying(read)
        except tenacity.RetryError:
            # An index of a large table, for instance, takes hours.
            raise OperatorError(
                f"CloudFormation has not finished after {STACK_SECONDS // 60} minutes, and goes on: run this again"
                " when the stack's status does not end in IN_PROGRESS any more"
            ) from None

    def _cause(self, change_set: str, reason: str) -> str:
        """Return the reason or, if it only names one of AWS's early checks, the check's findings."""
        if _EARLY_VALIDATION not in reason:
            return reason
        try:
            pages = self.cloudformation.get_paginator("describe_events").paginate(
                ChangeSetName=change_set, Filters={"FailedEvents": True}
            )
            events = [event for page in pages for event in page["OperationEvents"]]
        except ClientError as error:
            if not is_denied(error):
                raise
            return f"{reason} (the details need cloudformation:DescribeEvents, which these credentials may not do)"
        found = dict.fromkeys(_finding(each) for each in events if each.get("EventType") == "VALIDATION_ERROR")
        return "; ".join(found) or reason


def _finding(event: dict[str, Any]) -> str:
    why = event.get("ValidationStatusReason") or event.get("ValidationName") or "no reason given"
    return f"{event.get('LogicalResourceId', '?')} ({event.get('ResourceType', '?')}): {why}"


def _means_no_changes(reason: str) -> bool:
    return any(words in reason.lower() for words in _NO_CHANGES)
