"""Pictures of commands of `jobpipe` on a terminal."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from infra.errors import OperatorError

COLUMNS = 104
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # it would load fonts from a CDN


def picture(path: Path, commands: Sequence[Sequence[str]], env: Mapping[str, str], folder: Path) -> None:
    """Run the commands in the folder, and write an SVG of them and their output."""
    terminal = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command in commands:
        terminal.print(Text("$ ", "bold green") + Text("jobpipe " + " ".join(command), "bold"))
        terminal.print(Text.from_ansi(_output(command, env, folder)))
    svg = _FONT_FACE.sub("", terminal.export_svg(title="jobpipe", theme=MONOKAI, unique_id="jobpipe"))
    path.write_text(svg)


def _output(command: Sequence[str], env: Mapping[str, str], folder: Path) -> str:
    variables = {"PYTHONPATH": os.getcwd(), "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}  # noqa: PTH109
    done = subprocess.run(
        (sys.executable, "-m", "jobpipe_client.cli", *command),
        cwd=folder,
        env={**env, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    output = done.stdout.decode()
    if done.returncode not in {0, 3}:  # 3: some jobs failed, as intended
        raise OperatorError(f"jobpipe {command[0]}: {output}")
    # Only the last state of a progress bar is shown.
    return "\n".join(line.rpartition("\r")[2] for line in output.rstrip("\n").split("\n")) + "\n"
