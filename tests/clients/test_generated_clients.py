"""Every client that a generator makes from the contract can be built, and every operation works with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_lambda.chalicelib.contract.openapi import document
from tests.clients.conftest import Use
from tests.clients.recorder import Recorder
from tests.clients.toolbox import CONTRACT, NPM_PACKAGES, PROGRAMS, PYTHON_TOOLS, run
from tests.helpers.memory import RETENTION

DOCUMENT = document(RETENTION)
MADE = ("-o", "made")
OPERATIONS = {operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()}
COMMANDS = {each["$ref"].rpartition("/")[2] for each in DOCUMENT["components"]["schemas"]["Command"]["oneOf"]}


def python_client(folder: Path, *generate: str | Path, name: str) -> Path:
    """Generate a client, install it with pip, and return its folder."""
    run(*generate, folder=folder)
    pip = (PYTHON_TOOLS / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--no-deps", "--no-build-isolation", "--target", folder / "installed", folder / name, folder=folder)
    return folder / "installed"


def check_all_used(recorder: Recorder) -> None:
    """Every operation succeeded, every kind of command was sent in each way, and nothing violated the document."""
    assert recorder.violations == []
    assert recorder.answered == OPERATIONS, "an operation was not used, or it failed"
    sent = {"submitJob": set[str](), "submitBatch": set[str]()}
    for operation, body in recorder.bodies:
        if operation in sent:
            sent[operation] |= {kind for each in body.get("commands", [body]) for kind in kinds_of(recorder, each)}
    assert sent == dict.fromkeys(sent, COMMANDS)


def kinds_of(recorder: Recorder, command: object) -> set[str]:
    def is_valid(kind: str) -> bool:
        try:
            recorder.documented.check_value(f"/components/schemas/{kind}", command, kind)
        except AssertionError:
            return False
        return True

    return set(filter(is_valid, COMMANDS))


def openapi_python_client(folder: Path) -> Path:
    """Generate and install the client of openapi-python-client, and return its folder."""
    name = "made-by-openapi-python-client"
    (folder / "config.yml").write_text(
        f"project_name_override: {name}\npackage_name_override: {name.replace('-', '_')}\n"
    )
    generate = ("openapi-python-client", "generate", "--meta", "setup", "--fail-on-warning", "--path", CONTRACT)
    return python_client(folder, *generate, "--config", "config.yml", "--output-path", name, name=name)


def test_openapi_python_client(tmp_path: Path, use: Use) -> None:
    installed = openapi_python_client(tmp_path)
    with use() as (recorder, variables):
        program = PROGRAMS / "openapi_python_client.py"
        run(PYTHON_TOOLS / "python", program, variables={**variables, "PYTHONPATH": str(installed)})
        check_all_used(recorder)


def test_openapi_generator_for_python(tmp_path: Path, use: Use) -> None:
    name = "made_by_openapi_generator"
    generate = ("openapi-generator-cli", "generate", "-g", "python", "-i", CONTRACT, "-o", tmp_path / name)
    installed = python_client(tmp_path, *generate, f"--additional-properties=packageName={name}", name=name)
    with use() as (recorder, variables):
        program = PROGRAMS / "openapi_generator_python.py"
        run(PYTHON_TOOLS / "python", program, variables={**variables, "PYTHONPATH": str(installed)})
        check_all_used(recorder)


def typescript_client(folder: Path, program: str, *generate: str | Path) -> list[str | Path]:
    """Generate and strictly compile a client with its program; return the command that runs it."""
    run(*generate, folder=folder)
    (folder / "node_modules").symlink_to(NPM_PACKAGES)
    for source in ("scenario.ts", program):
        (folder / source).write_text((PROGRAMS / source).read_text())
    modules = ("--module", "commonjs", "--moduleResolution", "node10", "--esModuleInterop", "--types", "node")
    run("tsc", "--strict", "--target", "es2022", *modules, "--outDir", "built", program, folder=folder)
    return ["node", folder / "built" / program.replace(".ts", ".js")]


@pytest.mark.parametrize(
    ("program", "generate"),
    [
        (
            "openapi_generator.ts",
            ("openapi-generator-cli", "generate", "-g", "typescript-fetch", "-i", CONTRACT, *MADE),
        ),
        ("openapi_typescript.ts", ("openapi-typescript", CONTRACT, "-o", "made/schema.d.ts")),
        ("hey_api.ts", ("openapi-ts", "-i", CONTRACT, *MADE)),
    ],
    ids=["openapi-generator", "openapi-typescript", "hey-api"],
)
def test_typescript(tmp_path: Path, use: Use, program: str, generate: tuple[str | Path, ...]) -> None:
    command = typescript_client(tmp_path, program, *generate)
    with use() as (recorder, variables):
        run(*command, folder=tmp_path, variables=variables)
        check_all_used(recorder)
