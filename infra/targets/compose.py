"""Starts LocalStack through Docker Compose, and removes everything that a Compose project leaves behind."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.cli.file_lock import file_lock
from infra.cli.reasons import on_screen
from infra.cli.signals import uninterrupted
from infra.errors import OperatorError
from infra.settings import ROOT, Settings, compose_environment

COMPOSE_FILE = ROOT / "docker-compose.yml"
LABEL = "jobpipe"  # as in docker-compose.yml: on the functions' containers and on the image of the tests
SERVICE = "localstack"
_COMMAND_SECONDS = 60
_PULL_SECONDS = 900
_START_SECONDS = 120
_BUILD_SECONDS = 1200
_SUITE_SECONDS = 2400
_DOWN_SECONDS = 120
_END_SECONDS = 10

Done = subprocess.CompletedProcess[str]


def why_not(settings: Settings) -> str | None:
    """Return why LocalStack cannot be started here, or None if it can. In that case the image is present."""
    if not COMPOSE_FILE.exists():
        return "there is no docker-compose.yml"
    if not shutil.which("docker") or run_command("docker", "info").returncode:
        return "no Docker engine is running"
    if not compose_command():
        return "Docker Compose is not installed"
    image = settings.localstack_image
    if run_command("docker", "image", "inspect", image).returncode:
        print(f"pulling {image} ...", flush=True)
        if run_command("docker", "pull", "--quiet", image, timeout=_PULL_SECONDS).returncode:
            return f"the image {image} cannot be pulled"
    return None


@contextmanager
def starting(settings: Settings) -> Iterator[None]:
    """Start LocalStack, and take it down again if the block, which waits for it, fails.

    Raise OperatorError if LocalStack was already started from here: Compose would create it again, without data.
    """
    marker = _marker(settings)
    if marker.exists():
        port = marker.read_text()
        raise OperatorError(
            f"LocalStack was started from here{f' on port {port}' if port else ''} and does not respond at"
            f" {settings.emulator_url}: set JOBPIPE_PORT to its port, or delete it with all its data by `make stop`"
        )
    project = Project(_name(settings, "jobpipe"), settings.port)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    marker.write_text(str(settings.port))  # before anything is started, so that stop() always finds it
    try:
        _start(project)
        yield
    except BaseException:
        logs = project.compose("logs", "--no-color", "--tail", "200", SERVICE)
        (settings.state_dir / "localstack.log").write_text(logs.stdout + logs.stderr)
        stop(settings)
        raise


def _start(project: "Project") -> None:
    done = project.compose("up", "-d", SERVICE, timeout=_START_SECONDS)
    if done.returncode:
        raise OperatorError(f"LocalStack cannot be started: {_last_line(done)}")


def stop(settings: Settings) -> bool:
    """Take down what was started from here, and return whether anything was."""
    if not _marker(settings).exists():
        return False
    Project(_name(settings, "jobpipe"), settings.port).take_down()
    _marker(settings).unlink()
    return True


def run_tests(settings: Settings) -> int:
    """Run the `tests` service with its own LocalStack, take both down, and return the exit status of the tests."""
    if not COMPOSE_FILE.exists():
        raise OperatorError("there is no docker-compose.yml")
    if not compose_command():
        raise OperatorError("Docker Compose is not installed")
    # A separate project, so that a LocalStack with a stage is not taken down with it. It uses any free port, since
    # the tests use LocalStack's inner port, and an emulator may use the configured port.
    project = Project(_name(settings, "jobpipe-tests"), None)
    with file_lock(settings.state_dir / "test-compose.lock"):
        try:
            project.take_down()  # a killed run may have left containers
            # `run` waits for LocalStack's health check, shows only the tests' output, and returns their exit status
            status = project.watch("build", "tests", timeout=_BUILD_SECONDS)
            status = status or project.watch("run", "--rm", "-T", "tests", timeout=_SUITE_SECONDS)
            if status:
                project.watch("logs", "--tail", "40", SERVICE, timeout=_START_SECONDS)
            return status
        finally:
            project.take_down()


def _name(settings: Settings, prefix: str) -> str:
    """Return a name for each state directory, so that two checkouts do not take down each other's projects."""
    return f"{prefix}-{hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:8]}"


def _marker(settings: Settings) -> Path:
    return settings.state_dir / "compose-started"


@dataclass(frozen=True)
class Project:
    """A Compose project: LocalStack, its network and volume, and the containers of its functions."""

    name: str
    port: int | None  # on 127.0.0.1; None for any free port

    @cached_property
    def _environment(self) -> dict[str, str]:
        return compose_environment(self.name, self.port)

    @cached_property
    def _compose(self) -> list[str]:
        return [*compose_command(), "-p", self.name, "-f", str(COMPOSE_FILE), "--profile", "tests"]

    def compose(self, *arguments: str, timeout: float = _COMMAND_SECONDS) -> Done:
        """Run Compose and capture its output."""
        return self._run(*self._compose, *arguments, timeout=timeout)

    def watch(self, *arguments: str, timeout: float) -> int:
        """Run Compose, show its output, and return its exit status."""
        return _run([*self._compose, *arguments], self._environment, timeout, capture=False).returncode

    def take_down(self) -> None:
        """Delete the project's containers, including the functions' containers, its networks and its volumes."""
        with uninterrupted():
            self.compose("stop", timeout=_DOWN_SECONDS)  # LocalStack removes its functions, if it is still able to
            self._remove_functions()  # before the network, which cannot be removed while they use it
            done = self.compose("down", "--volumes", "--remove-orphans", timeout=_DOWN_SECONDS)
            if done.returncode:
                raise OperatorError(f"the containers of {self.name} cannot be taken down: {_last_line(done)}")
            self._run("docker", "image", "prune", "--force", "--filter", f"label={LABEL}={self.name}")

    def _run(self, *command: str, timeout: float = _COMMAND_SECONDS) -> Done:
        return run_command(*command, environment=self._environment, timeout=timeout)

    def _remove_functions(self) -> None:
        found = self._run("docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL}={self.name}")
        if containers := found.stdout.split():
            self._run("docker", "rm", "--force", "--volumes", *containers, timeout=_DOWN_SECONDS)


def compose_command() -> list[str]:
    """Return the command of the installed Compose, preferably the plugin, or an empty list."""
    if shutil.which("docker") and run_command("docker", "compose", "version").returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def run_command(
    *command: str, environment: dict[str, str] | None = None, timeout: float = _COMMAND_SECONDS
) -> Done:
    """Run a command and capture its output."""
    return _run(command, environment, timeout, capture=True)


def _run(command: Sequence[str], environment: dict[str, str] | None, timeout: float, *, capture: bool) -> Done:
    """Run a command, which fails if it takes too long. All of its processes are ended."""
    output = subprocess.PIPE if capture else None
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches only this process, which ends the command in order
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        line = f"{' '.join(command[:2])} did not end within {timeout:.0f} s"
        if not capture:
            print(line, file=sys.stderr)
        return Done(command, 1, "", line)
    finally:
        if process.poll() is None:
            with uninterrupted():
                _end(process)
    return Done(command, process.returncode, stdout or "", stderr or "")


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=_END_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that ignore SIGTERM would keep the output open
    process.communicate()


def _last_line(done: Done) -> str:
    return on_screen(((done.stderr or done.stdout).strip().splitlines() or ["no output"])[-1])
