"""The tutorial is followed exactly: its commands run, its changes are made, and its outputs are compared."""

from __future__ import annotations

import re
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
from tests.helpers.ports import free_port

PAGE = "tutorial.md"


@dataclass(frozen=True)
class Shell:
    """The reader's shell, in its own checkout. A block has the variables of the earlier ones."""

    checkout: Path
    variables: Path
    environment: dict[str, str]

    def run(self, block: str) -> str:
        """Return the block's output. If a busy machine exceeds the demo's time-out, the block is run again."""
        for attempt in tenacity.Retrying(
            retry=tenacity.retry_if_exception_message(match=r"(?s)make demo\n.*demo: no response from .* within"),
            stop=tenacity.stop_after_attempt(3),
            reraise=True,
        ):
            with attempt:
                output = self._run(block)
        return output

    def _run(self, block: str) -> str:
        script = f"set -a; source {self.variables}; {block}\nexport -p > {self.variables}"
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
    # The tools and the emulator's environment, which a reader's first `make` installs, exist already.
    (checkout / ".venv").mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name not in {".installed", "pyvenv.cfg"}:
            (checkout / ".venv" / part.name).symlink_to(part)
    configuration = (Path(sys.prefix) / "pyvenv.cfg").read_text()
    (checkout / ".venv" / "pyvenv.cfg").write_text(configuration.replace(sys.prefix, str(checkout / ".venv")))
    (checkout / ".venv" / ".installed").write_text(ENVIRONMENTS["tools"].digest)
    ensure_venv()
    (checkout / ".jobpipe").mkdir()
    (checkout / ".jobpipe" / "emulator-venv").symlink_to(EMULATOR_VENV)
    variables = tmp_path / "shell"
    variables.touch()
    shell = Shell(checkout, variables, clean_environment(JOBPIPE_PORT=str(free_port()), COLUMNS="120"))
    try:
        yield shell
    finally:
        shell.run("make -s stop")


@pytest.mark.timeout(1800)
def test_the_outputs_are_those_of_the_page(shell: Shell) -> None:
    printed, compared = "", 0
    for block in blocks(PAGE):
        if block.instruction is not None:
            block.put(shell.checkout)
        elif block.language == "sh":
            printed = shell.run(block.text)
        elif block.language == "text":
            assert re.search(pattern(block), printed, flags=re.DOTALL), f"{block.text}\nis not in\n{printed}"
            compared += 1
    assert compared == sum(block.language == "text" for block in blocks(PAGE)) > 8


def pattern(block: Block) -> str:
    """Return the pattern of an expected output: dots match anything, and the page may break lines."""
    words = [r".*?".join(map(re.escape, word.split("…"))) for word in block.text.split()]
    return r"\s*".join(words)


def test_a_different_output_does_not_match() -> None:
    expected = Block("text", '{"status":"queued",…,\n"attempts":0}\n', None)
    assert re.search(pattern(expected), 'x {"status":"queued","a":1,"attempts":0}', flags=re.DOTALL)
    assert not re.search(pattern(expected), '{"status":"failed","a":1,"attempts":0}', flags=re.DOTALL)
