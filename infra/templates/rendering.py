"""Evaluates a template's parameters, conditions and mappings, as CloudFormation does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from infra.templates.sources import Template

_PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE: Any = object()
_ABSENT = {"Ref": "AWS::NoValue"}


class Rendered:
    """A template with values for its parameters. A parameter without value and default evaluates to its name."""

    def __init__(self, source: Template, **parameters: str) -> None:
        self.source = source
        self._values: dict[str, Any] = dict(_PSEUDO)
        for name, parameter in source["Parameters"].items():
            self._values[name] = parameters.pop(name, str(parameter.get("Default", name)))
        if parameters:
            raise ValueError(f"no such parameter: {parameters}")
        self.resources: dict[str, Any] = {
            name: self._render(resource)
            for name, resource in source["Resources"].items()
            if "Condition" not in resource or self.is_true(resource["Condition"])
        }

    def without_conditions(self) -> Template:
        """Return the template with its conditions resolved, and without outputs, but otherwise unchanged."""
        resources = {name: self._resolve_conditions(self.source["Resources"][name]) for name in self.resources}
        others = {name: part for name, part in self.source.items() if name not in {"Conditions", "Outputs"}}
        return {**others, "Resources": resources}

    def of_type(self, kind: str) -> dict[str, Any]:
        """Return the properties of all resources of a type, by logical id."""
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def is_true(self, condition: str) -> bool:
        """Whether a condition of the template is true."""
        return bool(self._render(self.source["Conditions"][condition]))

    def _resolve_conditions(self, value: Any) -> Any:
        if isinstance(value, list):
            return [each for each in map(self._resolve_conditions, value) if each != _ABSENT]
        if not isinstance(value, dict):
            return value
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return self._resolve_conditions(then if self.is_true(condition) else otherwise)
        resolved = {
            key: self._resolve_conditions(each)
            for key, each in value.items()
            if key != "Condition" or not isinstance(each, str)
        }
        return {key: each for key, each in resolved.items() if each != _ABSENT}

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
            "Fn::Join": lambda parts: str(parts[0]).join(map(str, self._render(parts[1]))),
            "Fn::Split": lambda parts: str(self._render(parts[1])).split(parts[0]),
            "Fn::If": lambda parts: self._render(parts[1] if self.is_true(parts[0]) else parts[2]),
            "Fn::Equals": lambda sides: len(set(map(str, self._render(sides)))) == 1,
            "Fn::And": lambda conditions: all(self._render(conditions)),
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
