"""Commands as an operator runs them: in a process of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]

Done = subprocess.CompletedProcess[str]


def run(*command: str, env: Mapping[str, str], said: str | None = None) -> Done:
    """The ended command and what it printed; `said` goes to its standard input."""
    return subprocess.run(
        command, cwd=ROOT, env=env, input=said, capture_output=True, text=True, timeout=500, check=False
    )


def clean_environment(**ours: str) -> dict[str, str]:
    """This process's environment without anybody's account or stage, and with what is ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JOBPIPE_"))}
    return kept | ours
