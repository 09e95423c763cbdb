"""Which value each parameter of a stack gets: the operator's, the stack's own, or a default."""

from typing import Any

from infra.templates import Template

Parameter = dict[str, Any]  # as CloudFormation takes it


def choose(
    template: Template,
    before: Template,
    held: dict[str, str | None],
    given: dict[str, str],
    defaults: dict[str, str],
) -> list[Parameter]:
    """A value for every parameter of the template that is not left to the template's own default.

    A parameter that is not given keeps the stack's value; where it has none yet, it takes the default. A value
    that is the old template's default gives way to another default of the new one.
    """
    declared = template.get("Parameters", {})
    earlier = before.get("Parameters", {})
    kept = {key for key, value in held.items() if not _gives_way(value, earlier.get(key), declared.get(key))}
    values: list[Parameter] = []
    for key in declared:
        if key in given:
            values.append({"ParameterKey": key, "ParameterValue": given[key]})
        elif key in kept:
            values.append({"ParameterKey": key, "UsePreviousValue": True})
        elif key in defaults:
            values.append({"ParameterKey": key, "ParameterValue": defaults[key]})
    return values


def changed(template: Template, held: dict[str, str | None], values: list[Parameter]) -> dict[str, tuple[str, str]]:
    """What each parameter of a stack was and will be, where these differ and are no secret."""
    declared = template.get("Parameters", {})
    sent = {each["ParameterKey"]: each for each in values}
    differing = {}
    for key, declaration in declared.items():
        before = held.get(key)
        if declaration.get("NoEcho") or sent.get(key, {}).get("UsePreviousValue"):
            continue
        after = str(sent.get(key, {}).get("ParameterValue", declaration.get("Default", "")))
        if before != after:
            differing[key] = ("(none)" if before is None else before, after)
    return differing


def _gives_way(value: str | None, before: Template | None, now: Template | None) -> bool:
    old, new = (before or {}).get("Default"), (now or {}).get("Default")
    return old != new and old is not None and value == str(old)
