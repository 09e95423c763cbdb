"""What a change set would do, and which of it would lose something."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.templates.sources import Template

# What callers, operators or data hang on: a new one of these is empty, or has another address or another secret.
STATEFUL = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::RestApi",  # its id is part of the base URL
    "AWS::ApiGateway::Stage",  # so is its name; without it the API answers nobody
    "AWS::ApiGateway::UsagePlan",  # the keys are in it, by our hand and not by a stack's
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",  # those who subscribed by hand
    "AWS::SQS::Queue",
}
_HARMLESS = {"add", "change", "import"}


@dataclass(frozen=True)
class Change:
    """One resource that a change set would add, modify, replace or remove."""

    action: str  # add, change, replace, may replace, remove, or what else CloudFormation calls it
    resource_type: str
    logical_id: str
    causes: tuple[str, ...] = ()  # the properties that change, with the parameters that change them

    @property
    def loses(self) -> bool:
        """Whether it takes away, or may take away, what cannot be made again."""
        return self.resource_type in STATEFUL and self.action not in _HARMLESS

    def __str__(self) -> str:
        return f"{self.logical_id} ({self.resource_type}): {self.action}"


@dataclass(frozen=True)
class StackDiff:
    """What a deployment would make of one stack."""

    name: str
    changes: tuple[Change, ...]
    parameters: dict[str, tuple[str, str]] = field(default_factory=dict)  # before and after
    note: str = ""  # why no change set was made, or what it cannot show

    @property
    def differs(self) -> bool:
        return bool(self.changes or self.parameters)


def read_change(resource: dict[str, Any]) -> Change:
    """From the ResourceChange of a described change set."""
    action = resource["Action"].lower()
    if action == "modify":
        action = {"True": "replace", "Conditional": "may replace"}.get(resource.get("Replacement", ""), "change")
    return Change(
        action, resource["ResourceType"], resource["LogicalResourceId"], _causes(resource.get("Details", []))
    )


def _causes(details: list[dict[str, Any]]) -> tuple[str, ...]:
    """Each property once, with the parameters and resources that change it."""
    by: dict[str, list[str]] = {}
    for detail in details:
        target = detail.get("Target", {})
        entities = by.setdefault(str(target.get("Name") or target.get("Attribute") or "?"), [])
        if detail.get("CausingEntity") not in {None, *entities}:
            entities.append(detail["CausingEntity"])
    return tuple(f"{name} (by {', '.join(entities)})" if entities else name for name, entities in by.items())


def all_added(template: Template) -> tuple[Change, ...]:
    """The template's resources as what would be new; those under a condition say so."""
    return tuple(
        Change("add", each["Type"], logical, (f"if {each['Condition']}",) if "Condition" in each else ())
        for logical, each in sorted(template["Resources"].items())
    )


def losses(changes: Iterable[Change]) -> list[Change]:
    """Those that an operator must have allowed."""
    return [change for change in changes if change.loses]
