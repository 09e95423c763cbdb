"""Imports the remaining resources of a foundation whose stack was deleted by hand into a new stack.

This needs a change set of type IMPORT. ImportExistingResources supports only resources whose names are literals in
the template, and so neither queues nor keys, which are not identified by names. An import changes nothing, so its
template and parameters describe the resources as they are. The deployment that follows makes the changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.deployment.data_key import DataKey, data_key
from infra.deployment.remaining import Remaining, remaining
from infra.errors import OperatorError
from infra.stacks.change_set_requests import ToImport
from infra.targets.target import Target
from infra.templates.rendering import Rendered
from infra.templates.sources import AWS_OWNED, CUSTOMER_MANAGED, Template


@dataclass(frozen=True)
class Adoption:
    """The plan for importing the remaining resources into a new stack of the foundation."""

    template: Template
    parameters: dict[str, str]
    to_import: list[ToImport]
    missing: list[str] = field(default_factory=list)  # resources that the deployment creates anew, empty

    def notes(self) -> Iterator[str]:
        """Lines that describe the plan to an operator."""
        taken = ", ".join(each["LogicalResourceId"] for each in self.to_import)
        yield f"the stack is missing, but resources of it remain: {taken} are imported unchanged"
        shown = ", ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()) if name != "Stage")
        yield f"their parameters, which apply unless others are given: {shown}"
        if self.missing:
            yield f"lost with their data, and created anew: {', '.join(self.missing)}"


def plan_adoption(target: Target, stage: str, template: Template, overrides: dict[str, str]) -> Adoption | None:
    """The plan for what remains of the foundation's stack; None if nothing does.

    Refuses a deployment that would make the data unreadable: with another key, or without their key.
    """
    found = remaining(target, stage, template)
    key = data_key(target, stage, template, found)
    if not found:
        return None
    if key and overrides.get("Encryption", CUSTOMER_MANAGED) != CUSTOMER_MANAGED:
        raise OperatorError(f"the data of {stage} is encrypted with its own key {key.arn}, and must stay so")
    parameters = _as_it_is(template, stage, found, key, target.default_parameters(stage))
    to_import = [each.to_import for each in found] + (key.to_import(template) if key else [])
    taken = {each["LogicalResourceId"] for each in to_import}
    missing = sorted(
        logical
        for logical, each in Rendered(template, **parameters).resources.items()
        if "DeletionPolicy" in each and logical not in taken
    )
    return Adoption(_only(template, taken, parameters), parameters, to_import, missing)


def _as_it_is(
    template: Template, stage: str, found: list[Remaining], key: DataKey | None, defaults: dict[str, str]
) -> dict[str, str]:
    """The former stack's parameters as far as the resources show them, else the target's defaults."""
    values = {name: value for name, value in defaults.items() if name in template["Parameters"]}
    values |= {"Stage": stage, "Encryption": CUSTOMER_MANAGED if key else AWS_OWNED}
    tables = [each.attributes for each in found if each.kind == "AWS::DynamoDB::Table"]
    if tables:
        values["PointInTimeRecovery"] = _all(table["PointInTimeRecovery"] for table in tables)
        values["DeletionProtection"] = _all(table["DeletionProtectionEnabled"] for table in tables)
    for queue in (each.attributes for each in found if each.logical_id == "CommandsQueue"):
        by_seconds = {
            each["Seconds"]: timeout for timeout, each in template["Mappings"]["VisibilityOfWorkerTimeout"].items()
        }
        timeout = by_seconds.get(int(queue["VisibilityTimeout"]))
        if timeout:
            values["WorkerTimeout"] = timeout
        if "RedrivePolicy" in queue:
            values["MaxReceiveCount"] = str(json.loads(queue["RedrivePolicy"])["maxReceiveCount"])
    return values


def _all(values: Any) -> str:
    return "true" if all(values) else "false"


def _only(template: Template, taken: set[str], parameters: dict[str, str]) -> Template:
    """The template with only these resources, conditions resolved, without anything that an import may not have.

    They have the policy Retain: with RetainExceptOnCreate, rolling back an import might delete them.
    """
    settled = Rendered(template, **parameters).settled()
    resources = {
        logical: {**_without(each, set(template["Resources"]) - taken), "DeletionPolicy": "Retain"}
        for logical, each in settled["Resources"].items()
        if logical in taken
    }
    return {**settled, "Resources": resources}


def _without(resource: Template, absent: set[str]) -> Template:
    """The resource without the properties that refer to absent resources."""
    properties = {name: value for name, value in resource["Properties"].items() if not _named(value) & absent}
    return {**resource, "Properties": properties}


def _named(value: Any) -> set[str]:
    """The logical ids that a value refers to."""
    if isinstance(value, list):
        return set().union(*map(_named, value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {value["Fn::GetAtt"][0]}
    return set().union(*map(_named, value.values()))
