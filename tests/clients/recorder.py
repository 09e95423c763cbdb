"""A server between a generated client and a stage, which checks both against the OpenAPI document."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from tests.helpers.documented import Documented

BASE_PATH = "/some/stage"  # the paths of the document are relative to the base URL of a stage
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


@dataclass
class Recorder:
    """The requests and answers that passed through the server."""

    documented: Documented
    upstream: str
    url: str = ""
    answered: set[str] = field(default_factory=set)
    """The operations that were answered with a success."""
    bodies: list[tuple[str, Any]] = field(default_factory=list)
    """The operation and the body of each request that has one."""
    violations: list[str] = field(default_factory=list)
    """The violations of the document by either side."""

    def record(
        self, method: str, target: str, body: bytes, status: int, headers: dict[str, str], text: str
    ) -> None:
        """Record and check a request and its answer."""
        template = self.documented.template(target.partition("?")[0])
        operation = self.documented.openapi["paths"].get(template, {}).get(method.lower())
        if operation is None:
            self.violations.append(f"{method} {target} is no operation")
            return
        try:
            self.documented.check(method, target, status, headers, text)
            if body and status // 100 == 2:
                pointer = f"/paths/{template.replace('~', '~0').replace('/', '~1')}/{method.lower()}/requestBody"
                media_type = next(iter(operation["requestBody"]["content"])).replace("/", "~1")
                sent = json.loads(body)
                self.documented.check_value(f"{pointer}/content/{media_type}/schema", sent, f"{method} {target}")
                self.bodies.append((operation["operationId"], sent))
        except AssertionError as violation:
            self.violations.append(str(violation))
        if status // 100 == 2:
            self.answered.add(operation["operationId"])


@contextmanager
def recording(documented: Documented, upstream: str) -> Iterator[Recorder]:
    """Run a recorder in front of the stage with this base URL during the block."""
    recorder = Recorder(documented, upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            target = self.path.removeprefix(BASE_PATH)
            answer, text = _forward(upstream, self.command, target, dict(self.headers), body)
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if self.path.startswith(BASE_PATH):
                recorder.record(self.command, target, body, answer.status, headers, text.decode())
            else:
                recorder.violations.append(f"{self.command} {self.path} is not below the base URL")
            self.send_response_only(answer.status)
            for name, value in (*headers.items(), ("Content-Length", str(len(text)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one  # noqa: N815  # http.server calls these names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing: errors are in `violations`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        recorder.url = f"http://127.0.0.1:{server.server_address[1]}{BASE_PATH}"
        try:
            yield recorder
        finally:
            server.shutdown()


def _forward(
    upstream: str, method: str, target: str, headers: dict[str, str], body: bytes
) -> tuple[http.client.HTTPResponse, bytes]:
    target_url = urlsplit(upstream)
    assert target_url.hostname is not None
    connection = http.client.HTTPConnection(target_url.hostname, target_url.port, timeout=60)
    try:
        sent = {name: value for name, value in headers.items() if name.lower() not in _HOP}
        connection.request(method, target_url.path + target, body or None, sent | {"Host": target_url.netloc})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()
