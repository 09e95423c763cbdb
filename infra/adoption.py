"""A foundation whose stack was deleted by hand: what outlived it is taken into a new stack, as it is.

Only a change set of type IMPORT can do that. ImportExistingResources takes resources whose names stand in the
template as literals, and neither queues nor keys, whose identifiers are no names. An import changes nothing, so the
template and the parameters that it gets say what is there now. The deployment after it makes of it what is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from infra.change_set_requests import ToImport
from infra.data_key import DataKey, data_key
from infra.errors import OperatorError
from infra.remaining import Remaining, remaining
from infra.rendering import Rendered
from infra.targets import Target
from infra.templates import AWS_OWNED, CUSTOMER_MANAGED, Template


@dataclass(frozen=True)
class Adoption:
    """What a new stack of the foundation takes over."""

    template: Template
    parameters: dict[str, str]
    to_import: list[ToImport]
    missing: list[str] = field(default_factory=list)  # what the deployment has to make anew, empty

    def told(self) -> Iterator[str]:
        """What an operator should know of it."""
        taken = ", ".join(each["LogicalResourceId"] for each in self.to_import)
        yield f"there is no such stack, and what one held is there: {taken} are taken over as they are"
        shown = ", ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()) if name != "Stage")
        yield f"they show these parameters, which stay unless others are given: {shown}"
        if self.missing:
            yield f"gone, and made anew without what they held: {', '.join(self.missing)}"


def plan_adoption(target: Target, stage: str, template: Template, overrides: dict[str, str]) -> Adoption | None:
    """How to take over what outlived the foundation's stack; None if nothing did.

    Refuses a deployment after which the data could not be read: with another key than theirs, or without it.
    """
    found = remaining(target, stage, template)
    key = data_key(target, stage, template, found)
    if not found:
        return None
    if key and overrides.get("Encryption", CUSTOMER_MANAGED) != CUSTOMER_MANAGED:
        raise OperatorError(f"what {stage} holds is encrypted with its own key {key.arn}: there is no way back")
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
    """The parameters of the stack that it was, as far as what is left shows them; else the target's defaults."""
    told = {name: value for name, value in defaults.items() if name in template["Parameters"]}
    told |= {"Stage": stage, "Encryption": CUSTOMER_MANAGED if key else AWS_OWNED}
    tables = [each.attributes for each in found if each.kind == "AWS::DynamoDB::Table"]
    if tables:
        told["PointInTimeRecovery"] = _all(table["PointInTimeRecovery"] for table in tables)
        told["DeletionProtection"] = _all(table["DeletionProtectionEnabled"] for table in tables)
    for queue in (each.attributes for each in found if each.logical_id == "CommandsQueue"):
        by_seconds = {
            each["Seconds"]: timeout for timeout, each in template["Mappings"]["VisibilityOfWorkerTimeout"].items()
        }
        timeout = by_seconds.get(int(queue["VisibilityTimeout"]))
        if timeout:
            told["WorkerTimeout"] = timeout
        if "RedrivePolicy" in queue:
            told["MaxReceiveCount"] = str(json.loads(queue["RedrivePolicy"])["maxReceiveCount"])
    return told


def _all(values: Any) -> str:
    return "true" if all(values) else "false"


def _only(template: Template, taken: set[str], parameters: dict[str, str]) -> Template:
    """The template with these resources alone, its conditions decided, and nothing that the import may not have.

    They are retained whatever happens: RetainExceptOnCreate would leave it to CloudFormation whether an import that
    is rolled back has created them.
    """
    settled = Rendered(template, **parameters).settled()
    resources = {
        logical: {**_without(each, set(template["Resources"]) - taken), "DeletionPolicy": "Retain"}
        for logical, each in settled["Resources"].items()
        if logical in taken
    }
    return {**settled, "Resources": resources}


def _without(resource: Template, absent: set[str]) -> Template:
    """Without the properties that speak of resources that are not there."""
    kept = {name: value for name, value in resource["Properties"].items() if not _named(value) & absent}
    return {**resource, "Properties": kept}


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
