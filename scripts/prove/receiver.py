"""A receiver of webhooks on the loopback interface, which verifies requests by Standard Webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

_MOST_BYTES = 1024 * 1024


@dataclass
class Receiver:
    """The received requests. The first request gets a 500, so that it must come again."""

    url: str = ""
    secret: str = ""
    verified: list[Any] = field(default_factory=list)  # the events, in the order in which they came
    refused: int = 0  # requests whose signature is not valid
    failed: int = 0  # requests that got a 500
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        """Note a request, and return the status of its response."""
        with self._lock:
            if not self.failed:
                self.failed += 1
                return 500
            try:
                self.verified.append(Webhook(self.secret).verify(body, headers))
            except WebhookVerificationError:
                self.refused += 1
                return 401
            return 204


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1 during the block."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _MOST_BYTES))
            status = state.take(body, dict(self.headers.items()))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="prove-receiver", daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
