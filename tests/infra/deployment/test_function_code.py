"""A deployment of a local stage lets its functions run what was built, whatever was put into them before."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from infra.packaging.package import package_all
from infra.stage.names import FUNCTIONS
from tests.helpers.deployed import Stage
from tests.infra.stage_with_keys import Run, deployed

pytestmark = pytest.mark.slow
STAGE = [f"jobpipe-local-{name}" for name in FUNCTIONS]


def code(stage: Stage) -> dict[str, str]:
    lambdas = stage.aws("lambda")
    return {name: lambdas.get_function_configuration(FunctionName=name)["CodeSha256"] for name in STAGE}


def other_version(zip_path: Path) -> bytes:
    """Return the zip with another version of jobpipe in it."""
    body = io.BytesIO()
    with zipfile.ZipFile(zip_path) as built, zipfile.ZipFile(body, "w") as other:
        for name in built.namelist():
            other.writestr(name, b'__version__ = "7.7.7"\n' if name == "jobpipe/__init__.py" else built.read(name))
    return body.getvalue()


def version(stage: Stage) -> str:
    return str(stage.request("GET", "/health").json()["version"])


def test_functions_that_run_other_code_are_shown_and_restored(run: Run, state_dir: Path) -> None:
    stage = deployed(state_dir)
    built, ours = code(stage), version(stage)
    for app, names in {"api": STAGE[:1], "worker": ["jobpipe-local-worker", "jobpipe-local-events"]}.items():
        body = other_version(package_all()[app].zip_path)
        for name in names:
            stage.aws("lambda").update_function_code(FunctionName=name, ZipFile=body)
    changed = {name for name, digest in code(stage).items() if digest != built[name]}
    assert changed == {"jobpipe-local-api", "jobpipe-local-worker", "jobpipe-local-events"}
    assert version(stage) == "7.7.7"

    shown = run("deploy", "diff", "--exit-code")
    assert shown.returncode == 2, shown.stdout
    assert shown.stdout.count("AWS::Lambda::Function") == 3, shown.stdout
    assert code(stage) != built, "a comparison changes nothing"

    restored = run("deploy", "up")
    assert restored.returncode == 0, restored.stderr
    assert restored.stdout.count("RESTORING") == 3, restored.stdout
    assert code(stage) == built
    assert version(stage) == ours
    assert run("deploy", "diff", "--exit-code").returncode == 0
    assert "RESTORING" not in run("deploy", "up").stdout
