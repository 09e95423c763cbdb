"""The release before group commit, whose Lambdas and client are measured in turns with those of this checkout.

Its sources are in tests/upgrade, beside the test that upgrades from it, so that a checkout without history has
them. They are those of the commit, without its tests and pages.
"""

from __future__ import annotations

import atexit
import subprocess
import tempfile
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from infra.emulator import Emulator
from tests.bench.laboratory import Laboratory
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.upgrade.releases import Release, release_of

COMMIT = "10ff001"
"""The last commit whose worker runs each command of a batch by itself (decision 52)."""
NAME = f"the release before group commit ({COMMIT})"
STAGE = "before"


@cache
def previous_release() -> Release:
    """Unpack the release into a temporary folder, which is removed at the end of this process."""
    folder = tempfile.TemporaryDirectory(prefix="jobpipe-bench-release-")
    atexit.register(folder.cleanup)
    return release_of(COMMIT, Path(folder.name) / "release")


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
    """Package the release, and return the folder with the contents of the worker's zip."""
    release = previous_release()
    command = [str(release.python), "-m", "infra.package"]
    subprocess.run(
        command, cwd=release.folder, env=clean_environment(), stdout=subprocess.DEVNULL, check=True, timeout=300
    )
    folder = release.folder.parent / "worker"
    with zipfile.ZipFile(release.folder / "build" / "worker" / "lambda.zip") as archive:
        archive.extractall(folder)
    return folder
