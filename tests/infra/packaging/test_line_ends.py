"""A checkout has line ends that make and bash can read, with any setting of a user's Git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.helpers.commands import ROOT

GENERATED = {".git", ".venv", ".jobpipe", "build", "__pycache__", ".hypothesis"}


def sources() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in GENERATED and not name.endswith(("_cache", ".egg-info"))
        ]
        found += [Path(folder, name).relative_to(ROOT) for name in names if name not in GENERATED]
    return found


def git(folder: Path, *words: str) -> None:
    """Run Git without the user's own settings."""
    environment = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "a user", f"GIT_{role}_EMAIL": "user@example.com"}
    subprocess.run(["git", *words], cwd=folder, env=environment, capture_output=True, check=True)


def test_a_checkout_with_autocrlf_has_unchanged_files(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    paths = sources()
    for path in paths:
        (here / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, here / path)
    git(here, "init", "--quiet")
    git(here, "add", "--all", "--force")
    git(here, "commit", "--quiet", "--message", "all")
    git(tmp_path, "clone", "--quiet", "--config", "core.autocrlf=true", str(here), str(there))

    assert [path for path in paths if (there / path).read_bytes() != (here / path).read_bytes()] == []
    assert b"\r" not in (there / "Makefile").read_bytes()
