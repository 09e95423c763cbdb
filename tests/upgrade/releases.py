"""Releases of jobpipe that a test deploys one after the other into one stage."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.emulator import Emulator
from infra.stage.stage_file import read_deployment
from tests.helpers.commands import ROOT, clean_environment
from tests.helpers.deployed import Stage

_SCRIPT = Path(__file__).with_name("deploy_release.py")


@dataclass(frozen=True)
class Release:
    """The sources of a release, and the interpreter that deploys them."""

    folder: Path
    python: Path
    collections: Path | None = None

    def deploy(self, emulator: Emulator, stage: str) -> Stage:
        """Deploy the release into the stage, which is created or changed in place."""
        command = [self.python, _SCRIPT, str(emulator.port), emulator.state_dir, stage]
        command += [self.collections] if self.collections else []
        done = subprocess.run(
            [str(each) for each in command],
            cwd=self.folder,
            env=clean_environment(JOBPIPE_STATE_DIR=str(emulator.state_dir)),
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Stage(read_deployment(emulator.state_dir, stage))


def this_release(collections: Path) -> Release:
    """Return this checkout with a folder of collections."""
    return Release(ROOT, Path(sys.executable), collections)


def release_of(commit: str, folder: Path) -> Release:
    """Return the release of a commit, whose files are written to the folder."""
    folder.mkdir()
    # The sources are beside this file, since a checkout may have no history.
    safely: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
    with tarfile.open(Path(__file__).with_name(f"{commit}.tar.xz")) as archive:
        archive.extractall(folder, **safely)  # noqa: S202  # it is a part of this repository
    # It has the libraries of this checkout's environment, but not the modules of this checkout.
    environment = folder / ".venv"
    venv.create(environment)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return Release(folder, environment / "bin" / "python")
