"""The variables of a user's environment that boto3 and requests use: none for an emulator, some for AWS."""

from __future__ import annotations

import inspect
import string
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, DEFAULT_S3_CONFIG_VARS
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from infra.cli import http_calls
from infra.cli.aws_errors import describe
from infra.cli.command_line import run
from infra.emulator import Emulator, running_emulator
from infra.errors import OperatorError
from infra.settings import Settings, read_settings
from infra.stage.stage_file import Deployment, read_deployment, write_deployment
from infra.targets.boto_sessions import aws_session, check_credentials, make_client
from infra.targets.target import EMBEDDED, LOCALSTACK, find_target, target_of
from scripts.stage.aws import open_stage
from tests.helpers import commands

SENTINEL = "sentinel0123456789"
NOBODY = "http://127.0.0.1:9"  # nothing listens there
SERVICES = ("apigateway", "cloudformation", "cloudwatch", "dynamodb", "lambda", "logs", "s3", "sqs", "sts")


def variables_of_botocore() -> list[str]:
    """The variables of its settings, from its own tables."""
    found: list[str] = []
    for _, names, _, _ in [*BOTOCORE_DEFAUT_SESSION_VARIABLES.values(), *DEFAULT_S3_CONFIG_VARS.values()]:
        found += [names] if isinstance(names, str) else names or []
    return found


HOSTILE = {
    **dict.fromkeys(variables_of_botocore(), SENTINEL),
    "AWS_PROFILE": "nobody",
    "AWS_DEFAULT_PROFILE": "nobody",
    "AWS_CA_BUNDLE": "/nowhere.pem",
    **dict.fromkeys(("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"), NOBODY),
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), SENTINEL),
    "AWS_REGION": "mars-north-1",
    "AWS_ROLE_ARN": SENTINEL,
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": NOBODY,
    "AWS_CREDENTIAL_EXPIRATION": SENTINEL,
    "BOTO_CONFIG": "/nowhere",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), NOBODY),
    "NO_PROXY": "",
    "no_proxy": "",
    "REQUESTS_CA_BUNDLE": "/nowhere.pem",
    "CURL_CA_BUNDLE": "/nowhere.pem",
    "SSL_CERT_FILE": "/nowhere.pem",
    "AWS_EC2_METADATA_DISABLED": SENTINEL,
}
CONFIGURATION = f"""
[default]
region = mars-north-1
endpoint_url = {NOBODY}
use_dualstack_endpoint = true
use_fips_endpoint = true
retry_mode = adaptive
max_attempts = 1
ca_bundle = /nowhere.pem
tcp_keepalive = true
services = elsewhere
s3 =
  addressing_style = virtual
  use_accelerate_endpoint = true
  use_dualstack_endpoint = true

[services elsewhere]
s3 =
  endpoint_url = {NOBODY}
sqs =
  endpoint_url = {NOBODY}
"""


def test_the_page_names_them_all() -> None:
    page = (commands.ROOT / "docs" / "environment.md").read_text()
    assert [name for name in HOSTILE if name.upper() not in page] == []


def set_all(monkeypatch: pytest.MonkeyPatch, folder: Path, hostile: dict[str, str]) -> None:
    """A home with files of AWS and a .netrc, and these variables."""
    for name in HOSTILE:
        monkeypatch.delenv(name, raising=False)
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text(CONFIGURATION)
    (folder / ".aws" / "credentials").write_text(f"[default]\naws_access_key_id = {SENTINEL}\n")
    (folder / ".netrc").write_text(f"default login somebody password {SENTINEL}\n")
    (folder / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(folder))
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)


