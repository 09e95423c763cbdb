"""Three equal answers of API Gateway in a row decide whether a key is good; errors do not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.deployment.readiness import wait_for_key

SHORT = 0.3  # seconds


class _Gateway(ThreadingHTTPServer):
    """A gateway that answers with these statuses in order, and then always with the last."""

    daemon_threads = True

    def __init__(self, statuses: list[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.statuses = statuses
        self.callers: list[tuple[str, int]] = []  # the client's end of each request's connection

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def next_status(self, caller: tuple[str, int]) -> int:
        self.callers.append(caller)
        return self.statuses[min(len(self.callers), len(self.statuses)) - 1]


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections stay open

    def do_GET(self) -> None:
        assert isinstance(self.server, _Gateway)
        assert self.path.startswith("/items")
        assert self.headers["x-api-key"] == "k"
        self.send_response(self.server.next_status(self.client_address))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def gateway(*statuses: int) -> Iterator[_Gateway]:
    with _Gateway(list(statuses)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield server
        finally:
            server.shutdown()


@pytest.mark.parametrize("status", [200, 204, 429])
def test_an_accepted_key_is_good(status: int) -> None:
    with gateway(status) as answering:
        assert wait_for_key(answering.url, "k", accepted=True, seconds=SHORT)
        assert not wait_for_key(answering.url, "k", accepted=False, seconds=SHORT)


def test_a_refused_key_is_not_good() -> None:
    with gateway(403) as answering:
        assert wait_for_key(answering.url, "k", accepted=False, seconds=SHORT)
        assert not wait_for_key(answering.url, "k", accepted=True, seconds=SHORT)


@pytest.mark.parametrize("status", [302, 400, 404, 500, 502, 503, 504])
@pytest.mark.parametrize("good", [True, False])
def test_an_error_does_not_decide(status: int, good: bool) -> None:
    with gateway(status) as answering:
        assert not wait_for_key(answering.url, "k", accepted=good, seconds=SHORT)


@pytest.mark.parametrize("good", [True, False])
def test_a_missing_answer_does_not_decide(good: bool) -> None:
    with gateway(200) as closed:
        pass
    assert not wait_for_key(closed.url, "k", accepted=good, seconds=SHORT)


@pytest.mark.parametrize(
    ("good", "statuses"),
    [
        (True, [403, 200, 403, 200, 200, 503, 200, 200, 200]),
        (False, [200, 403, 200, 403, 403, 500, 403, 403, 403]),
    ],
)
def test_three_answers_in_a_row_on_new_connections_decide(good: bool, statuses: list[int]) -> None:
    with gateway(*statuses) as answering:
        assert wait_for_key(answering.url, "k", accepted=good, seconds=10)
        assert len(answering.callers) == len(statuses)
        assert len(set(answering.callers)) == len(statuses)
