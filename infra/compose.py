"""LocalStack through Docker Compose."""

import shutil
import subprocess
from pathlib import Path

from infra.errors import OperatorError
from infra.settings import ROOT, Settings, compose_environment

COMPOSE_FILE = ROOT / "docker-compose.yml"
SERVICE = "localstack"
_PULL_SECONDS = 900


def why_not(settings: Settings) -> str | None:
    """Why LocalStack cannot be started here; None if it can (the image is then present)."""
    if not COMPOSE_FILE.exists():
        return "there is no docker-compose.yml"
    if not shutil.which("docker") or _run(settings, "docker", "info").returncode:
        return "no Docker engine answers"
    if not _compose():
        return "Docker Compose is not installed"
    image = settings.localstack_image
    if _run(settings, "docker", "image", "inspect", image).returncode:
        print(f"pulling {image} ...", flush=True)
        try:
            if _run(settings, "docker", "pull", "--quiet", image, timeout=_PULL_SECONDS).returncode:
                return f"the image {image} cannot be pulled"
        except subprocess.TimeoutExpired:
            return f"pulling {image} took too long"
    return None


def start(settings: Settings) -> None:
    """Starts the service in the background, and remembers that it was us."""
    done = _run(settings, *_compose(), "-f", str(COMPOSE_FILE), "up", "-d", SERVICE)
    if done.returncode:
        raise OperatorError(f"LocalStack cannot be started: {_last_line(done)}")
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    _mark(settings).touch()


def stop(settings: Settings) -> bool:
    """Takes down what start() started; False if it started nothing."""
    if not _mark(settings).exists():
        return False
    done = _run(settings, *_compose(), "-f", str(COMPOSE_FILE), "down", "--volumes", "--remove-orphans")
    if done.returncode:
        raise OperatorError(f"LocalStack cannot be stopped: {_last_line(done)}")
    _mark(settings).unlink()
    return True


def run_tests(settings: Settings) -> int:
    """Runs the `tests` service against a LocalStack of its own and takes both down; returns its exit status."""
    if not COMPOSE_FILE.exists():
        raise OperatorError("there is no docker-compose.yml")
    if not _compose():
        raise OperatorError("Docker Compose is not installed")
    # a project of its own: a LocalStack that someone deployed into is not taken down with it
    project = [*_compose(), "-p", "jobpipe-tests", "-f", str(COMPOSE_FILE), "--profile", "tests"]
    # no port by name: the suite reaches LocalStack inside, and an emulator may run outside
    environment = compose_environment(settings) | {"JOBPIPE_PORT": ""}

    def compose(*arguments: str) -> int:
        return subprocess.run([*project, *arguments], env=environment, cwd=ROOT, check=False).returncode

    try:
        # `run` waits for LocalStack's health check, shows the suite's output only, and has its exit status
        status = compose("build", "tests") or compose("run", "--rm", "-T", "tests")
        if status:
            compose("logs", "--tail", "40", SERVICE)
        return status
    finally:
        compose("down", "--volumes", "--remove-orphans")


def _mark(settings: Settings) -> Path:
    return settings.state_dir / "compose-started"


def _compose() -> list[str]:
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


def _run(settings: Settings, *command: str, timeout: float | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        env=compose_environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return ((done.stderr or done.stdout).strip().splitlines() or ["no output"])[-1]
