"""botocore accepts the injected faults as those of AWS, and the proxy applies them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.aws import aws_call, error_code
from tests.chaos.faults import NO_FAULTS, Call, Fault, Faults, Rates
from tests.chaos.proxy import Proxy, running_proxy

DRAWS = 40  # so that every kind occurs

CALLS: dict[str, Callable[[Any], Any]] = {
    "dynamodb": lambda client: client.get_item(TableName="t", Key={"k": {"S": "v"}}),
    "s3": lambda client: client.put_object(Bucket="b", Key="k", Body=b"document"),
    "sqs": lambda client: client.send_message(QueueUrl="http://localhost/1/q", MessageBody="b"),
}


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, bytes]]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, body))
        self.send_response(200)
        self.send_header("x-amz-version-id", "7")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def seen() -> list[tuple[str, bytes]]:
    """The requests that reached the server behind the proxy."""
    return []


@pytest.fixture
def proxy(seen: list[tuple[str, bytes]]) -> Iterator[Proxy]:
    handler = type("Upstream", (_Upstream,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        with running_proxy(server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def client(proxy: Proxy, service: str) -> Any:
    settings = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, proxies={})
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    return session.client(service, endpoint_url=proxy.url, config=settings)  # type: ignore[call-overload]


@pytest.mark.parametrize("service", CALLS)
def test_the_stores_treat_every_refusal_as_an_outage(
    proxy: Proxy, service: str, seen: list[tuple[str, bytes]]
) -> None:
    proxy.decide = Faults(1, Rates(refuse=1, conflict=0)).draw
    aws = client(proxy, service)
    codes = set()
    for _ in range(DRAWS):
        with pytest.raises(Unavailable) as caught, aws_call(service):
            CALLS[service](aws)
        assert isinstance(caught.value.__cause__, ClientError)
        codes.add(error_code(caught.value.__cause__))
    assert len(codes) >= 3, codes
    assert not seen


def test_a_cancelled_transaction_has_a_reason_for_each_write(proxy: Proxy) -> None:
    proxy.decide = Faults(1, Rates(conflict=1)).draw
    dynamodb = client(proxy, "dynamodb")
    codes = set()
    for _ in range(DRAWS):
        with pytest.raises(ClientError) as caught:
            dynamodb.transact_write_items(
                TransactItems=[{"Delete": {"TableName": "t", "Key": {"k": {"S": key}}}} for key in "abc"]
            )
        codes.add(error_code(caught.value))
        if error_code(caught.value) == "TransactionCanceledException":
            reasons = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
            assert len(reasons) == 3
            codes.update(reasons)
    assert {"TransactionInProgressException", "TransactionConflict", "ThrottlingError", "None"} <= codes


def test_a_forwarded_call_is_unchanged(proxy: Proxy, seen: list[tuple[str, bytes]]) -> None:
    proxy.decide = Faults(1, NO_FAULTS).draw
    answer = CALLS["s3"](client(proxy, "s3"))
    assert answer["VersionId"] == "7"
    assert seen == [("/b/k", b"document")]


@pytest.mark.parametrize("forward", [False, True])
def test_a_dropped_connection_is_an_outage_whether_the_call_had_an_effect_or_not(
    proxy: Proxy, seen: list[tuple[str, bytes]], forward: bool
) -> None:
    proxy.decide = lambda _: Fault("dropped", forward=forward)
    with pytest.raises(Unavailable), aws_call("S3"):
        CALLS["s3"](client(proxy, "s3"))
    assert bool(seen) is forward


def test_a_kill_gets_the_call_and_its_port(proxy: Proxy) -> None:
    killed: list[Call] = []
    proxy.decide = lambda _: Fault("killed", kill=True)
    proxy.kill = lambda call, _: killed.append(call)
    with pytest.raises(Unavailable), aws_call("S3"):
        CALLS["s3"](client(proxy, "s3"))
    assert [(call.service, call.operation, call.body) for call in killed] == [("s3", "PutObject", b"document")]
    assert killed[0].client_port not in {0, proxy.port}


def test_the_same_seed_draws_the_same_faults() -> None:
    calls = [Call("dynamodb", "UpdateItem", b"{}", number) for number in range(500)]

    def drawn(seed: int) -> list[Fault | None]:
        faults = Faults(seed, Rates())
        return [faults.draw(call) for call in calls]

    assert drawn(1) == drawn(1) != drawn(2)
