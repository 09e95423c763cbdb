"""Which value each parameter of a stack gets: the operator's, the stack's own, or a default."""

from typing import Any

from infra.templates.sources import Template

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


def resolved(template: Template, held: dict[str, str | None], values: list[Parameter]) -> dict[str, str]:
    """The value that each of the template's parameters will have; without those that only AWS can tell."""
    sent = {each["ParameterKey"]: each for each in values}
    found = {}
    for key, declaration in template.get("Parameters", {}).items():
        previous = sent.get(key, {}).get("UsePreviousValue")
        value = (
            held.get(key)
            if previous
            else sent.get(key, declaration).get("ParameterValue", declaration.get("Default"))
        )
        if value is not None:
            found[key] = str(value)
    return found


def changed(template: Template, held: dict[str, str | None], values: list[Parameter]) -> dict[str, tuple[str, str]]:
    """What each parameter of a stack was and will be, where these differ and are no secret."""
    differing = {}
    after = resolved(template, held, values)
    for key, declaration in template.get("Parameters", {}).items():
        before, now = held.get(key), after.get(key, "")
        if before != now and not declaration.get("NoEcho"):
            differing[key] = ("(none)" if before is None else before, now)
    return differing


def _gives_way(value: str | None, before: Template | None, now: Template | None) -> bool:
    old, new = (before or {}).get("Default"), (now or {}).get("Default")
    return old != new and old is not None and value == str(old)
