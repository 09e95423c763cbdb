"""The choice of a target, with real servers."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import boto3
import pytest

from infra.errors import OperatorError
from infra.settings import Settings
from infra.targets.emulator_identity import identify
from infra.targets.target import AUTO, AWS, EMBEDDED, LOCALSTACK, Target, find_target


@pytest.fixture
def unused(tmp_path: Path) -> Settings:
    """Settings of a port where nothing listens."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    return Settings(stage="local", port=port, endpoint_url=None, state_dir=tmp_path)


class InvalidJson(BaseHTTPRequestHandler):
    """A server whose JSON is invalid."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_: object) -> None:
        """Write no log."""


@pytest.fixture(params=[BaseHTTPRequestHandler, InvalidJson])
def other_server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """Settings of a port where a web server listens that is no emulator."""
    with HTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Settings(stage="local", port=server.server_port, endpoint_url=None, state_dir=tmp_path)
        server.shutdown()
        thread.join()


def test_there_is_no_emulator_if_nothing_answers(unused: Settings) -> None:
    assert identify(unused.emulator_url) is None
    assert find_target(AUTO, "local", unused, start=False) is None


@pytest.mark.parametrize("wanted", [AUTO, EMBEDDED, LOCALSTACK])
def test_a_port_of_another_service_is_one_clear_line(other_server: Settings, wanted: str) -> None:
    with pytest.raises(OperatorError, match="JOBPIPE_PORT"):
        find_target(wanted, "local", other_server)


def test_no_emulator_is_started_for_a_given_endpoint(tmp_path: Path, unused: Settings) -> None:
    settings = Settings(stage="local", port=4566, endpoint_url=unused.emulator_url, state_dir=tmp_path)

    with pytest.raises(OperatorError, match="nothing answers"):
        find_target(AUTO, "local", settings)


@pytest.mark.parametrize("wanted", [EMBEDDED, LOCALSTACK])
def test_emulators_have_only_the_local_stage(unused: Settings, wanted: str) -> None:
    with pytest.raises(OperatorError, match="local"):
        find_target(wanted, "prod", unused)


def test_aws_does_not_have_the_local_stage(unused: Settings) -> None:
    with pytest.raises(OperatorError, match="local"):
        find_target(AWS, "local", unused)


@pytest.mark.parametrize(
    ("endpoint", "base_url"),
    [
        (None, "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/v1"),
        ("http://127.0.0.1:4566", "http://127.0.0.1:4566/_aws/execute-api/abc123/v1"),
    ],
)
def test_base_urls(endpoint: str | None, base_url: str) -> None:
    target = Target(AWS if endpoint is None else EMBEDDED, "eu-west-1", endpoint, "", boto3.Session())

    outputs = {"RestAPIId": "abc123", "EndpointURL": "https://abc123.execute-api.cn-north-1.amazonaws.com.cn/v1/"}
    assert target.base_url(outputs) == base_url


@pytest.mark.parametrize(("edition", "name"), [("light", EMBEDDED), ("community", LOCALSTACK), ("pro", LOCALSTACK)])
def test_emulators_are_distinguished_by_their_health_document(edition: str, name: str) -> None:
    paths = []

    class Emulator(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            body = json.dumps({"services": {}, "edition": edition, "version": "1"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Emulator) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert identify(f"http://127.0.0.1:{server.server_port}") == name
        server.shutdown()
        thread.join()
    assert paths == ["/_localstack/health"], "another path is a bucket to LocalStack, which then loads S3"


@pytest.mark.parametrize("wrong", [{"RestApiId": "mine"}, {"RequireTls": "false"}])
def test_values_for_emulators_are_refused_on_aws(wrong: dict[str, str]) -> None:
    aws = Target(AWS, "eu-west-1", None, "", boto3.Session())
    emulator = Target(EMBEDDED, "us-east-1", "http://127.0.0.1:4566", "", boto3.Session())

    with pytest.raises(OperatorError, match=next(iter(wrong))):
        aws.check_parameters(wrong)
    aws.check_parameters({"WorkerTimeout": "10", "RequireTls": "true", "RestApiId": ""})
    emulator.check_parameters(wrong)


@pytest.mark.parametrize(
    ("region", "given", "arn"),
    [
        ("eu-west-1", "shop", "arn:aws:events:eu-west-1:123456789012:event-bus/shop"),
        ("cn-north-1", "default", "arn:aws-cn:events:cn-north-1:123456789012:event-bus/default"),
        ("eu-west-1", "arn:aws:events:us-east-1:1:event-bus/x", "arn:aws:events:us-east-1:1:event-bus/x"),
        ("eu-west-1", "", ""),
    ],
)
def test_the_name_of_an_event_bus_becomes_its_arn(
    monkeypatch: pytest.MonkeyPatch, region: str, given: str, arn: str
) -> None:
    monkeypatch.setattr(Target, "account", lambda _: "123456789012")
    target = Target(AWS, region, None, "", boto3.Session(region_name=region))
    assert target.with_arns({"Events": "on", "EventBus": given}) == {"Events": "on", "EventBus": arn}
    assert target.with_arns({"Events": "on"}) == {"Events": "on"}


def test_the_names_of_state_machines_become_their_arns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "account", lambda _: "123456789012")
    target = Target(AWS, "cn-north-1", None, "", boto3.Session(region_name="cn-north-1"))
    arn = "arn:aws-cn:states:cn-north-1:123456789012:stateMachine"
    given = {"TaskTokens": f"fulfil,{arn}:other"}
    assert target.with_arns(given) == {"TaskTokens": f"{arn}:fulfil,{arn}:other"}
    assert target.with_arns({"TaskTokens": ""}) == {"TaskTokens": ""}
    assert target.with_arns({"TaskTokens": "a,"}) == {"TaskTokens": f"{arn}:a,"}, "which the template refuses"
