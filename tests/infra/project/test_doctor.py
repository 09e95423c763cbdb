"""`jobpipe doctor` names what is wrong with a checkout or a stage, and what to do about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from infra.stage.stage_file import Deployment, write_deployment
from tests.helpers import commands
from tests.helpers.commands import ROOT
from tests.helpers.deployed import Stage
from tests.helpers.ports import free_port

pytestmark = pytest.mark.slow


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Return the exit status and the findings by their subjects."""
    done = commands.run(
        *(sys.executable, "-m", "jobpipe_client.cli", "--json", "doctor", *arguments),
        env=commands.clean_environment(AWS_EC2_METADATA_DISABLED="true", HOME="/nonexistent", **environment),
    )
    assert done.stderr == ""
    found: dict[str, list[dict[str, str]]] = {}
    for each in json.loads(done.stdout)["findings"]:
        found.setdefault(each["subject"], []).append(each)
    for each in (each for several in found.values() for each in several):
        assert (each["state"] == "ok") == (each["remedy"] == ""), "who reads it knows what to do"
    return done.returncode, found


@pytest.fixture
def another_service() -> Iterator[int]:
    """Return the port of a server that is no emulator."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_a_new_checkout_has_nothing_wrong(tmp_path: Path) -> None:
    status, found = doctor(JOBPIPE_STATE_DIR=str(tmp_path), JOBPIPE_PORT=str(free_port()))
    assert status == 0
    assert found["python"][0]["text"].startswith(sys.version.split()[0])
    assert found["make"][0]["text"].startswith("GNU Make")
    assert found["tools"][0]["text"].endswith(str(ROOT / ".venv"))
    assert "emulator" in found["ministack"][0]["text"]
    assert [name for name, each in found.items() if len(each) > 1] == [], "each line has a name of its own"
    assert found["aws"][0]["text"] == "no credentials, and a local stage needs none"
    assert "port" in found["emulator"][0]["text"]
    assert found["emulator"][0]["remedy"] == "make demo starts one"
    assert "is not deployed" in found["stage"][0]["text"]


def test_a_port_of_another_service_is_wrong(tmp_path: Path, another_service: int) -> None:
    status, found = doctor(JOBPIPE_STATE_DIR=str(tmp_path), JOBPIPE_PORT=str(another_service))
    assert status == 1
    assert found["emulator"][0]["state"] == "wrong"
    assert "JOBPIPE_PORT" in found["emulator"][0]["remedy"]


def test_a_proxy_that_cannot_be_used_is_wrong(tmp_path: Path) -> None:
    for value, state in (("http://proxy.example:3128", "ok"), ("ftp://proxy.example", "wrong")):
        status, found = doctor(
            JOBPIPE_STATE_DIR=str(tmp_path), JOBPIPE_PORT=str(free_port()), HTTPS_PROXY=value, NO_PROXY=""
        )
        assert (found["proxy"][0]["state"], status) == (state, int(state == "wrong"))


def test_a_stage_on_aws_needs_credentials(tmp_path: Path) -> None:
    here = {"JOBPIPE_STATE_DIR": str(tmp_path)}
    status, found = doctor("--stage", "prod", **here)
    assert status == 1
    assert found["aws"][0]["text"] == "there are no credentials"
    assert "make deploy STAGE=prod" in found["stage"][0]["remedy"]
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert doctor("--stage", "prod", **here, **keys)[1]["aws"][0]["remedy"], "there is no region"
    assert doctor(JOBPIPE_PORT=str(free_port()), **here, **keys)[0] == 0, "the local stage needs none"


def test_a_stage_that_was_named_and_does_not_exist_is_wrong(tmp_path: Path) -> None:
    here = {"JOBPIPE_STATE_DIR": str(tmp_path), "JOBPIPE_PORT": str(free_port())}
    for arguments, named in (
        (("--stage", "local"), {}),
        (("--stage", "nosuch"), {}),
        ((), {"JOBPIPE_STAGE": "nosuch"}),
    ):
        status, found = doctor(*arguments, **here, **named)
        assert (status, found["stage"][0]["state"]) == (1, "wrong"), arguments
        assert "is not deployed" in found["stage"][0]["text"]
    assert found["stage"][0]["remedy"] == "make deploy STAGE=nosuch"
    elsewhere = {"JOBPIPE_URL": "http://127.0.0.1:9/v1", "JOBPIPE_API_KEY": "k" * 32}
    assert doctor(**here, **elsewhere, JOBPIPE_STAGE="nosuch")[1]["stage"][0]["state"] == "note"
    write_deployment(tmp_path, Deployment("dev", "aws", "https://a.example/v1", "k" * 32, "us-east-1", None, {}))
    (tmp_path / "damaged.json").write_text("{")
    _, found = doctor("--stage", "nosuch", **here)
    assert found["stage"][0]["remedy"] == "make deploy STAGE=nosuch, or name a deployed stage: dev"


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    for arguments, environment in (((), {"JOBPIPE_PORT": "x"}), (("--stage", "A B"), {})):
        done = commands.run(
            *(sys.executable, "-m", "scripts.doctor", *arguments),
            env=commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path), **environment),
        )
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1


def test_the_stage_its_key_and_its_emulator(stage: Stage, tmp_path: Path) -> None:
    deployed = stage.deployment
    here = {"JOBPIPE_STATE_DIR": str(tmp_path), "AWS_ENDPOINT_URL": deployed.endpoint_url or ""}
    write_deployment(tmp_path, deployed)
    status, found = doctor(**here)
    assert (status, found["stage"][0]["state"], found["emulator"][0]["state"]) == (0, "ok", "ok")
    write_deployment(tmp_path, replace(deployed, api_key="k" * 32))
    status, found = doctor(**here)
    assert (status, found["stage"][0]["state"]) == (1, "wrong")
    assert "make rotate-key" in found["stage"][0]["remedy"]
    nowhere = f"http://127.0.0.1:{free_port()}"
    write_deployment(tmp_path, replace(deployed, base_url=f"{nowhere}/v1"))
    assert doctor(**here)[1]["stage"][0]["state"] == "wrong", "its emulator answers, and it does not"
    write_deployment(tmp_path, replace(deployed, base_url=f"{nowhere}/v1", endpoint_url=nowhere))
    here = {"JOBPIPE_STATE_DIR": str(tmp_path), "JOBPIPE_PORT": str(free_port())}
    _is_named_as_a_fault(doctor(**here))
    elsewhere = {"JOBPIPE_URL": "http://127.0.0.1:9/v1", "JOBPIPE_API_KEY": "k" * 32}
    status, found = doctor(**here, **elsewhere)
    assert (status, found["stage"][0]["state"]) == (0, "note"), "commands go to another deployment"
    _is_named_as_a_fault(doctor("--stage", "local", **here, **elsewhere))


def test_a_stage_whose_emulator_is_gone_is_a_fault(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    write_deployment(tmp_path, Deployment("local", "emulator", f"{nowhere}/v1", "k" * 32, "us-east-1", nowhere, {}))
    _is_named_as_a_fault(doctor(JOBPIPE_STATE_DIR=str(tmp_path), JOBPIPE_PORT=str(free_port())))


def _is_named_as_a_fault(seen: tuple[int, dict[str, list[dict[str, str]]]]) -> None:
    status, found = seen
    assert (status, found["stage"][0]["state"]) == (1, "wrong")
    assert "is no longer running" in found["stage"][0]["text"]
    assert "make deploy-local" in found["stage"][0]["remedy"]
