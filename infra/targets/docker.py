"""Docker and Docker Compose as commands, and all that one Compose project leaves on an engine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from infra.cli.reasons import on_screen
from infra.cli.signals import uninterrupted
from infra.errors import OperatorError
from infra.settings import ROOT, compose_environment

COMPOSE_FILE = ROOT / "docker-compose.yml"
LABEL = "jobpipe"  # in docker-compose.yml, on the functions' containers and on the suite's image
_ANSWER_SECONDS = 60
_DOWN_SECONDS = 120
_END_SECONDS = 10

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Project:
    """LocalStack, its network and volume, and the containers of the functions that it starts beside itself."""

    name: str
    port: int | None  # on 127.0.0.1; None for any that is free

    @cached_property
    def _environment(self) -> dict[str, str]:
        return compose_environment(self.name, self.port)

    @cached_property
    def _compose(self) -> list[str]:
        return [*compose_command(), "-p", self.name, "-f", str(COMPOSE_FILE), "--profile", "tests"]

    def ask(self, *command: str, timeout: float = _ANSWER_SECONDS) -> Done:
        """Runs a short command and discards its output."""
        return ask(*command, environment=self._environment, timeout=timeout)

    def compose(self, *arguments: str, timeout: float = _ANSWER_SECONDS) -> Done:
        """Runs Compose and discards its output."""
        return self.ask(*self._compose, *arguments, timeout=timeout)

    def watch(self, *arguments: str, timeout: float) -> int:
        """Runs Compose with its output here; returns its exit status."""
        return _run([*self._compose, *arguments], self._environment, timeout, capture=False).returncode

    def take_down(self) -> None:
        """Leaves nothing of the project: containers, the functions' among them, networks, volumes."""
        with uninterrupted():
            self.compose("stop", timeout=_DOWN_SECONDS)  # LocalStack removes its functions, if it still can
            self._remove_functions()  # else we do: the network cannot go before them
            done = self.compose("down", "--volumes", "--remove-orphans", timeout=_DOWN_SECONDS)
            if done.returncode:
                raise OperatorError(f"what runs in Docker cannot be taken down: {last_line(done)}")
            self.ask("docker", "image", "prune", "--force", "--filter", f"label={LABEL}={self.name}")

    def _remove_functions(self) -> None:
        found = self.ask("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.name}")
        if containers := found.stdout.split():
            self.ask("docker", "rm", "--force", "--volumes", *containers, timeout=_DOWN_SECONDS)


def ask(*command: str, environment: dict[str, str] | None = None, timeout: float = _ANSWER_SECONDS) -> Done:
    """Runs a command and discards its output."""
    return _run(command, environment, timeout, capture=True)


def _run(command: Sequence[str], environment: dict[str, str] | None, timeout: float, *, capture: bool) -> Done:
    """One that takes too long has failed; no process of it is left, however this ends."""
    output = subprocess.PIPE if capture else None
    # A session of its own: Ctrl-C comes to us only, and we end one thing after another.
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    )
    try:
        said, complained = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        line = f"{' '.join(command[:2])} did not end within {timeout:.0f} s"
        if not capture:
            print(line, file=sys.stderr)
        return Done(command, 1, "", line)
    finally:
        if process.poll() is None:
            with uninterrupted():
                _end(process)
    return Done(command, process.returncode, said or "", complained or "")


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.communicate(timeout=_END_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def compose_command() -> list[str]:
    """The Compose that is installed, the plugin first; empty if none is."""
    if shutil.which("docker") and ask("docker", "compose", "version").returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def last_line(done: Done) -> str:
    """What a command said last, above all of its errors."""
    return on_screen(((done.stderr or done.stdout).strip().splitlines() or ["no output"])[-1])
