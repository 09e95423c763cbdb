"""The changes of a change set, and which of them lose data, addresses or secrets."""

from dataclasses import dataclass, field
from typing import Any

from infra.templates.sources import Template

# Types whose replacement loses something: the new resource is empty, or has another address or another secret.
STATEFUL = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::RestApi",  # its id is part of the base URL
    "AWS::ApiGateway::Stage",  # its name is part of the base URL too
    "AWS::ApiGateway::UsagePlan",  # the deployment adds keys to it outside the stack
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",  # its subscriptions may have been made by hand
    "AWS::SQS::Queue",
}
_HARMLESS = {"add", "change", "import"}


@dataclass(frozen=True)
class Change:
    """One resource that a change set would add, modify, replace or remove."""

    action: str  # add, change, replace, may replace, remove, or another CloudFormation action
    resource_type: str
    logical_id: str
    causes: tuple[str, ...] = ()  # the properties that change, with the parameters that change them

    @property
    def loses_data(self) -> bool:
        """Whether the change loses, or may lose, data or addresses that cannot be restored."""
        return self.resource_type in STATEFUL and self.action not in _HARMLESS

    def __str__(self) -> str:
        return f"{self.logical_id} ({self.resource_type}): {self.action}"


@dataclass(frozen=True)
class StackDiff:
    """What a deployment would change in one stack."""

    name: str
    changes: tuple[Change, ...]
    parameters: dict[str, tuple[str, str]] = field(default_factory=dict)  # before and after
    note: str = ""  # why no change set was made, or what it cannot show

    @property
    def differs(self) -> bool:
        return bool(self.changes or self.parameters)


def read_change(resource: dict[str, Any]) -> Change:
    """Read a ResourceChange of a described change set."""
    action = resource["Action"].lower()
    if action == "modify":
        action = {"True": "replace", "Conditional": "may replace"}.get(resource.get("Replacement", ""), "change")
    return Change(
        action, resource["ResourceType"], resource["LogicalResourceId"], _causes(resource.get("Details", []))
    )


def _causes(details: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return the changed properties, each with the parameters and resources that change it."""
    by: dict[str, list[str]] = {}
    for detail in details:
        target = detail.get("Target", {})
        entities = by.setdefault(str(target.get("Name") or target.get("Attribute") or "?"), [])
        if detail.get("CausingEntity") not in {None, *entities}:
            entities.append(detail["CausingEntity"])
    return tuple(f"{name} (by {', '.join(entities)})" if entities else name for name, entities in by.items())


def all_added(template: Template) -> tuple[Change, ...]:
    """Return an addition for each resource of the template, with its condition."""
    return tuple(
        Change("add", each["Type"], logical, (f"if {each['Condition']}",) if "Condition" in each else ())
        for logical, each in sorted(template["Resources"].items())
    )
