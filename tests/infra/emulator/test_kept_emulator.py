"""An embedded emulator with KEEP=yes keeps its stage from one start to the next."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import Emulator
from infra.errors import OperatorError
from infra.settings import LOCAL_STAGE
from infra.stage.stage_file import read_deployment
from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.helpers.ports import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path / "state", free_port())
    yield emulator
    emulator.stop()


def run(emulator: Emulator, *arguments: str, **more: str) -> commands.Done:
    given = {"JOBPIPE_STATE_DIR": str(emulator.state_dir), "JOBPIPE_PORT": str(emulator.port), **more}
    return commands.run(sys.executable, "-m", *arguments, env=commands.clean_environment(**given))


def deployed(emulator: Emulator, *more: str) -> Stage:
    done = run(emulator, "infra.deploy", "up", "--target", "embedded", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return Stage(read_deployment(emulator.state_dir, LOCAL_STAGE))


def ended(stage: Stage, body: dict[str, Any]) -> dict[str, Any]:
    """Return the job that creates an item, when it has ended."""
    job_id = stage.request("POST", "/items", body).json()["id"]
    job: dict[str, Any] = stage.request("GET", f"/jobs/{job_id}?wait=20").json()
    assert job["done"], job
    return job


def refusal(done: commands.Done) -> str:
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def test_a_stage_is_kept_with_its_items_jobs_and_key(emulator: Emulator) -> None:
    stage = deployed(emulator, "--keep")
    body = {"name": "kept", "description": "d", "text": "x" * 5000}  # its document is in S3
    job = ended(stage, body)
    assert job["status"] == "succeeded"
    stopped = run(emulator, "infra.local", "stop")
    assert stopped.stdout.startswith("embedded emulator stopped; its data is kept in ")
    assert "is not running" in refusal(run(emulator, "infra.deploy", "destroy", "--target", "embedded"))

    again = deployed(emulator, "--keep")
    assert again.deployment == stage.deployment
    assert again.request("GET", f"/items/{job['item_id']}").json()["text"] == body["text"]
    assert again.request("GET", f"/jobs/{job['id']}").json()["result"] == job["result"]
    assert ended(again, body)["error"]["type"].endswith("name-taken"), "and it takes commands"
    emulator.stop()

    anew = deployed(emulator)
    assert anew.request("GET", "/items").json() == [], "without KEEP=yes it begins anew"
    message = refusal(run(emulator, "infra.deploy", "up", "--target", "embedded", "--keep"))
    assert "does not keep its data: stop it first" in message
    emulator.stop()
    assert deployed(emulator, "--keep").request("GET", f"/items/{job['item_id']}").status_code == 200


def test_what_is_kept_belongs_to_its_port(emulator: Emulator) -> None:
    """It has URLs of queues, which have the port."""
    assert emulator.start(keep=True)
    assert emulator.start(keep=True) is False
    assert emulator.start() is False, "a command that does not ask for it may use it"
    emulator.stop()
    with pytest.raises(OperatorError, match=f"belongs to port {emulator.port}: set JOBPIPE_PORT={emulator.port}"):
        Emulator(emulator.state_dir, free_port()).start(keep=True)


def test_localstack_keeps_nothing(emulator: Emulator) -> None:
    done = run(emulator, "infra.deploy", "up", "--target", "localstack", "--keep")
    assert "LocalStack keeps no data" in refusal(done)


def test_a_kept_emulator_that_was_killed_can_be_started_again(emulator: Emulator) -> None:
    emulator.start(keep=True)
    running = emulator.status()
    assert running is not None
    assert running.keeps
    os.kill(running.pid, 9)
    assert emulator.start(keep=True)
