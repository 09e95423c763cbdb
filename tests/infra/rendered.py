"""Templates as CloudFormation sees them: parameters, conditions and mappings put in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from infra.package import package_all
from infra.templates import Template, foundation_for, operations

_PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE: Any = object()
NAMES = ("foundation", "worker", "api", "operations")  # in the order of their deployment


def template(name: str) -> Template:
    """What goes out for a stage on AWS."""
    if name == "foundation":
        return foundation_for("prod")
    if name == "operations":
        return operations()
    built: Template = json.loads(package_all()[name].template_path.read_text())
    return built


class Rendered:
    """A template with parameters; those that it does not default are called as themselves."""

    def __init__(self, source: Template, **parameters: str) -> None:
        self.source = source
        self._values: dict[str, Any] = dict(_PSEUDO)
        for name, parameter in source["Parameters"].items():
            self._values[name] = parameters.pop(name, str(parameter.get("Default", name)))
        assert not parameters, f"no such parameter: {parameters}"
        self.resources: dict[str, Any] = {
            name: self._render(resource)
            for name, resource in source["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of all resources of one type."""
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def _holds(self, condition: str) -> bool:
        return bool(self._render(self.source["Conditions"][condition]))

    def _render(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self._render, value) if each is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((function, argument),) = value.items()
            if function in {"Ref", "Fn::GetAtt"} or function.startswith("Fn::"):
                return self._call(function, argument)
        rendered = {key: self._render(each) for key, each in value.items()}
        return {key: each for key, each in rendered.items() if each is not _NO_VALUE}

    def _call(self, function: str, argument: Any) -> Any:
        functions: dict[str, Callable[[Any], Any]] = {
            "Ref": lambda name: _NO_VALUE if name == "AWS::NoValue" else self._values.get(name, name),
            "Fn::GetAtt": ".".join,
            "Fn::Sub": self._sub,
            "Fn::If": lambda parts: self._render(parts[1] if self._holds(parts[0]) else parts[2]),
            "Fn::Equals": lambda sides: len(set(map(str, self._render(sides)))) == 1,
            "Fn::Not": lambda condition: not self._render(condition[0]),
            "Fn::FindInMap": self._find,
        }
        return functions[function](argument)

    def _sub(self, argument: Any) -> str:
        text, own = argument if isinstance(argument, list) else (argument, {})
        known = self._values | {name: self._render(each) for name, each in own.items()}
        return re.sub(r"\$\{([\w:.]+)\}", lambda name: str(known.get(name[1], name[1])), text)

    def _find(self, argument: list[Any]) -> Any:
        mapping, key, member = self._render(argument)
        return self.source["Mappings"][mapping][key][member]


def rendered(name: str, **parameters: str) -> Rendered:
    """The template of this name, in the stage `prod` unless another is given."""
    return Rendered(template(name), **{"Stage": "prod", **parameters})
