"""P7 with hostile HTTP on a deployed stage: a 4xx and no trace.

Gateways treat such requests differently. Any 4xx of the gateway is accepted, and so is a closed connection. No
request may lead to a 5xx or to a command.
"""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

from tests.helpers.deployed import WAIT, Stage, unique

UNFINISHED = b'{"name":"n","description":"d"'


def raw(stage: Stage, start: bytes, headers: bytes, body: bytes) -> bytes:
    """Send bytes that no client would send; return the answer until the server closes the connection."""
    url = urlsplit(stage.deployment.base_url)
    method, path = start.split(b" ", 1)
    sent = b"%s %s%s HTTP/1.1\r\nHost: %s\r\n" % (method, url.path.encode(), path, url.netloc.encode())
    sent += b"x-api-key: %s\r\nContent-Type: application/json\r\n" % stage.deployment.api_key.encode()
    sent += headers + b"Connection: close\r\n\r\n" + body
    received = b""
    with socket.create_connection((url.hostname, url.port or 80), timeout=10) as connection:
        connection.settimeout(10)
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except OSError:  # the server closed the connection early
            pass
    return received


def status(answer: bytes) -> int:
    """Return the status, or 400 if the server closed the connection without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 400


FRAMES = {
    "line feed in a header": (
        b"POST /items",
        b"Content-Length: 29\r\nIdempotency-Key: a\nX-Evil: 1\r\n",
        UNFINISHED,
    ),
    "folded header": (b"POST /items", b"Content-Length: 29\r\nIdempotency-Key: a\r\n b\r\n", UNFINISHED),
    "NUL in a header": (b"POST /items", b"Content-Length: 2\r\nIdempotency-Key: a\0b\r\n", b"{}"),
    "bytes in a header": (b"POST /items", b"Content-Length: 2\r\nIdempotency-Key: \xff\xfe\r\n", b"{}"),
    "lengths that differ": (b"POST /items", b"Content-Length: 29\r\nContent-Length: 3\r\n", UNFINISHED),
    "a length below zero": (b"POST /items", b"Content-Length: -5\r\n", UNFINISHED),
    "a length beyond the body": (b"POST /items", b"Content-Length: 5000\r\n", UNFINISHED),
    "length and chunks": (
        b"POST /items",
        b"Content-Length: 60\r\nTransfer-Encoding: chunked\r\n",
        b"0\r\n\r\nDELETE /items/i HTTP/1.1\r\nHost: x\r\n\r\n",
    ),
    "invalid chunks": (b"POST /items", b"Transfer-Encoding: chunked\r\n", b"zz\r\n{}\r\n0\r\n\r\n"),
    "an unknown coding": (b"POST /items", b"Transfer-Encoding: xchunked\r\n", b"{}"),
    "bytes in the path": (b"PUT /items/\xff\xfe", b"Content-Length: 29\r\n", UNFINISHED),
    "two keys": (b"POST /items", b"Content-Length: 2\r\nx-api-key: another\r\n", b"{}"),
    "long key": (b"POST /items", b"Content-Length: 2\r\nIdempotency-Key: " + b"x" * 9000 + b"\r\n", b"{}"),
}


@pytest.mark.usefixtures("untouched")
def test_invalid_http_leaves_no_trace(stage: Stage) -> None:
    answers = {name: raw(stage, *frame) for name, frame in FRAMES.items()}
    # 501 is a server's own answer to a transfer coding that it does not know (RFC 9112, section 6.1).
    assert {name: answer for name, answer in answers.items() if status(answer) not in (*range(400, 500), 501)} == {}
    assert not any(b"X-Evil: 1" in answer for answer in answers.values())


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "__PROTO__"])
def test_other_methods_are_refused(stage: Stage, method: str) -> None:
    # LocalStack answers every OPTIONS by itself, before it looks at the API.
    by_the_gateway = {204} if method == "OPTIONS" and not stage.renders_gateway_responses else set()
    for path in ("/items", "/items/i", "/jobs/j"):
        assert stage.request(method, path).status_code in {*range(400, 500), *by_the_gateway}


def test_a_method_is_not_overridden(stage: Stage) -> None:
    item_id = stage.request("POST", "/items", {"name": unique("o"), "description": "d"}, headers=WAIT).json()["id"]
    names = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
    for method, query, expected in (
        ("GET", "", 200),
        ("GET", "?_method=DELETE", 400),
        ("POST", "?_method=DELETE", 404),
    ):
        answer = stage.request(method, f"/items/{item_id}{query}", headers=dict.fromkeys(names, "DELETE"))
        assert answer.status_code == expected
    assert stage.request("GET", f"/items/{item_id}").status_code == 200


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "item_id",
    [
        *(
            "..",
            ".",
            "%2e%2e",
            "..%2f..%2fjobs",
            "..%5c..",
            "%00",
            "a%0d%0aX-Evil:%201",
            "%1b%5b31m",
            "%c0%ae%c0%ae",
        ),
        *("%zz", "%ff", "%e2%80%ae", "%ed%a0%80", "x" * 129, "x" * 5000, "*", "%22", "claims%2fx", "%2500"),
    ],
)
def test_no_id_reaches_another_route(stage: Stage, item_id: str) -> None:
    answer = stage.request("GET", f"/items/{item_id}")
    assert answer.status_code in (400, 404)
    assert "x-evil" not in {name.lower() for name in answer.headers}
