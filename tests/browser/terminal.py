"""What a command of `jobpipe` shows on a terminal, as a picture."""

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
_FONT_FACE = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)  # fonts of a CDN; monospace does


def picture(path: Path, commands: Sequence[Sequence[str]], env: Mapping[str, str], folder: Path) -> None:
    """An SVG of these commands and what they print, one after the other, in the folder."""
    shown = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command in commands:
        shown.print(Text("$ ", "bold green") + Text("jobpipe " + " ".join(command), "bold"))
        shown.print(Text.from_ansi(_output(command, env, folder)))
    svg = _FONT_FACE.sub("", shown.export_svg(title="jobpipe", theme=MONOKAI, unique_id="jobpipe"))
    path.write_text(svg)


def _output(command: Sequence[str], env: Mapping[str, str], folder: Path) -> str:
    here = {"PYTHONPATH": os.getcwd(), "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}  # noqa: PTH109
    done = subprocess.run(
        (sys.executable, "-m", "jobpipe_client.cli", *command),
        cwd=folder,
        env={**env, **here},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = done.stdout.decode()
    if done.returncode not in {0, 3}:  # 3: some failed, as they were to
        raise OperatorError(f"jobpipe {command[0]}: {said}")
    # Of a progress bar what stands there in the end.
    return "\n".join(line.rpartition("\r")[2] for line in said.rstrip("\n").split("\n")) + "\n"
