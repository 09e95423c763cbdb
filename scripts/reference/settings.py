"""docs/reference/settings.md: the environment variables and the templates' parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import EMULATOR_REGION, LOCAL_STAGE, LOCALSTACK_IMAGE, ROOT
from infra.targets.boto_sessions import emulator_session
from infra.targets.target import LOCALSTACK, Target
from infra.templates.sources import FOUNDATION, OPERATIONS, Template, read_template
from scripts.reference.tables import code, table

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


@dataclass(frozen=True)
class Variable:
    """An environment variable that operators or callers may set."""

    name: str
    default: str
    meaning: str


VARIABLES = (
    Variable(
        "JOBPIPE_PORT", code("4566"), "Where an emulator listens, or is looked for. Deployment, make targets."
    ),
    Variable(
        "JOBPIPE_STAGE",
        code(LOCAL_STAGE),
        "Which stage is meant: up to 16 lower-case letters, digits and inner hyphens, a letter first. All.",
    ),
    Variable(
        "JOBPIPE_STATE_DIR",
        "`.jobpipe` in the checkout",
        "Where stage files are kept, and the emulator's log and process id. Without it the client looks for"
        " `.jobpipe` in the working directory and in those above it. All.",
    ),
    Variable("JOBPIPE_URL", "", "The base URL of a stage; only together with `JOBPIPE_API_KEY`. Client."),
    Variable("JOBPIPE_API_KEY", "", "The key; only together with `JOBPIPE_URL`. Client."),
    Variable(
        "AWS_ENDPOINT_URL",
        "",
        "An emulator that somebody else runs. A deployment to AWS passes it over. Deployment, make targets.",
    ),
    Variable(
        "AWS_REGION",
        "as boto3 finds it",
        "The region of a deployment to AWS; emulators are in `us-east-1`. Credentials: as boto3 takes them.",
    ),
    Variable(
        "LOCALSTACK_IMAGE",
        code(LOCALSTACK_IMAGE),
        "Another LocalStack for `make localstack`. A newer one needs `LOCALSTACK_AUTH_TOKEN`, which is handed on.",
    ),
)
"""What the code reads; a test compares."""


def page() -> str:
    """The page."""
    return f"""\
# Settings

Made by `make reference` from the settings modules and `infra/*.yaml`; a test holds it true.

## Environment variables

These are read from the shell in which `make`, the client or a script runs. An empty value counts as unset, and
blanks around a value are ignored, except in a path. For what boto3 and requests read see
[your environment](../environment.md).

{table(("variable", "default", "meaning"), [(code(v.name), v.default, v.meaning) for v in VARIABLES])}
`make` itself takes `PYTHON` (default `python3`): the interpreter that it sets up with, 3.11 or newer.

## Parameters of a stage

Given as `make deploy STAGE=prod PARAMETERS="NAME=VALUE NAME=VALUE"`, or to `make deploy-local`. A parameter stays
until it is given anew, on an emulator until it ends. A value that is not allowed is refused before anything is
changed. A parameter that several stacks have is the same in all of them. *On emulators* is the default of the first
deployment there, where it is another one.

{_parameters()}
On AWS the first deployment sets `AccessLogs` to `true` if the account lets API Gateway write them.

## What the deployment sets

By these the stacks tell each other names. They are not for operators.

{_of_the_deployment()}
## Environment of the Lambdas

Set by the templates. To change one, change its parameter.

{_lambdas()}"""


def declarations() -> dict[str, dict[str, Template]]:
    """The declarations of each parameter, by its stacks."""
    found: dict[str, dict[str, Template]] = {}
    for stack, path in STACKS.items():
        for name, told in read_template(path)["Parameters"].items():
            found.setdefault(name, {})[stack] = told
    return found


def _set_by_the_deployment() -> set[str]:
    return {"Stage", "CodeKey", "CodeVersion", *read_template(FOUNDATION)["Outputs"]}


def _parameters() -> str:
    emulators = Target(LOCALSTACK, EMULATOR_REGION, "http://127.0.0.1", "", emulator_session(EMULATOR_REGION))
    there = emulators.default_parameters(LOCAL_STAGE)
    rows = []
    for name, told in declarations().items():
        if name in _set_by_the_deployment():
            continue
        first = next(iter(told.values()))
        default = str(first.get("Default", ""))
        other = _OF_THE_MACHINE.get(name) or code(there.get(name, default))
        rows.append(
            (
                code(name),
                code(default) or "(empty)",
                "" if other == code(default) else other,
                _limits(told),
                first["Description"] + ".",
                ", ".join(told),
            )
        )
    return table(("parameter", "default", "on emulators", "values", "meaning", "stacks"), rows)


def _of_the_deployment() -> str:
    ours = _set_by_the_deployment()
    rows = [
        (code(name), next(iter(told.values()))["Description"] + ".", ", ".join(told))
        for name, told in declarations().items()
        if name in ours
    ]
    return table(("parameter", "meaning", "stacks"), rows)


def _limits(told: dict[str, Template]) -> str:
    """What is allowed in all of its stacks."""
    merged: dict[str, Any] = {}
    for declaration in reversed(told.values()):
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


def _lambdas() -> str:
    sources: dict[str, dict[str, str]] = {}
    for stack in ("api", "worker"):
        for logical_id, resource in read_template(STACKS[stack])["Resources"].items():
            variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
            for name, value in variables.items():
                source = f"parameter {code(value['Ref'])}" if isinstance(value, dict) else code(value)
                sources.setdefault(name, {})[logical_id] = source
    rows = []
    for name, by_function in sources.items():
        several = dict.fromkeys(by_function.values())
        rows.append((code(name), ", ".join(several), ", ".join(map(code, by_function))))
    return table(("variable", "from", "functions"), rows)