@dataclass
class Asked:
    """A request as it was received."""

    path: str
    headers: dict[str, str] = field(repr=False)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[Asked]]]:
    """A server that answers like an emulator's health and an S3 without objects, and the requests that it got."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(Asked(self.path, {name.lower(): value for name, value in self.headers.items()}))
            is_health = "health" in self.path
            body = b'{"services": {}, "edition": "light"}' if is_health else b"<ListBucketResult/>"
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if is_health else "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def check_request(asked: list[Asked]) -> None:
    """boto3 sends one request to an emulator: directly, in its region, with its credentials."""
    (request,) = asked
    assert request.path.startswith("/bucket?")
    assert "Credential=test/" in request.headers["authorization"]
    assert "/us-east-1/s3/" in request.headers["authorization"]
    assert "x-amz-security-token" not in request.headers
    assert SENTINEL not in str(request.headers)


@pytest.mark.parametrize("name", [*HOSTILE, "all of them", "the files alone"])
def test_an_emulator_s_clients_take_nothing_from_the_environment(
    name: str, listener: tuple[str, list[Asked]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile = {"all of them": HOSTILE, "the files alone": {}}.get(name, {name: HOSTILE.get(name, "")})
    set_all(monkeypatch, tmp_path, hostile)
    url, asked = listener
    target = target_of(Deployment("local", LOCALSTACK, url, "key", "us-east-1", url, {}))
    for service in SERVICES if name == "all of them" else ("s3", "sqs"):
        client = target.client(service)
        assert client.meta.endpoint_url == url
        assert client.meta.region_name == "us-east-1"
        assert not client.meta.config.proxies

    target.client("s3").list_objects_v2(Bucket="bucket")

    check_request(asked)


def test_the_operators_commands_take_nothing_either(
    listener: tuple[str, list[Asked]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, HOSTILE)
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    url, asked = listener
    write_deployment(tmp_path, Deployment("local", EMBEDDED, url, "key", "us-east-1", url, {}))

    open_stage("local").clients.s3.list_objects_v2(Bucket="bucket")

    check_request(asked)


def test_an_emulator_is_found_and_requested_directly(
    listener: tuple[str, list[Asked]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, HOSTILE)
    url, asked = listener
    settings = Settings("local", 4566, url, tmp_path)

    found = find_target(EMBEDDED, "local", settings, start=False)

    assert found is not None
    assert http_calls.get(f"{url}/health", timeout=5).ok
    assert [set(each.headers) & {"authorization", "proxy-authorization"} for each in asked] == [set(), set()]


def test_an_emulator_starts_at_once_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Emulator(tmp_path, 1).status()  # its environment is made before the time is taken
    with running_emulator(tmp_path / "first"):
        pass
    set_all(monkeypatch, tmp_path, HOSTILE)
    began = time.monotonic()
    with running_emulator(tmp_path / "state") as emulator:
        assert time.monotonic() - began < 20
        environment = Path(f"/proc/{emulator.status().pid}/environ").read_text()  # type: ignore[union-attr]
    inherited = {each.partition("=")[0] for each in environment.split("\0")}
    assert not inherited & (set(HOSTILE) | {"NETRC"})
    assert SENTINEL not in environment


def test_aws_is_found_by_the_region_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file redirects a call to AWS, nor the calls that retrieve credentials."""
    endpoints = {name: NOBODY for name in HOSTILE if name.startswith("AWS_ENDPOINT_URL")} | {
        "AWS_ENDPOINT_URL": NOBODY
    }
    set_all(monkeypatch, tmp_path, endpoints)
    (tmp_path / ".aws" / "config").write_text(
        CONFIGURATION.replace("use_dualstack_endpoint = true", "").replace("use_fips_endpoint = true", "")
    )
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = B\n")

    session = aws_session("eu-west-1")

    for service in SERVICES:
        assert make_client(session, service, None).meta.endpoint_url.startswith("https://")
        assert ".amazonaws.com" in make_client(session, service, None).meta.endpoint_url
    assert "eu-west-1" in session._session.create_client("sts", region_name="eu-west-1").meta.endpoint_url
    s3 = make_client(session, "s3", None)
    assert s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"}).startswith(
        "https://bucket.s3"
    )


def test_the_settings_for_aws_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    set_all(monkeypatch, tmp_path, {"HTTPS_PROXY": NOBODY, "AWS_PROFILE": "mine", "AWS_USE_FIPS_ENDPOINT": "true"})
    (tmp_path / ".aws" / "config").write_text("[profile mine]\nregion = eu-west-3\n")
    (tmp_path / ".aws" / "credentials").write_text("[mine]\naws_access_key_id = A\naws_secret_access_key = B\n")

    session = aws_session(None)

    assert session.region_name == "eu-west-3"
    found = session.get_credentials()
    assert found is not None
    assert found.access_key == "A"
    client = make_client(session, "sqs", None)
    assert "fips" in client.meta.endpoint_url
    with pytest.raises(botocore.exceptions.ProxyConnectionError):
        make_client(session, "sqs", None, botocore.config.Config(retries={"total_max_attempts": 1})).list_queues()


