"""The variables of a user's environment that boto3 and requests use: none for an emulator, some for AWS."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.cli import http_calls
from infra.emulator import Emulator, running_emulator
from infra.errors import OperatorError
from infra.settings import Settings, read_settings
from infra.stage.stage_file import Deployment, read_deployment, write_deployment
from infra.targets.target import EMBEDDED, LOCALSTACK, find_target, target_of
from scripts.stage.aws import open_stage
from tests.helpers import commands
from tests.infra.hostile_environment import (
    HOSTILE,
    SENTINEL,
    SERVICES,
    UNUSED_URL,
    set_all,
)

pytestmark = pytest.mark.slow


def test_the_page_names_all_variables() -> None:
    page = (commands.ROOT / "docs" / "environment.md").read_text()
    assert [name for name in HOSTILE if name.upper() not in page] == []


@dataclass
class Request:
    """A request as it was received."""

    path: str
    headers: dict[str, str] = field(repr=False)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[Request]]]:
    """Yield the URL of a server that answers as a healthy emulator without objects, and its requests."""
    received: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            received.append(Request(self.path, {name.lower(): value for name, value in self.headers.items()}))
            is_health = "health" in self.path
            body = b'{"services": {}, "edition": "light"}' if is_health else b"<ListBucketResult/>"
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if is_health else "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()
        thread.join()


def check_request(received: list[Request]) -> None:
    """Check that boto3 sent one request to the emulator: directly, in its region, with its credentials."""
    (request,) = received
    assert request.path.startswith("/bucket?")
    assert "Credential=test/" in request.headers["authorization"]
    assert "/us-east-1/s3/" in request.headers["authorization"]
    assert "x-amz-security-token" not in request.headers
    assert SENTINEL not in str(request.headers)


@pytest.mark.parametrize("name", [*HOSTILE, "all of them", "the files alone"])
def test_clients_of_an_emulator_read_nothing_from_the_environment(
    name: str, listener: tuple[str, list[Request]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile = {"all of them": HOSTILE, "the files alone": {}}.get(name, {name: HOSTILE.get(name, "")})
    set_all(monkeypatch, tmp_path, hostile)
    url, received = listener
    target = target_of(Deployment("local", LOCALSTACK, url, "key", "us-east-1", url, {}))
    for service in SERVICES if name == "all of them" else ("s3", "sqs"):
        client = target.client(service)
        assert client.meta.endpoint_url == url
        assert client.meta.region_name == "us-east-1"
        assert not client.meta.config.proxies

    target.client("s3").list_objects_v2(Bucket="bucket")

    check_request(received)


def test_the_operators_commands_read_nothing_from_the_environment_either(
    listener: tuple[str, list[Request]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, HOSTILE)
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    url, received = listener
    write_deployment(tmp_path, Deployment("local", EMBEDDED, url, "key", "us-east-1", url, {}))

    open_stage("local").clients.s3.list_objects_v2(Bucket="bucket")

    check_request(received)


def test_an_emulator_is_found_and_requested_directly(
    listener: tuple[str, list[Request]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, HOSTILE)
    url, received = listener
    settings = Settings("local", 4566, url, tmp_path)

    found = find_target(EMBEDDED, "local", settings, start=False)

    assert found is not None
    assert http_calls.get(f"{url}/health", timeout=5).ok
    assert [set(each.headers) & {"authorization", "proxy-authorization"} for each in received] == [set(), set()]


def test_an_emulator_starts_at_once_in_a_hostile_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Emulator(tmp_path, 1).status()  # its environment is made before the time is measured
    with running_emulator(tmp_path / "first"):
        pass
    set_all(monkeypatch, tmp_path, HOSTILE)
    start = time.monotonic()
    with running_emulator(tmp_path / "state") as emulator:
        assert time.monotonic() - start < 20
        environment = Path(f"/proc/{emulator.status().pid}/environ").read_text()  # type: ignore[union-attr]
    inherited = {each.partition("=")[0] for each in environment.split("\0")}
    assert not inherited & (set(HOSTILE) | {"NETRC"})
    assert SENTINEL not in environment


@pytest.mark.parametrize(
    "url",
    [SENTINEL, f"http://somebody:{SENTINEL}@127.0.0.1:4566", f"http://127.0.0.1:{SENTINEL}", f"ftp://{SENTINEL}"],
)
def test_an_unusable_endpoint_is_refused_without_quoting_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(OperatorError, match="AWS_ENDPOINT_URL cannot be used") as caught:
        find_target("auto", "local", read_settings(), start=False)
    assert SENTINEL not in str(caught.value)


def test_blanks_around_a_variable_are_not_part_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    values = {
        "AWS_ENDPOINT_URL": UNUSED_URL,
        "JOBPIPE_STAGE": "prod",
        "JOBPIPE_PORT": "4700",
        "LOCALSTACK_IMAGE": "x:1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, f" {value}\r\n")
    assert read_settings() == Settings("prod", 4700, UNUSED_URL, tmp_path, "x:1")


@pytest.mark.parametrize("name", ["base_url", "endpoint_url", "api_key", "region", "resources"])
@pytest.mark.parametrize("value", [f" {SENTINEL}", f"{SENTINEL}\n", 7, [SENTINEL], {"a": 7}])
def test_a_stage_file_with_an_unusable_value_is_damaged(name: str, value: Any, tmp_path: Path) -> None:
    if name == "region" and isinstance(value, str):
        value = 7
    url = "http://127.0.0.1:4566"
    values: dict[str, Any] = {"stage": "local", "target": EMBEDDED, "base_url": url, "api_key": "key"}
    values |= {"region": "us-east-1", "endpoint_url": url, "resources": {}, name: value}
    write_deployment(tmp_path, Deployment(**values))
    with pytest.raises(OperatorError, match="damaged") as caught:
        read_deployment(tmp_path, "local")
    assert SENTINEL not in str(caught.value)


def test_a_stage_is_deployed_used_and_destroyed_in_a_hostile_environment(tmp_path: Path) -> None:
    """All commands run as make runs them. Only the proxies stay, which pip may need."""
    for_pip = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"}
    for_pip |= {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
    hostile = {name: value for name, value in HOSTILE.items() if name not in for_pip}
    with running_emulator(tmp_path / "state") as emulator:
        environment = commands.clean_environment(**hostile)
        environment |= {"JOBPIPE_STATE_DIR": str(tmp_path / "state"), "JOBPIPE_PORT": str(emulator.port)}

        def succeed(*command: str) -> str:
            done = commands.run(sys.executable, "-m", *command, env=environment)
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        succeed("infra.deploy", "up", "--stage", "local", "--target", "embedded")
        item = ("name=Tent", "description=For two")
        assert "Tent" in succeed("jobpipe_client.cli", "--stage", "local", "items", "create", *item)
        assert "succeeded" in succeed("jobpipe_client.cli", "--stage", "local", "stats")
        for command in (("audit", "--older-than", "0"), ("redrive", "--all"), ("parked",)):
            succeed("jobpipe_client.cli", "--stage", "local", *command)
        assert "worker" in succeed("infra.logs", "--stage", "local", "--all")
        succeed("scripts.load", "--stage", "local", "--rate", "5", "--seconds", "1")
        succeed("infra.deploy", "destroy", "--stage", "local", "--target", "embedded")
