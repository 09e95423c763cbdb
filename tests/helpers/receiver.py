"""A receiver of webhooks: a real HTTP server on the loopback interface."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import tenacity

DROP = 0
"""Instead of a status: the connection is closed without an answer."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # monotonic

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """What the server has received, and what it answers."""

    url: str = ""
    answers: list[int] = field(default_factory=list)  # the statuses of the next answers, or DROP; then 204
    before: Callable[[Received], None] = lambda _: None  # runs before each answer
    choose: Callable[[Received], int] | None = None  # returns the status of each answer, instead of `answers`
    received: list[Received] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, request: Received) -> int:
        """Note a request, and return the status of the answer, or DROP."""
        with self._lock:
            self.received.append(request)
            status = self.answers.pop(0) if self.answers else 204
        self.before(request)
        return self.choose(request) if self.choose else status

    def wait_for(self, count: int, seconds: float = 60, *, of: str = "") -> list[Received]:
        """Return the requests once so many have come, of events with this in their subject."""
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_delay(seconds), wait=tenacity.wait_fixed(0.05), reraise=True
        ):
            with attempt:
                found = self.of(of)
                assert len(found) >= count, [each.event for each in found]
        return found

    def of(self, subject: str) -> list[Received]:
        with self._lock:
            return [each for each in self.received if subject in each.event["subject"]]


@contextmanager
def receiver(*answers: int) -> Iterator[Receiver]:
    """Run a receiver during the block."""
    state = Receiver(answers=[*answers])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = state.take(Received(self.path, headers, body, time.monotonic()))
            if status == DROP:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
