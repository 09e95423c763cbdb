"""The release before group commit, whose Lambdas and client are measured in turns with those of this checkout.

Its sources are in tests/upgrade, beside the test that upgrades from it, so that a checkout without history has
them. They are those of the commit, without its tests and pages.
"""

from __future__ import annotations

import atexit
import subprocess
import tempfile
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

from infra.cli.reasons import on_screen
from infra.emulator import Emulator
from infra.errors import OperatorError
from tests.bench.laboratory.environment import Laboratory
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.upgrade.releases import Release, release_of

COMMIT = "10ff001"
"""The last commit whose worker runs each command of a batch by itself (decision 52)."""
NAME = f"the release before group commit ({COMMIT})"
STAGE = "before"


def start_packaging() -> None:
    """Unpack and package the release in the background, while nothing is measured."""
    _packaging()


def previous_release() -> Release:
    """Return the packaged release, in a temporary folder that is removed at the end of this process."""
    return _packaging().result()


@cache
def _packaging() -> Future[Release]:
    return ThreadPoolExecutor(1).submit(_package)


def _package() -> Release:
    folder = tempfile.TemporaryDirectory(prefix="jobpipe-bench-release-")
    atexit.register(folder.cleanup)
    release = release_of(COMMIT, Path(folder.name) / "release")
    done = subprocess.run(
        [str(release.python), "-m", "infra.package"],
        cwd=release.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OperatorError(f"{NAME} cannot be packaged: {on_screen((done.stderr or done.stdout).strip())}")
    return release


def deployed_previous(lab: Laboratory) -> Stage:
    """Return a stage of the release on the laboratory's emulator, with warm Lambdas; deploy it if necessary."""
    if STAGE not in lab.stages:
        emulator = Emulator(lab.settings.state_dir, lab.settings.port)
        deployment = previous_release().deploy(emulator, STAGE).deployment
        # The recorder also needs the names of the two tables that the release lacks, which items do not use.
        stage = Stage(replace(deployment, resources={**lab.stage.resources, **deployment.resources}))
        stage.client.wait(stage.client.read("warm-up"), timeout=120)
        lab.stages[STAGE] = stage
    return lab.stages[STAGE]


@cache
def unpacked_worker() -> Path:
    """Return the folder with the contents of the zip of the release's worker."""
    release = previous_release()
    folder = release.folder.parent / "worker"
    with zipfile.ZipFile(release.folder / "build" / "worker" / "lambda.zip") as archive:
        archive.extractall(folder)
    return folder
