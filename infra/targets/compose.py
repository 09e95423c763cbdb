"""LocalStack through Docker Compose."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.cli.file_lock import file_lock
from infra.errors import OperatorError
from infra.settings import Settings
from infra.targets.docker import COMPOSE_FILE, Done, Project, ask, compose_command, last_line

SERVICE = "localstack"
_PULL_SECONDS = 900
_START_SECONDS = 120
_BUILD_SECONDS = 1200
_SUITE_SECONDS = 2400


def why_not(settings: Settings) -> str | None:
    """Why LocalStack cannot be started here; None if it can (the image is then present)."""
    if not COMPOSE_FILE.exists():
        return "there is no docker-compose.yml"
    if not shutil.which("docker") or ask("docker", "info").returncode:
        return "no Docker engine answers"
    if not compose_command():
        return "Docker Compose is not installed"
    image = settings.localstack_image
    if ask("docker", "image", "inspect", image).returncode:
        print(f"pulling {image} ...", flush=True)
        pulled = ask("docker", "pull", "--quiet", image, timeout=_PULL_SECONDS)
        if pulled.returncode:
            return f"the image {image} cannot be pulled"
    return None


@contextmanager
def starting(settings: Settings) -> Iterator[None]:
    """Starts the service, and takes it down again unless the block, which waits for it, gets through.

    Refuses if one was started from here: Compose would recreate it, on another port or after a fault, without what
    it holds.
    """
    if _mark(settings).exists():
        raise OperatorError(
            f"LocalStack was started from here{_at(settings)} and does not answer at {settings.emulator_url}:"
            " set JOBPIPE_PORT to its port, or take it down with all it holds by `make stop`"
        )
    project = _project(settings)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    _mark(settings).write_text(str(settings.port))  # before there is anything, so that stop() misses nothing
    try:
        _start(project)
        yield
    except BaseException:
        _keep_log(settings, project.compose("logs", "--no-color", "--tail", "200", SERVICE))
        stop(settings)
        raise


def _start(project: Project) -> None:
    done = project.compose("up", "-d", SERVICE, timeout=_START_SECONDS)
    if done.returncode:
        raise OperatorError(f"LocalStack cannot be started: {last_line(done)}")


def stop(settings: Settings) -> bool:
    """Takes down what was started from here; False if nothing was."""
    if not _mark(settings).exists():
        return False
    _project(settings).take_down()
    _mark(settings).unlink()
    return True


def run_tests(settings: Settings) -> int:
    """Runs the `tests` service against a LocalStack of its own and takes both down; returns its exit status."""
    if not COMPOSE_FILE.exists():
        raise OperatorError("there is no docker-compose.yml")
    if not compose_command():
        raise OperatorError("Docker Compose is not installed")
    # A project of its own: a LocalStack that someone deployed into is not taken down with it. Any free port: the
    # suite reaches LocalStack inside, and an emulator may run outside.
    project = Project(_name(settings, "jobpipe-tests"), None)
    with file_lock(settings.state_dir / "test-compose.lock"):
        try:
            project.take_down()  # what a run that was killed has left
            # `run` waits for LocalStack's health check, shows the suite's output only, and has its exit status
            status = project.watch("build", "tests", timeout=_BUILD_SECONDS)
            status = status or project.watch("run", "--rm", "-T", "tests", timeout=_SUITE_SECONDS)
            if status:
                project.watch("logs", "--tail", "40", SERVICE, timeout=_START_SECONDS)
            return status
        finally:
            project.take_down()


def _project(settings: Settings) -> Project:
    return Project(_name(settings, "jobpipe"), settings.port)


def _name(settings: Settings, what: str) -> str:
    """One for each state directory, so that two checkouts on one engine do not take down each other's."""
    return f"{what}-{hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:8]}"


def _mark(settings: Settings) -> Path:
    return settings.state_dir / "compose-started"


def _at(settings: Settings) -> str:
    port = _mark(settings).read_text()
    return f" on port {port}" if port else ""


def _keep_log(settings: Settings, logs: Done) -> None:
    (settings.state_dir / "localstack.log").write_text(logs.stdout + logs.stderr)
