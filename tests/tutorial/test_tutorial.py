"""The tutorial, followed to the letter: every command is run, every change is made, and what it says is seen."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tenacity

from infra.emulator import ensure_venv
from infra.environments.venvs import ENVIRONMENTS
from infra.settings import EMULATOR_VENV
from tests.docs.pages import Block, blocks, copy_of_the_checkout
from tests.helpers.commands import clean_environment

PAGE = "tutorial.md"


@dataclass(frozen=True)
class Shell:
    """The reader's shell, in a checkout of their own; what one block sets, the next one has."""

    checkout: Path
    memory: Path
    environment: dict[str, str]

    def run(self, block: str) -> str:
        """What the block prints; on a machine that is too busy for the demo's time-out, when it is typed again."""
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_message(match=r"(?s)make demo\n.*demo: no answer from .* within"),
            stop=tenacity.stop_after_attempt(3),
            reraise=True,
        ):
            with attempt:
                said = self._run(block)
        return said

    def _run(self, block: str) -> str:
        script = f"set -a; source {self.memory}; {block}\nexport -p > {self.memory}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    checkout = copy_of_the_checkout(tmp_path)
    # What a reader's first `make` installs is here already: the tools, and the emulator's environment.
    (checkout / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name not in {".installed", "pyvenv.cfg"}:
            (checkout / ".venv" / part.name).symlink_to(part)
    made = (Path(sys.prefix) / "pyvenv.cfg").read_text()
    (checkout / ".venv" / "pyvenv.cfg").write_text(made.replace(sys.prefix, str(checkout / ".venv")))
    (checkout / ".venv" / ".installed").write_text(ENVIRONMENTS["tools"].digest)
    ensure_venv()
    (checkout / ".jobpipe").mkdir()
    (checkout / ".jobpipe" / "emulator-venv").symlink_to(EMULATOR_VENV)
    memory = tmp_path / "shell"
    memory.touch()
    shell = Shell(checkout, memory, clean_environment(JOBPIPE_PORT=str(free_port()), COLUMNS="120"))
    try:
        yield shell
    finally:
        shell.run("make -s stop")


@pytest.mark.timeout(1800)
def test_everything_is_as_the_page_says(shell: Shell) -> None:
    printed, seen = "", 0
    for block in blocks(PAGE):
        if block.instruction is not None:
            block.put(shell.checkout)
        elif block.language == "sh":
            printed = shell.run(block.text)
        elif block.language == "text":
            assert re.search(pattern(block), printed, flags=re.DOTALL), f"{block.text}\nis not in\n{printed}"
            seen += 1
    assert seen == sum(block.language == "text" for block in blocks(PAGE)) > 8


def free_port() -> int:
    """One that nobody has now; the emulator takes it a moment later."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pattern(block: Block) -> str:
    """What an output has to have in it: dots stand for anything, and lines may be broken on the page."""
    words = [r".*?".join(map(re.escape, word.split("…"))) for word in block.text.split()]
    return r"\s*".join(words)


def test_what_is_not_seen_is_noticed() -> None:
    said = Block("text", '{"status":"queued",…,\n"attempts":0}\n', None)
    assert re.search(pattern(said), 'x {"status":"queued","a":1,"attempts":0}', flags=re.DOTALL)
    assert not re.search(pattern(said), '{"status":"failed","a":1,"attempts":0}', flags=re.DOTALL)
