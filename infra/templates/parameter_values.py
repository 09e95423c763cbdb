"""Checks of the values that operators give for the templates' parameters."""

import difflib
import math
import re
from collections.abc import Iterable, Mapping

from infra.errors import OperatorError
from infra.templates.sources import Template

_FRACTIONS = {"ApiErrorRate", "RateLimit", "StageRateLimit"}  # AWS accepts only whole numbers for the others


def check_values(given: Mapping[str, str], templates: Iterable[Template]) -> None:
    """Raise OperatorError for a parameter that no template has, or a value that a template would refuse."""
    declared: dict[str, list[Template]] = {}
    for template in templates:
        for name, declaration in template["Parameters"].items():
            declared.setdefault(name, []).append(declaration)
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            raise OperatorError(f"no template has the parameter {name}{f'; is {near[0]} meant?' if near else ''}")
        for declaration in declared[name]:
            _check(name, value, declaration)


def _check(name: str, value: str, declaration: Template) -> None:
    allowed = [str(each) for each in declaration.get("AllowedValues", [])]
    if allowed and value not in allowed:
        raise OperatorError(f"{name} must be one of {', '.join(allowed)}, not {value!r}")
    pattern = declaration.get("AllowedPattern")
    if pattern and not re.fullmatch(pattern, value):
        raise OperatorError(f"{name} cannot be {value!r}: it must match {pattern}")
    if declaration["Type"] == "Number":
        try:
            number = float(value)
        except ValueError:
            raise OperatorError(f"{name} must be a number, not {value!r}") from None
        if math.isinf(number):
            raise OperatorError(f"{name} must be a finite number, not {value}")
        if name not in _FRACTIONS and not number.is_integer():
            raise OperatorError(f"{name} must be a whole number, not {value}")
        least, most = float(declaration.get("MinValue", "-inf")), float(declaration.get("MaxValue", "inf"))
        if not least <= number <= most:
            raise OperatorError(f"{name} must be from {least:g} to {most:g}, not {value}")
