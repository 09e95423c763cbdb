"""Chooses the value of each parameter of a stack: the operator's, the stack's current value, or a default."""

from typing import Any

from infra.templates.sources import Template

Parameter = dict[str, Any]  # of a request to CloudFormation


def choose(
    template: Template,
    before: Template,
    current: dict[str, str | None],
    given: dict[str, str],
    defaults: dict[str, str],
) -> list[Parameter]:
    """Return a value for every parameter that does not use the template's own default.

    A parameter that is not given keeps the stack's current value or, if it has none, gets the target's default. A
    value that equals the old template's default is not kept if the new template has another default.
    """
    declared = template.get("Parameters", {})
    earlier = before.get("Parameters", {})
    kept = {
        key for key, value in current.items() if not _is_old_default(value, earlier.get(key), declared.get(key))
    }
    values: list[Parameter] = []
    for key in declared:
        if key in given:
            values.append({"ParameterKey": key, "ParameterValue": given[key]})
        elif key in kept:
            values.append({"ParameterKey": key, "UsePreviousValue": True})
        elif key in defaults:
            values.append({"ParameterKey": key, "ParameterValue": defaults[key]})
    return values


def resolved(template: Template, current: dict[str, str | None], values: list[Parameter]) -> dict[str, str]:
    """Return the value that each parameter will have, except those that only AWS knows."""
    sent = {each["ParameterKey"]: each for each in values}
    found = {}
    for key, declaration in template.get("Parameters", {}).items():
        if sent.get(key, {}).get("UsePreviousValue"):
            value = current.get(key)
        else:
            value = sent.get(key, {}).get("ParameterValue", declaration.get("Default"))
        if value is not None:
            found[key] = str(value)
    return found


def changed(
    template: Template, current: dict[str, str | None], values: list[Parameter]
) -> dict[str, tuple[str, str]]:
    """Return the old and the new value of each parameter that changes and is not secret."""
    differing = {}
    after = resolved(template, current, values)
    for key, declaration in template.get("Parameters", {}).items():
        before, now = current.get(key), after.get(key, "")
        if before != now and not declaration.get("NoEcho"):
            differing[key] = ("(none)" if before is None else before, now)
    return differing


def _is_old_default(value: str | None, before: Template | None, now: Template | None) -> bool:
    old, new = (before or {}).get("Default"), (now or {}).get("Default")
    return old != new and old is not None and value == str(old)
