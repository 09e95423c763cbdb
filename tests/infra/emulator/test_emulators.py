"""The emulator at an endpoint is recognized by its answers; the servers here give recorded answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.settings import Settings
from infra.targets.emulator_identity import UnusableEndpointError, identify
from infra.targets.target import AUTO, EMBEDDED, LOCALSTACK, find_target

XML = {"Content-Type": "application/xml"}
JSON = {"Content-Type": "application/json"}
NO_BUCKET = "<?xml version='1.0'?>\n<Error><Code>NoSuchBucket</Code><BucketName>_localstack</BucketName></Error>"


@dataclass(frozen=True)
class Answers:
    """A server with its default answer, and its answers to particular paths."""

    status: int
    headers: dict[str, str]
    body: str
    server: str = ""
    others: dict[str, tuple[dict[str, str], str]] = field(default_factory=dict)


LOCALEMU = Answers(
    404,
    XML | {"x-localemu": "true"},
    NO_BUCKET,
    server="TwistedWeb/26.10.0",
    others={"/_localemu/info": (JSON, '{"version": "1.3.2", "uptime": 25}')},
)
MOTO = Answers(
    404,
    XML,
    NO_BUCKET,
    server="Werkzeug/3.1.9 Python/3.11.7",
    others={"/moto-api/": ({"Content-Type": "text/html"}, "\n<!DOCTYPE html>\n<title>Moto</title>")},
)
FAUXQS = Answers(404, XML | {"x-amz-id-2": "fauxqs"}, NO_BUCKET)
DYNALITE = Answers(200, {}, "healthy: dynamodb.us-east-1.amazonaws.com ")
DYNAMODB_LOCAL = Answers(
    400,
    {"Content-Type": "application/x-amz-json-1.0"},
    '{"__type":"com.amazonaws.dynamodb.v20120810#MissingAuthenticationToken","message":"Request must contain"}',
    server="Jetty(8.1.12.v20130726)",
)
FLASK = Answers(404, {"Content-Type": "text/html"}, "<title>404 Not Found</title>", server="Werkzeug/3.1.9")
MINISTACK = Answers(200, JSON, '{"services": {"sqs": "available"}, "edition": "light", "version": "1.5.33"}')
LOCALSTACK_4 = Answers(200, JSON, '{"services": {"sqs": "available"}, "edition": "community", "version": "4.14.0"}')


@contextmanager
def answering(answers: Answers) -> Iterator[Settings]:
    """Yield settings with the port of a server that gives these answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers, body = answers.others.get(self.path, (answers.headers, answers.body))
            self.send_response_only(200 if self.path in answers.others else answers.status)
            if answers.server:
                self.send_header("Server", answers.server)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Write no log."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.005,))
        thread.start()
        try:
            yield Settings(stage="local", port=server.server_port, endpoint_url=None, state_dir=Path("unused"))
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answers", "name", "reason"),
    [
        (LOCALEMU, "LocalEmu 1.3.2 runs", "sqs-fifo"),
        (MOTO, "moto runs", "outputs"),
        (FAUXQS, "fauxqs runs", "no CloudFormation"),
        (DYNALITE, "dynalite runs", "needs other services"),
        (DYNAMODB_LOCAL, "DynamoDB Local or dynalite runs", "needs other services"),
        (FLASK, "not an emulator that jobpipe knows", "returns 404 (Server: 'Werkzeug/3.1.9')"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_unusable_emulator_is_named_with_the_reason_and_a_remedy(
    answers: Answers, name: str, reason: str
) -> None:
    with answering(answers) as by_port:
        url = by_port.emulator_url
        with pytest.raises(OperatorError, match="JOBPIPE_PORT") as at_a_port:
            find_target(AUTO, "local", by_port)
        by_endpoint = Settings(stage="local", port=4566, endpoint_url=url, state_dir=Path("unused"))
        with pytest.raises(OperatorError, match="AWS_ENDPOINT_URL names it") as at_an_endpoint:
            find_target(AUTO, "local", by_endpoint)
    assert "JOBPIPE_PORT" not in str(at_an_endpoint.value)
    for error in (at_a_port, at_an_endpoint):
        text = str(error.value)
        assert name in text
        assert reason in text
        assert url in text
        assert "\n" not in text


@pytest.mark.parametrize(("answers", "found"), [(MINISTACK, EMBEDDED), (LOCALSTACK_4, LOCALSTACK)])
def test_usable_emulators_are_distinguished(answers: Answers, found: str) -> None:
    with answering(answers) as settings:
        assert identify(settings.emulator_url) == found


def test_another_emulator_than_wanted_is_reported_with_the_variable_that_names_it() -> None:
    with answering(LOCALSTACK_4) as settings:
        endpoint = Settings(stage="local", port=4566, endpoint_url=settings.emulator_url, state_dir=Path("unused"))
        with pytest.raises(OperatorError, match="JOBPIPE_PORT"):
            find_target(EMBEDDED, "local", settings)
        with pytest.raises(OperatorError, match="AWS_ENDPOINT_URL"):
            find_target(EMBEDDED, "local", endpoint)


def test_control_characters_in_a_name_are_escaped_and_the_name_is_cut() -> None:
    hostile = Answers(200, {}, "", server="\x1b]0;evil\x07" + "x" * 500)
    with answering(hostile) as settings, pytest.raises(UnusableEndpointError) as error:
        identify(settings.emulator_url)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 250


def test_an_emulator_on_this_machine_is_requested_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with answering(MINISTACK) as settings:
        assert identify(settings.emulator_url) == EMBEDDED
