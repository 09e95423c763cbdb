"""What the Lambdas' roles may do, one grant at a time: read from the templates, and taken out of a policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from infra.settings import ROOT
from infra.templates.sources import read_template

APPS = ("api", "worker")
_NOTHING = {"Ref": "AWS::NoValue"}
_ARN = re.compile(r"^arn:\$\{AWS::Partition\}:[a-z0-9]+:(?:\$\{AWS::Region\}:\$\{AWS::AccountId\})?:*")


@dataclass(frozen=True, order=True)
class Grant:
    """One action that one statement of one role allows."""

    role: str  # its logical id
    sid: str
    action: str
    resource: str = field(compare=False)  # as the template says it, without what is the same in every ARN
    app: str = field(compare=False)  # whose stack the role is in
    conditional: bool = field(compare=False)  # whether a parameter of the template decides if it is there

    @property
    def key(self) -> tuple[str, str, str]:
        return self.role, self.sid, self.action

    def __str__(self) -> str:
        return " ".join(self.key)


class Unclear(Exception):
    """A policy is written in a way in which its grants cannot be told apart."""


@cache
def template_grants() -> tuple[Grant, ...]:
    """Every grant of every role, in the order of the templates."""
    return tuple(
        grant for app in APPS for grant in grants_of(read_template(ROOT / f"infra/templates/{app}.merge.yaml"), app)
    )


def grants_of(template: dict[str, Any], app: str) -> Iterator[Grant]:
    """Those of one template; Unclear if a statement is no plain list of actions on one resource."""
    for role, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::IAM::Role":
            continue
        properties = resource["Properties"]
        if managed := properties.get("ManagedPolicyArns"):
            raise Unclear(f"{role} has managed policies: {managed}")
        for policy, sometimes in _each(properties["Policies"]):
            for statement, only_sometimes in _each(policy["PolicyDocument"]["Statement"]):
                for action in plain(statement, role):
                    where = resource_text(statement["Resource"])
                    yield Grant(role, statement["Sid"], action, where, app, sometimes or only_sometimes)


def plain(statement: dict[str, Any], role: str) -> list[str]:
    """The actions of a statement that allows them on one resource; a condition may narrow it further."""
    if set(statement) - {"Condition"} != {"Sid", "Effect", "Action", "Resource"} or statement["Effect"] != "Allow":
        raise Unclear(f"a statement of {role} is more than Sid, Effect: Allow, Action and Resource: {statement}")
    if isinstance(statement["Resource"], list):
        raise Unclear(f"{role} {statement['Sid']} has several resources: make it several statements")
    return actions(statement)


def actions(statement: dict[str, Any]) -> list[str]:
    """IAM takes one as it is."""
    return [statement["Action"]] if isinstance(statement["Action"], str) else list(statement["Action"])


def resource_text(resource: Any) -> str:
    """`${Name}` for what CloudFormation fills in, without the account's part of an ARN."""
    match resource:
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)} | str(text):
            return _ARN.sub("", text)
    raise Unclear(f"what is this resource: {resource}")


def without(document: dict[str, Any], sid: str, action: str) -> dict[str, Any]:
    """The policy less this one action; KeyError if it does not allow it."""
    statements, found = [], False
    for statement in document["Statement"]:
        left = actions(statement)
        if statement["Sid"] == sid and action in left:
            found = True
            left.remove(action)
        if left:
            statements.append({**statement, "Action": left})
    if not found:
        raise KeyError(f"{sid} {action}")
    return {**document, "Statement": statements}


def _each(listed: list[Any]) -> Iterator[tuple[Any, bool]]:
    """The entries, and whether a condition decides about each."""
    for entry in listed:
        if isinstance(entry, dict) and set(entry) == {"Fn::If"}:
            yield from ((branch, True) for branch in entry["Fn::If"][1:] if branch != _NOTHING)
        else:
            yield entry, False
