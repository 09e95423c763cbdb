"""Runs commands in processes, as an operator does."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

Done = subprocess.CompletedProcess[str]


def run(*command: str, env: Mapping[str, str], stdin: str | None = None) -> Done:
    """Run the command in the checkout with `stdin` as its standard input, and return its status and output."""
    return subprocess.run(
        command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, timeout=500, check=False
    )


def clean_environment(**ours: str) -> dict[str, str]:
    """Return the environment without variables of AWS and jobpipe, and with the given ones."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JOBPIPE_"))}
    return inherited | ours
