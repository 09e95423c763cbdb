"""Read the grants of the roles from the templates, and remove a grant from a policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from infra.settings import ROOT
from infra.templates.sources import read_template

APPS = ("api", "worker")
_NO_VALUE = {"Ref": "AWS::NoValue"}
_ARN = re.compile(r"^arn:\$\{AWS::Partition\}:[a-z0-9]+:(?:\$\{AWS::Region\}:\$\{AWS::AccountId\})?:*")


@dataclass(frozen=True, order=True)
class Grant:
    """One action that one statement of one role allows."""

    role: str  # the logical id
    sid: str
    action: str
    resource: str = field(compare=False)  # as the template writes it, without the prefix that all ARNs share
    app: str = field(compare=False)  # the application whose stack has the role
    conditional: bool = field(compare=False)  # whether a condition of the template decides if it is granted

    @property
    def key(self) -> tuple[str, str, str]:
        return self.role, self.sid, self.action

    def __str__(self) -> str:
        return " ".join(self.key)


class AmbiguousPolicy(Exception):
    """A policy does not list its grants one by one."""


@cache
def template_grants() -> tuple[Grant, ...]:
    """Return every grant of every role, in the order of the templates."""
    return tuple(
        grant for app in APPS for grant in grants_of(read_template(ROOT / f"infra/templates/{app}.merge.yaml"), app)
    )


def grants_of(template: dict[str, Any], app: str) -> Iterator[Grant]:
    """Yield the grants of one template; raise AmbiguousPolicy if a statement is not a list of actions."""
    for role, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::IAM::Role":
            continue
        properties = resource["Properties"]
        if managed := properties.get("ManagedPolicyArns"):
            raise AmbiguousPolicy(f"{role} has managed policies: {managed}")
        for policy, is_conditional in _entries(properties["Policies"]):
            for statement, is_optional in _entries(policy["PolicyDocument"]["Statement"]):
                for action in _checked_actions(statement, role):
                    target = resource_text(statement["Resource"])
                    yield Grant(role, statement["Sid"], action, target, app, is_conditional or is_optional)


def _checked_actions(statement: dict[str, Any], role: str) -> list[str]:
    """Return the actions of a statement that allows them on one resource; it may have a condition."""
    if set(statement) - {"Condition"} != {"Sid", "Effect", "Action", "Resource"} or statement["Effect"] != "Allow":
        raise AmbiguousPolicy(
            f"a statement of {role} must have only Sid, Effect: Allow, Action and Resource: {statement}"
        )
    if isinstance(statement["Resource"], list):
        raise AmbiguousPolicy(f"{role} {statement['Sid']} has several resources: write one statement for each")
    return actions(statement)


def actions(statement: dict[str, Any]) -> list[str]:
    """Return the actions as a list; IAM also accepts a single string."""
    return [statement["Action"]] if isinstance(statement["Action"], str) else list(statement["Action"])


def resource_text(resource: Any) -> str:
    """Return the resource with `${Name}` for references, without the prefix of an ARN."""
    match resource:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::Split": [",", {"Ref": str(name)}]}:  # several, which the operator names
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)} | str(text):
            return _ARN.sub("", text)
    raise AmbiguousPolicy(f"the resource cannot be read: {resource}")


def policy_without(document: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    """Return the policy without the action of the statement; raise KeyError if it does not have it."""
    statements, found = [], False
    for statement in document["Statement"]:
        remaining = actions(statement)
        if statement["Sid"] == sid and action in remaining:
            found = True
            remaining.remove(action)
        if remaining:
            statements.append({**statement, "Action": remaining})
    if not found:
        raise KeyError(f"{sid} {action}")
    return {**document, "Statement": statements}


def _entries(entries: list[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield each entry of a list, and whether a condition decides if it exists."""
    for entry in entries:
        if isinstance(entry, dict) and set(entry) == {"Fn::If"}:
            yield from ((branch, True) for branch in entry["Fn::If"][1:] if branch != _NO_VALUE)
        else:
            yield entry, False
