"""One request to a receiver: where it goes, what it proves, and when it ends."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import pytest
import trustme
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from jobpipe.domain.clock import now
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.domain.events.webhook import JOB_ENDED, Webhook
from jobpipe.domain.events.webhook_form import new_webhook
from tests.helpers.receiver import receiver
from worker_lambda.chalicelib.notifications import post as module
from worker_lambda.chalicelib.notifications.post import Poster

LOCAL = Poster(UrlRules(allow_loopback=True))
QUICK = Poster(UrlRules(allow_loopback=True), seconds=0.5)


def a_webhook(url: str) -> Webhook:
    return new_webhook({"url": url, "events": [JOB_ENDED]}, "alice", set(), UrlRules(allow_loopback=True), now())


def a_delivery(body: str = '{"id": "\u00e9\u2028"}') -> Delivery:
    texts = {
        "event_type": JOB_ENDED,
        "subject": "jobs/1",
        "sequence": "1",
        "created_at": "2026-11-22T20:57:44.123Z",
    }
    event_id = "20261122205744123-8f14-ended"
    line = Line("alice", "w", "d")
    return Delivery(line=line, event_id=event_id, body=body, state=DeliveryState.PENDING, attempts=(), **texts)


@contextmanager
def raw_server(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that does with each connection what it is told; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        behave(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def receive_event(connection: socket.socket) -> None:
    """Receive the whole event; if the connection were closed before, it would be reset."""
    request = b""
    while not request.endswith(b'"}') and (part := connection.recv(65536)):
        request += part


def test_a_delivery_is_posted_and_signed_by_standard_webhooks() -> None:
    with receiver() as hook:
        webhook = a_webhook(f"{hook.url}?a=b")
        attempt = LOCAL(webhook, a_delivery())
    (request,) = hook.received
    assert (attempt.status, attempt.error) == (204, "")
    assert request.path == "/hook?a=b"
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["user-agent"].startswith("jobpipe/")
    assert request.headers["host"] == hook.url.split("/")[2]
    assert request.body == a_delivery().body.encode()
    Verifier(webhook.secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(a_webhook(hook.url).secret).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook.secret).verify(request.body + b" ", request.headers)


def test_after_a_rotation_both_secrets_verify_for_a_day() -> None:
    with receiver() as hook:
        old = a_webhook(hook.url)
        LOCAL(old.with_new_secret(now()), a_delivery())
        LOCAL(old.with_new_secret(now() - timedelta(days=1, seconds=1)), a_delivery())
    first, later = hook.received
    Verifier(old.secret).verify(first.body, first.headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(old.secret).verify(later.body, later.headers)


@pytest.mark.parametrize("status", [200, 204, 302, 404, 410, 500, 503])
def test_the_status_is_that_of_the_first_answer(status: int) -> None:
    """No redirect is followed: it could lead anywhere."""
    with receiver(status) as hook:
        assert LOCAL(a_webhook(hook.url), a_delivery()).status == status
        assert len(hook.received) == 1


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let each name have these addresses; return the list of the names that are resolved."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        family = {4: socket.AF_INET, 6: socket.AF_INET6}
        return [(family[6 if ":" in each else 4], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.0.0.1"],
        ["93.184.216.34", "169.254.169.254"],
        ["fe80::1%eth0"],
        ["2606:4700::1111%eth0"],
        ["::1"],
    ],
)
def test_a_name_with_an_address_that_is_not_public_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        raise AssertionError("it connects")

    resolving_to(monkeypatch, *addresses)
    monkeypatch.setattr(socket, "create_connection", connect)
    attempt = Poster(UrlRules())(a_webhook("https://receiver.example/hook"), a_delivery())
    assert (attempt.status, attempt.error) == (None, "the name has an address that is not public")


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that has another address a moment later changes nothing."""
    asked = resolving_to(monkeypatch, "127.0.0.1")
    with receiver() as hook:
        port = hook.url.split(":")[2].split("/")[0]
        attempt = LOCAL(a_webhook(f"http://localhost:{port}/hook"), a_delivery())
    assert attempt.status == 204
    assert asked == ["localhost", "127.0.0.1"], "the second is the address that was checked"
    assert hook.received[0].headers["host"] == f"localhost:{port}"


def test_the_rules_apply_to_a_webhook_that_is_stored_already() -> None:
    with receiver() as hook:
        attempt = Poster(UrlRules())(a_webhook(hook.url), a_delivery())
    assert (attempt.status, attempt.error, hook.received) == (None, "the stage does not allow the URL", [])


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with receiver() as hook:
        assert LOCAL(a_webhook(hook.url), a_delivery()).status == 204


