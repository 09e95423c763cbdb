"""An HTTP proxy on loopback in front of the emulator, which applies a fault to some calls."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

from tests.chaos.faults import API, DYNAMODB, S3, SQS, Call, Fault, Refusal

Decide = Callable[[Call], Fault | None]
_NOT_FORWARDED = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive", "expect"}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: close() sends RST instead of FIN


class Proxy:
    """Address and callbacks of the proxy."""

    def __init__(self, port: int, upstream: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.upstream = urllib3.HTTPConnectionPool("127.0.0.1", upstream, maxsize=64, retries=False, timeout=60)
        self.decide: Decide = lambda _: None
        self.kill: Callable[[Call, Fault], None] = lambda *_: None
        self.forwarded: Callable[[Call], None] = lambda _: None  # a call succeeded; its answer is not forwarded yet
        self.answered: Callable[[Call, int, bytes], None] = lambda *_: None  # with status and body
        self.counted: Callable[[str], None] = lambda _: None  # the kind of an injected fault


@contextmanager
def running_proxy(upstream: int) -> Iterator[Proxy]:
    """Run a proxy on a free port during the block."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.proxy = Proxy(server.server_address[1], upstream)
    thread = threading.Thread(
        target=server.serve_forever, name="proxy", kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield server.proxy
    finally:
        server.shutdown()
        server.server_close()
        server.proxy.upstream.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # connections of Lambdas may stay open
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the broken connections of killed processes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proxy = self.server.proxy
        call = Call(*self._target(), body, self.client_address[1])
        fault = proxy.decide(call)
        if fault is None:
            return self._respond_from_upstream(call)
        proxy.counted(fault.kind)
        time.sleep(fault.delay)
        if fault.only_delay:
            return self._respond_from_upstream(call)
        if fault.kill_after:
            proxy.kill(call, fault)
            return self._respond_from_upstream(call)
        # A call is forwarded before its process is killed, since a dead process sends nothing.
        if fault.forward:
            with suppress(urllib3.exceptions.HTTPError):
                self._forward(call)
        if fault.kill:
            proxy.kill(call, fault)
        if fault.answer is None:
            return self._drop()
        return self._answer(fault.answer)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _target(self) -> tuple[str, str]:
        """Return the service and the operation."""
        target = self.headers.get("X-Amz-Target", "")
        service, _, operation = target.partition(".")
        if service.startswith("DynamoDB"):
            return DYNAMODB, operation
        if service.startswith("AmazonSQS"):
            return SQS, operation
        if self.path.startswith("/_aws/execute-api/"):
            return API, self.command
        if self.command == "GET" and "list-type=2" in self.path:
            return S3, "ListObjectsV2"
        if self.command == "POST" and "?delete" in self.path:
            return S3, "DeleteObjects"
        return S3, {"PUT": "PutObject", "GET": "GetObject", "DELETE": "DeleteObject"}.get(
            self.command, self.command
        )

    def _forward(self, call: Call) -> urllib3.BaseHTTPResponse:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _NOT_FORWARDED}
        response = self.server.proxy.upstream.urlopen(
            self.command, self.path, body=call.body, headers=headers, redirect=False, decode_content=False
        )
        if response.status < HTTPStatus.BAD_REQUEST:
            self.server.proxy.forwarded(call)
        self.server.proxy.answered(call, response.status, response.data)
        return response

    def _respond_from_upstream(self, call: Call) -> None:
        try:
            response = self._forward(call)
        except urllib3.exceptions.HTTPError:
            return self._drop()
        self.send_response_only(response.status)
        for name, value in response.headers.items():
            if name.lower() not in _NOT_FORWARDED:
                self.send_header(name, value)
        self._end(response.data)
        return None

    def _answer(self, refusal: Refusal) -> None:
        self.send_response_only(refusal.status)
        self.send_header("Content-Type", refusal.content_type)
        self.send_header("x-amzn-RequestId", "chaos")
        self._end(refusal.body)

    def _end(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drop(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing: faults are counted."""
