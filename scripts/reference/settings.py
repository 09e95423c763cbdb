"""The tables of docs/reference/settings.md: the parameters of the templates, and the Lambdas' environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from infra.settings import EMULATOR_REGION, LOCAL_STAGE, ROOT
from infra.targets.boto_sessions import emulator_session
from infra.targets.target import LOCALSTACK, Target
from infra.templates.sources import FOUNDATION, OPERATIONS, Template, read_template
from scripts.markdown import code, table

STACKS: dict[str, Path] = {
    "foundation": FOUNDATION,
    "worker": ROOT / "infra" / "templates" / "worker.merge.yaml",
    "api": ROOT / "infra" / "templates" / "api.merge.yaml",
    "operations": OPERATIONS,
}
_OF_THE_MACHINE = {
    "Runtime": "the version of `PYTHON` (LocalStack: `python3.11`)",
    "Architecture": "the machine's",
}


def tables() -> dict[str, str]:
    """Return the tables of the page by name."""
    by_deployment = {"Stage", "CodeKey", "CodeVersion", *read_template(FOUNDATION)["Outputs"]}
    set_by_deployment = (
        (code(name), _description(stacks), ", ".join(stacks))
        for name, stacks in declarations().items()
        if name in by_deployment
    )
    parameters = (_parameter(name, stacks) for name, stacks in declarations().items() if name not in by_deployment)
    return {
        "parameters": table(("parameter", "default", "on emulators", "values", "meaning", "stacks"), parameters),
        "set-by-the-deployment": table(("parameter", "meaning", "stacks"), set_by_deployment),
        "lambdas": _lambdas(),
    }


@cache
def declarations() -> dict[str, dict[str, Template]]:
    """Return the declarations of each parameter, by stack."""
    found: dict[str, dict[str, Template]] = {}
    for stack, path in STACKS.items():
        for name, declaration in read_template(path)["Parameters"].items():
            found.setdefault(name, {})[stack] = declaration
    return found


def _parameter(name: str, stacks: dict[str, Template]) -> tuple[str, ...]:
    emulator = Target(LOCALSTACK, EMULATOR_REGION, "http://127.0.0.1", "", emulator_session(EMULATOR_REGION))
    default = str(next(iter(stacks.values())).get("Default", ""))
    on_emulators = _OF_THE_MACHINE.get(name) or code(emulator.default_parameters(LOCAL_STAGE).get(name, default))
    return (
        code(name),
        code(default) or "(empty)",
        "" if on_emulators == code(default) else on_emulators,
        _values(stacks),
        _description(stacks),
        ", ".join(stacks),
    )


def _description(stacks: dict[str, Template]) -> str:
    return f"{next(iter(stacks.values()))['Description']}."


def _values(stacks: dict[str, Template]) -> str:
    """Return the values that every stack of a parameter allows."""
    merged: dict[str, Any] = {}
    for declaration in reversed(stacks.values()):
        merged |= declaration
    if "AllowedValues" in merged:
        return ", ".join(code(value) for value in merged["AllowedValues"])
    if "AllowedPattern" in merged:
        return f"text, {code(merged['AllowedPattern'])}"
    if merged["Type"] != "Number":
        return "text"
    least, most = merged.get("MinValue"), merged.get("MaxValue")
    if least is not None and most is not None:
        return f"number, {least} to {most}"
    return "number" if least is None else f"number, at least {least}"


def _source(value: Any, conditions: dict[str, Any]) -> str:
    """Return where the value of a variable comes from: a parameter, or whether the parameter is given."""
    match value:
        case {"Ref": str(name)}:
            return f"parameter {code(name)}"
        case {"Fn::If": [str(condition), then, otherwise]}:
            match conditions[condition]:
                case {"Fn::Not": [{"Fn::Equals": [{"Ref": str(name)}, ""]}]}:
                    return f"{code(then)} with the parameter {code(name)}, else {code(otherwise)}"
    return code(value)


def _lambdas() -> str:
    sources: dict[str, dict[str, str]] = {}
    for stack in ("api", "worker"):
        for function, resource in read_template(STACKS[stack])["Resources"].items():
            variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
            for name, value in variables.items():
                source = _source(value, read_template(STACKS[stack])["Conditions"])
                sources.setdefault(name, {})[function] = source
    rows = (
        (code(name), ", ".join(dict.fromkeys(functions.values())), ", ".join(map(code, functions)))
        for name, functions in sources.items()
    )
    return table(("variable", "from", "functions"), rows)