def drip(connection: socket.socket) -> None:
    """Answer with one byte every 50 ms, for ten seconds."""
    connection.recv(65536)
    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def say_nothing(connection: socket.socket) -> None:
    connection.recv(65536)
    time.sleep(5)


@pytest.mark.parametrize("behave", [drip, say_nothing])
def test_an_attempt_ends_in_time_whatever_the_receiver_sends(behave: Callable[[socket.socket], None]) -> None:
    with raw_server(behave) as url:
        attempt = QUICK(a_webhook(url), a_delivery())
    assert (attempt.status, attempt.error) == (None, "no response in time")
    assert 500 <= attempt.milliseconds < 4000


def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    sent: list[int] = []

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        while True:
            sent.append(connection.send(b"x" * 65536))

    with raw_server(answer) as url:
        assert LOCAL(a_webhook(url), a_delivery()).status == 200
    assert sum(sent) < 50_000_000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the response is not HTTP"),
        (b"", "the response is not HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "the response is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n", "the response is not HTTP"),
    ],
)
def test_what_is_no_answer_of_http_is_a_failure(answer: bytes, error: str) -> None:
    def behave(connection: socket.socket) -> None:
        receive_event(connection)
        connection.sendall(answer)

    with raw_server(behave) as url:
        attempt = LOCAL(a_webhook(url), a_delivery())
    assert (attempt.status, attempt.error) == (None, error)


def test_a_receiver_that_does_not_listen_refuses_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    attempt = LOCAL(a_webhook(f"http://127.0.0.1:{port}/"), a_delivery())
    assert (attempt.status, attempt.error) == (None, "the connection was refused")


def test_a_name_that_does_not_exist_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "https://secret.example/?token=1")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    attempt = LOCAL(a_webhook("https://secret.example/?token=1"), a_delivery())
    assert (attempt.status, attempt.error) == (None, "the name cannot be resolved")


def test_the_certificate_must_be_that_of_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    resolving_to(monkeypatch, "127.0.0.1")
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("receiver.example").configure_cert(serving)

    def behave(connection: socket.socket) -> None:
        with serving.wrap_socket(connection, server_side=True) as secured:
            receive_event(secured)
            secured.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with raw_server(behave) as url:
        port = url.split(":")[2].split("/")[0]
        right, other = (a_webhook(f"https://{name}:{port}/") for name in ("receiver.example", "localhost"))
        unknown = LOCAL(right, a_delivery())
        monkeypatch.setattr(module, "_tls", lambda: trusting)
        attempt = LOCAL(other, a_delivery())
        assert LOCAL(right, a_delivery()).status == 204
    assert (attempt.status, attempt.error) == (None, "the certificate is not valid for the name")
    assert unknown.error == "the certificate is not valid for the name"


def test_a_receiver_that_speaks_no_tls_is_a_failure() -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)  # the first message of TLS; the answer is none
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with raw_server(behave) as url:
        attempt = LOCAL(a_webhook(url.replace("http://", "https://")), a_delivery())
    assert (attempt.status, attempt.error) == (None, "TLS failed")


def test_what_follows_the_status_is_read_for_a_second_only() -> None:
    """A receiver that sends its body byte by byte would hold one of few places for ten seconds."""
    ended: list[float] = []

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)
        ended.append(time.monotonic())

    with raw_server(answer) as url:
        attempt = LOCAL(a_webhook(url), a_delivery())
    assert attempt.status == 200
    assert 900 <= attempt.milliseconds < 5000
    assert not ended


def test_an_answer_before_the_whole_event_was_read_counts() -> None:
    """A receiver may refuse by its headers, and close the connection while the event is being sent."""

    def refuse(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")

    sent: list[object] = []

    class Breaking(HTTPConnection):
        def request(self, *given: Any, **named: Any) -> None:
            super().request(*given, **named)
            sent.append(given)
            raise BrokenPipeError

    with raw_server(refuse) as url, pytest.MonkeyPatch.context() as patches:
        patches.setattr(module, "HTTPConnection", Breaking)
        attempt = LOCAL(a_webhook(url), a_delivery())
    assert sent
    assert attempt.status == 413


def test_a_wait_for_other_look_ups_is_no_failure_of_the_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    may_end = threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        may_end.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with ThreadPoolExecutor(1) as one:
        monkeypatch.setattr(module, "_resolvers", lambda: one)
        slow = QUICK(a_webhook("https://slow.example/"), a_delivery())
        with pytest.raises(Unavailable):
            QUICK(a_webhook("https://other.example/"), a_delivery())
        may_end.set()
    assert (slow.status, slow.error) == (None, "no response in time")
    assert asked == ["slow.example"], "the other look-up was cancelled"
