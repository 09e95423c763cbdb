"""The settings of docker-compose.yml, and the removal of everything in Docker however a command ends.

No engine is needed: `docker` and `docker-compose` on the PATH are a script that records its calls.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings import LOCALSTACK_IMAGE, ROOT
from tests.helpers.commands import Done

pytestmark = pytest.mark.slow

SOCKET = "/var/run/docker.sock"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


@pytest.mark.parametrize("service", ["localstack", "tests"])
def test_a_container_gains_no_rights_and_has_limits(compose: dict[str, Any], service: str) -> None:
    settings = compose["services"][service]

    assert "no-new-privileges:true" in settings["security_opt"]
    assert "privileged" not in settings
    assert re.fullmatch(r"\d+g", settings["mem_limit"])
    assert 0 < settings["pids_limit"] <= 4096
    assert set(settings["logging"]["options"]) == {"max-size", "max-file"}


def test_ports_are_on_loopback_only(compose: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}

    assert published == {"localstack": ["127.0.0.1:${JOBPIPE_PORT-4566}:4566"], "tests": []}
    assert not any("network_mode" in service for service in compose["services"].values())


def test_the_suite_has_neither_rights_nor_access_to_the_engine(compose: dict[str, Any]) -> None:
    tests = compose["services"]["tests"]

    assert tests["cap_drop"] == ["ALL"]
    assert "volumes" not in tests
    assert tests["depends_on"] == {"localstack": {"condition": "service_healthy"}}
    lines = (ROOT / "tests" / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER")]
    assert users == ["USER jobpipe"]
    assert lines.index("USER jobpipe") < min(n for n, line in enumerate(lines) if "pip install" in line)


def test_localstack_and_its_functions_are_found_by_the_project(compose: dict[str, Any]) -> None:
    localstack, project = compose["services"]["localstack"], "${COMPOSE_PROJECT_NAME:-jobpipe}"

    assert any(SOCKET in volume for volume in localstack["volumes"])
    environment = localstack["environment"]
    assert environment["LAMBDA_DOCKER_FLAGS"] == f"--label jobpipe={project}"
    assert environment["LAMBDA_DOCKER_NETWORK"] == compose["networks"]["default"]["name"] == project
    assert environment["LAMBDA_REMOVE_CONTAINERS"] == "1"
    assert compose["services"]["tests"]["build"]["args"] == {"PROJECT": project}


def test_another_image_and_an_account_are_taken_from_the_environment(compose: dict[str, Any]) -> None:
    localstack = compose["services"]["localstack"]

    assert localstack["image"] == f"${{LOCALSTACK_IMAGE:-{LOCALSTACK_IMAGE}}}"
    assert localstack["environment"]["LOCALSTACK_AUTH_TOKEN"] == "${LOCALSTACK_AUTH_TOKEN:-}"


def test_health_is_checked_for_at_least_two_minutes(compose: dict[str, Any]) -> None:
    check = compose["services"]["localstack"]["healthcheck"]

    assert "_localstack/health" in check["test"][-1]
    assert check["retries"] * int(check["interval"].removesuffix("s")) >= 120


# It answers as a working engine does, except for the calls that the test names. It handles signals from its start:
# one that meets a shell just before it becomes another program can be lost.
SCRIPT = """#!/bin/sh
trap 'kill $! 2>/dev/null; exit 130' HUP INT TERM
echo "$*" >>{calls}
{before}
case "$*" in
  "compose version") exit 1 ;;  # an engine without the plugin: docker-compose is used
  *"{hangs}"*) {hang} ;;
  *"{fails}"*) echo "it is broken" >&2; exit 3 ;;
  "ps --all"*) echo function-1; echo function-2 ;;
