"""Imports the remaining resources of a foundation whose stack was deleted by hand into a new stack.

This needs a change set of type IMPORT: ImportExistingResources supports only resources whose names are literals in
the template, which excludes queues and keys. An import changes nothing, so its template and parameters describe the
resources as they are. The deployment that follows makes the changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.deployment.indexes import table_properties, without_indexes
from infra.deployment.remaining import DataKey, RemainingResource, find_data_key, find_remaining
from infra.errors import OperatorError
from infra.stacks.change_set_requests import ToImport
from infra.stacks.stage_stacks import PlannedStack, StageStacks, Values
from infra.targets.target import Target
from infra.templates.rendering import Rendered
from infra.templates.sources import AWS_OWNED, CUSTOMER_MANAGED, Template


@dataclass(frozen=True)
class Adoption:
    """A plan for importing the remaining resources into a new stack of the foundation."""

    template: Template
    parameters: dict[str, str]
    to_import: list[ToImport]
    missing: list[str] = field(default_factory=list)  # resources that the deployment creates again, empty

    def notes(self) -> Iterator[str]:
        """Yield lines that describe the plan to an operator."""
        imported = ", ".join(each["LogicalResourceId"] for each in self.to_import)
        yield f"the stack is missing, but some of its resources remain: {imported} are imported unchanged"
        shown = ", ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()) if name != "Stage")
        yield f"their parameters, which apply unless others are given: {shown}"
        if self.missing:
            yield f"not found, so they are created empty: {', '.join(self.missing)}"


def plan_adoption(target: Target, stage: str, template: Template, overrides: dict[str, str]) -> Adoption | None:
    """Return the plan for what remains of the foundation, or None if nothing remains.

    Raise OperatorError if the deployment would make the data unreadable, for example with another key.
    """
    found = find_remaining(target, stage, template)
    key = find_data_key(target, stage, template, found)
    if not found:
        return None
    if key and overrides.get("Encryption", CUSTOMER_MANAGED) != CUSTOMER_MANAGED:
        raise OperatorError(f"the data of {stage} must stay encrypted with the stage's own key {key.arn}")
    parameters = _current_parameters(template, stage, found, key, target.default_parameters(stage))
    to_import = [each.to_import for each in found] + (key.to_import(template) if key else [])
    imported = {each["LogicalResourceId"] for each in to_import}
    missing = sorted(
        logical
        for logical, each in Rendered(template, **parameters).resources.items()
        if "DeletionPolicy" in each and logical not in imported
    )
    sent = import_template(_with_present_indexes(template, parameters, found), imported, parameters)
    return Adoption(sent, parameters, to_import, missing)


def _with_present_indexes(
    template: Template, parameters: dict[str, str], found: list[RemainingResource]
) -> Template:
    """Return the template without the indexes that the tables lack, since an import cannot add them."""
    tables = table_properties(template, parameters)
    for each in found:
        indexes = tables.get(each.logical_id, {}).get("GlobalSecondaryIndexes", [])
        absent = {index["IndexName"] for index in indexes} - {*each.attributes.get("Indexes", ())}
        if absent:
            template = without_indexes(template, each.logical_id, tables[each.logical_id], absent)
    return template


@dataclass(frozen=True)
class DeployedStack:
    """The foundation's stack as it was deployed."""

    template: Template
    parameters: Values
    outputs: Values


@dataclass(frozen=True)
class Reimport:
    """A plan for importing resources back into a stack that an older release has left out of its template."""

    template: Template
    to_import: list[ToImport]

    @property
    def names(self) -> list[str]:
        """The logical ids of the resources."""
        return [each["LogicalResourceId"] for each in self.to_import]

    @property
    def note(self) -> str:
        """A line that tells an operator which resources will be imported, and why."""
        return f"{', '.join(self.names)} exist but are not in the stack: they are imported unchanged"