@pytest.mark.parametrize("name", [*variables_of_botocore(), "AWS_CREDENTIAL_EXPIRATION", "AWS_REGION"])
def test_an_invalid_setting_for_aws_is_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_all(monkeypatch, tmp_path, {})
    for file in ("config", "credentials"):
        (tmp_path / ".aws" / file).unlink()
    for known, value in {
        "AWS_ACCESS_KEY_ID": "A",
        "AWS_SECRET_ACCESS_KEY": "B",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(known, value)
    monkeypatch.setenv(name, f"{SENTINEL} x")

    def clients() -> None:
        session = aws_session(None)
        check_credentials(session)
        for service in ("s3", "sqs", "sts"):
            make_client(session, service, None)

    status = run("diff", clients)

    said = capsys.readouterr().err
    assert said.count("\n") == status
    if name not in {"AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_DEFAULT_REGION"}:  # which are shown
        assert SENTINEL not in said


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("value", [f" {SENTINEL}", f"{SENTINEL}\n", f"{SENTINEL} {SENTINEL}", f"{SENTINEL}é"])
def test_credentials_that_are_invalid_in_a_header_are_refused_without_quoting_them(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    set_all(monkeypatch, tmp_path, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", name: value})
    with pytest.raises(OperatorError, match="of the AWS credentials has blanks") as caught:
        check_credentials(aws_session("eu-west-1"))
    assert SENTINEL not in str(caught.value)


def errors_of_botocore() -> list[type[BotoCoreError]]:
    kinds = vars(botocore.exceptions).values()
    return [kind for kind in kinds if inspect.isclass(kind) and issubclass(kind, BotoCoreError)]


@pytest.mark.parametrize("kind", errors_of_botocore(), ids=lambda kind: str(kind.__name__))
def test_an_error_of_botocore_is_shown_without_its_values(kind: type[BotoCoreError]) -> None:
    """This holds for all kinds of errors, including those of later releases."""
    values: dict[str, Any] = {
        name: SENTINEL for _, name, _, _ in string.Formatter().parse(kind.fmt) if name is not None
    }
    if "error" in values:
        values["error"] = ValueError(f"Invalid header value b'{SENTINEL}'")
    for name in ("endpoint_url", "proxy_url"):
        if name in values:
            values[name] = f"https://somebody:{SENTINEL}@example.test/{SENTINEL}"
    names_only = {"profile", "profile_name", "path", "name", "cred_var", "provider", "region_name"}
    names_only |= {"operation_name", "service_name"} | {
        each for each in values if each.startswith(("valid", "allowed"))
    }
    values |= {name: "a-name" for name in values if name in names_only}
    if kind is botocore.exceptions.WaiterError:
        values["last_response"] = {"Error": {"Message": SENTINEL}}
    said = describe(kind(**values))
    assert SENTINEL not in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "message",
    [
        f"The Canonical String for this request should have been 'GET / x-amz-security-token:{SENTINEL}'",
        f"Authorization header requires 'Credential' parameter. Authorization=Credential={SENTINEL}",
        f"'{SENTINEL}' not a valid key=value pair in Authorization header: 'AWS4-HMAC-SHA256 {SENTINEL}'",
        f"x-api-key: {SENTINEL}",
    ],
)
def test_an_answer_of_aws_that_quotes_the_request_is_shown_without_its_message(message: str) -> None:
    for code in ("SignatureDoesNotMatch", "IncompleteSignature", "InvalidClientTokenId", "AccessDenied", "Other"):
        error = ClientError({"Error": {"Code": code, "Message": message}}, "ListQueues")
        assert SENTINEL not in describe(error)
        assert "ListQueues" in describe(error) or code in describe(error)


def test_an_answer_about_api_keys_is_shown_without_its_message() -> None:
    error = ClientError({"Error": {"Code": "BadRequest", "Message": f"no key: {SENTINEL}"}}, "CreateApiKey")
    assert describe(error) == "AWS says: An error occurred (BadRequest) when calling CreateApiKey: …"


def test_an_answer_that_cannot_be_parsed_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ResponseParserError(f"Unable to parse response, invalid XML received:\n{SENTINEL}")

    assert run("up", fails) == 1
    assert SENTINEL not in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [SENTINEL, f"http://somebody:{SENTINEL}@127.0.0.1:4566", f"http://127.0.0.1:{SENTINEL}", f"ftp://{SENTINEL}"],
)
def test_an_unusable_endpoint_is_refused_without_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(OperatorError, match="AWS_ENDPOINT_URL cannot be used") as caught:
        find_target("auto", "local", read_settings(), start=False)
    assert SENTINEL not in str(caught.value)


def test_blanks_around_a_variable_are_not_part_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOBPIPE_STATE_DIR", str(tmp_path))
    values = {
        "AWS_ENDPOINT_URL": NOBODY,
        "JOBPIPE_STAGE": "prod",
        "JOBPIPE_PORT": "4700",
        "LOCALSTACK_IMAGE": "x:1",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, f" {value}\r\n")
    assert read_settings() == Settings("prod", 4700, NOBODY, tmp_path, "x:1")


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
    """All commands run as make runs them. Only pip needs the proxies, for an index, so https stays as it is."""
    kept_for_pip = {"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"}
    kept_for_pip |= {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"}
    hostile = {name: value for name, value in HOSTILE.items() if name not in kept_for_pip}
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