esac
"""


@dataclass
class Engine:
    """The programs on the PATH, and their calls."""

    folder: Path
    port: int

    def script(
        self,
        *,
        hangs: str = "no-such-call",
        hang: str = "sleep 300 & wait",
        fails: str = "no-such-call",
        before: str = ":",
    ) -> None:
        calls = self.folder / "calls"
        hang = hang.format(calls=calls)
        text = SCRIPT.format(calls=calls, hangs=hangs, hang=hang, fails=fails, before=before)
        for name in ("docker", "docker-compose"):
            path = self.folder / name
            path.write_text(text)
            path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JOBPIPE_"))}
        own = {"PATH": f"{self.folder}:/usr/bin:/bin", "JOBPIPE_STATE_DIR": str(self.folder / "state")}
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env={**inherited, **own, "JOBPIPE_PORT": str(self.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A background process of a shell ignores Ctrl-C, and so do its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )

    def run(self, *arguments: str) -> Done:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=60)
        return Done(arguments, process.returncode, output, errors)

    def wait_for(self, call: str) -> None:
        until = time.monotonic() + 30
        while not any(call in each for each in self.calls):
            assert time.monotonic() < until, self.calls
            time.sleep(0.02)

    def after(self, call: str) -> list[str]:
        """Return the calls after the last one with this text, without their common arguments."""
        last = max(n for n, each in enumerate(self.calls) if call in each)
        return [_short(each) for each in self.calls[last + 1 :] if each != "compose version"]


def _short(call: str) -> str:
    return re.sub(r"^-p \S+ -f \S+ --profile tests ", "", re.sub(r"jobpipe=\S+", "jobpipe=…", call))


DOWN = [
    "stop",
    "ps --all --quiet --filter label=jobpipe=…",
    "rm --force --volumes function-1 function-2",
    "down --volumes --remove-orphans",
    "image prune --force --filter label=jobpipe=…",
]


@pytest.fixture
def engine(tmp_path: Path, unused_port: int) -> Engine:
    made = Engine(tmp_path, unused_port)
    made.script()
    return made


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def test_the_suite_is_built_run_and_taken_down(engine: Engine) -> None:
    done = engine.run("infra.local", "test-compose")

    assert done.returncode == 0, done.stderr
    calls = [_short(each) for each in engine.calls if each != "compose version"]
    assert calls == [*DOWN, "build tests", "run --rm -T tests", *DOWN]
    projects = {each.split()[1] for each in engine.calls if each.startswith("-p ")}
    assert len(projects) == 1
    assert re.fullmatch(r"jobpipe-tests-[0-9a-f]{8}", projects.pop())


@pytest.mark.parametrize("moment", ["build tests", "run --rm -T tests"])
def test_a_suite_that_fails_is_taken_down_and_its_status_is_returned(engine: Engine, moment: str) -> None:
    engine.script(fails=moment)

    done = engine.run("infra.local", "test-compose")

    assert done.returncode == 3
    assert engine.after("logs --tail 40 localstack") == DOWN


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
@pytest.mark.parametrize("moment", ["build tests", "run --rm -T tests"])
def test_a_signal_takes_everything_down(engine: Engine, moment: str, number: signal.Signals, status: int) -> None:
    engine.script(hangs=moment)
    process = engine.start("infra.local", "test-compose")
    engine.wait_for(moment)

    os.killpg(process.pid, number)  # as a terminal does

    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.splitlines()) == (status, ["interrupted"])
    assert engine.after(moment) == DOWN


def test_a_child_of_a_command_that_ignores_sigterm_is_ended(engine: Engine) -> None:
    engine.script(hangs="build tests", hang="(trap '' TERM; echo child ignores >>{calls}; sleep 300) & wait")
    process = engine.start("infra.local", "test-compose")
    engine.wait_for("child ignores")

    os.killpg(process.pid, signal.SIGTERM)

    process.communicate(timeout=60)  # until every process has closed the output
    assert process.returncode == 143
    assert engine.after("child ignores") == DOWN


def test_a_second_ctrl_c_does_not_stop_the_removal(engine: Engine) -> None:
    engine.script(hangs="run --rm -T tests")
    process = engine.start("infra.local", "test-compose")
    engine.wait_for("run --rm -T tests")
    engine.script(before=f"kill -INT {process.pid}; sleep 0.2")  # during every call from now on

    os.killpg(process.pid, signal.SIGINT)

    process.communicate(timeout=60)
    assert process.returncode == 130
    assert engine.after("run --rm -T tests") == DOWN


def test_localstack_that_was_interrupted_while_it_started_is_taken_down(engine: Engine) -> None:
    engine.script(hangs="up -d localstack")
    process = engine.start("infra.deploy", "up", "--stage", "local", "--target", "localstack")
    engine.wait_for("up -d localstack")

    os.killpg(process.pid, signal.SIGTERM)

    process.communicate(timeout=60)
    assert process.returncode == 143
    assert engine.after("logs --no-color") == DOWN
    assert not (engine.folder / "state" / "compose-started").exists()


def test_localstack_that_cannot_start_is_one_line_and_taken_down(engine: Engine) -> None:
    engine.script(fails="up -d localstack")

    done = engine.run("infra.local", "localstack")

    assert done.returncode == 1
    assert done.stderr == "localstack: LocalStack cannot be started: it is broken\n"
    assert engine.after("logs --no-color") == DOWN


def test_localstack_that_this_checkout_started_is_not_recreated_without_its_data(engine: Engine) -> None:
    (engine.folder / "state").mkdir()
    (engine.folder / "state" / "compose-started").write_text("4566")

    done = engine.run("infra.deploy", "up", "--stage", "local", "--target", "localstack")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert re.search(r"on port 4566 and does not respond at .* JOBPIPE_PORT .* `make stop`", done.stderr)
    assert not any("up -d" in call or "down" in call for call in engine.calls)
    assert engine.run("infra.local", "stop").returncode == 0
    assert not (engine.folder / "state" / "compose-started").exists()


def test_stop_takes_down_only_services_that_this_checkout_started(engine: Engine) -> None:
    assert engine.run("infra.local", "stop").returncode == 0
    assert engine.calls == []

    (engine.folder / "state").mkdir(exist_ok=True)
    (engine.folder / "state" / "compose-started").touch()
    engine.script(fails="down --volumes")
    failed = engine.run("infra.local", "stop")
    assert failed.returncode == 1
    assert "cannot be taken down: it is broken" in failed.stderr
    engine.script()
    done = engine.run("infra.local", "stop")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "LocalStack stopped")
    assert engine.run("infra.local", "stop").stdout.splitlines() == ["embedded emulator was not running"]