def plan_reimport(
    target: Target, stage: str, template: Template, before: DeployedStack, planned: Values
) -> Reimport | None:
    """Return the plan for existing resources that are missing from the stack and will be part of it, or None.

    CloudFormation would refuse to create them, since their names exist. `planned` are the parameters that the stack
    will have. An older release may have been deployed, or a parameter such as Events may have been off.
    """
    present, planned_ids = _resource_ids(before.template, before.parameters), _resource_ids(template, planned)
    absent = {name: template["Resources"][name] for name in planned_ids - present}
    absent = {name: each for name, each in absent.items() if "DeletionPolicy" in each}
    found = find_remaining(target, stage, {**template, "Resources": absent}) if absent else []
    if not found:
        return None
    own_key = before.outputs.get("EncryptionKey", AWS_OWNED) != AWS_OWNED
    parameters = {"Stage": stage, "Encryption": CUSTOMER_MANAGED if own_key else AWS_OWNED}
    parameters |= {name: value for name, value in planned.items() if name == "Events"}
    imported = import_template(template, {each.logical_id for each in found}, parameters)["Resources"]
    merged = {**before.template, "Resources": {**before.template["Resources"], **imported}}
    return Reimport(merged, [each.to_import for each in found])


def plan_reimport_into(
    target: Target, stage: str, stack: PlannedStack, stacks: StageStacks, given: Values
) -> Reimport | None:
    """Return the plan for this stack, which will be deployed with the given parameters, or None."""
    deployed = stacks.stacks.template(stack.name)
    if deployed is None:
        return None
    before = DeployedStack(deployed, stacks.stacks.parameters(stack.name), stacks.stacks.outputs(stack.name))
    return plan_reimport(target, stage, stack.template, before, stacks.planned(stack, given))


def _resource_ids(template: Template, parameters: Mapping[str, str]) -> set[str]:
    """Return the logical ids of the resources that a stack with these parameters has."""
    known = {name: value for name, value in parameters.items() if name in template.get("Parameters", {})}
    conditions = Rendered({"Parameters": {}, "Conditions": {}, **template, "Resources": {}}, **known)
    return {
        name
        for name, each in template["Resources"].items()
        if "Condition" not in each or conditions.is_true(each["Condition"])
    }


def _current_parameters(
    template: Template, stage: str, found: list[RemainingResource], key: DataKey | None, defaults: dict[str, str]
) -> dict[str, str]:
    """Return the parameters of the deleted stack as far as its resources show them, else the target's defaults."""
    values = {name: value for name, value in defaults.items() if name in template["Parameters"]}
    values |= {"Stage": stage, "Encryption": CUSTOMER_MANAGED if key else AWS_OWNED}
    tables = [each.attributes for each in found if each.kind == "AWS::DynamoDB::Table"]
    if tables:
        values["PointInTimeRecovery"] = _all(table["PointInTimeRecovery"] for table in tables)
        values["DeletionProtection"] = _all(table["DeletionProtectionEnabled"] for table in tables)
    values["Events"] = "on" if _conditional(template, "EventsOn") & {each.logical_id for each in found} else "off"
    for table in (each.attributes for each in found if each.logical_id == "JobsTable"):
        values["JobLists"] = "on" if "recent" in table.get("Indexes", ()) else "off"
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


def _conditional(template: Template, condition: str) -> set[str]:
    """Return the logical ids of the resources that exist only under this condition."""
    return {name for name, each in template["Resources"].items() if each.get("Condition") == condition}


def _all(values: Any) -> str:
    return "true" if all(values) else "false"


def import_template(template: Template, imported: set[str], parameters: dict[str, str]) -> Template:
    """Return the template with only these resources, with its conditions resolved.

    Their policy is Retain, because with RetainExceptOnCreate the rollback of an import might delete them.
    """
    resolved = Rendered(template, **parameters).without_conditions()
    resources = {
        logical: {**_without(each, set(template["Resources"]) - imported), "DeletionPolicy": "Retain"}
        for logical, each in resolved["Resources"].items()
        if logical in imported
    }
    return {**resolved, "Resources": resources}


def _without(resource: Template, absent: set[str]) -> Template:
    """Return the resource without the properties that refer to absent resources."""
    properties = {name: value for name, value in resource["Properties"].items() if not _references(value) & absent}
    return {**resource, "Properties": properties}


def _references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_references, value))
    if not isinstance(value, dict):
        return set()
    if "Ref" in value:
        return {value["Ref"]}
    if "Fn::GetAtt" in value:
        return {value["Fn::GetAtt"][0]}
    return set().union(*map(_references, value.values()))
