"""Lambda's Runtime API on loopback: how long a new process takes to ask for an event, and to answer it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_SECONDS = 30
_NOWHERE = subprocess.DEVNULL
_NEXT = "/2018-06-01/runtime/invocation/next"


class FunctionFailed(Exception):
    """The function's process ended, or answered with an error."""


@dataclass(frozen=True)
class Function:
    """Where its code lies, and what Lambda would call."""

    task_root: Path
    handler: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ColdStart:
    """Milliseconds of one new process, and what it answered."""

    init: float  # from the start of the interpreter to the first request for an event
    request: float  # from there to the answer
    cpu: float  # of the processor, all in all
    answer: Any


class RuntimeApi:
    """Serves one process after the other."""

    def __init__(self, server: ThreadingHTTPServer, said: Queue[tuple[str, float, bytes]]) -> None:
        self._server = server
        self._said = said
        self.events: Queue[bytes] = Queue()

    def cold_start(self, python: Path, function: Function, event: object) -> ColdStart:
        """A new process of the function, and its first event."""
        environment = {
            **function.environment,
            "PATH": os.defpath,
            "LAMBDA_TASK_ROOT": str(function.task_root),
            "_HANDLER": function.handler,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "cold-start",
            # Lambda's interpreter has no setuptools, which would hook into every import.
            "SETUPTOOLS_USE_DISTUTILS": "stdlib",
        }
        self.events.put(json.dumps(event).encode())
        before = _cpu_of_the_ended()
        started = time.perf_counter()
        # -B: the task root is read-only in Lambda, so that nothing compiled there is ever kept.
        command = [str(python), "-B", "-s", str(_BOOTSTRAP)]
        with subprocess.Popen(
            command, cwd=function.task_root, env=environment, stdout=_NOWHERE, stderr=_NOWHERE
        ) as process:
            try:
                ready, _ = self._wait("next", process)
                answered, answer = self._wait("response", process)
            finally:
                process.kill()
        spent = _cpu_of_the_ended() - before
        return ColdStart((ready - started) * 1000, (answered - ready) * 1000, spent * 1000, json.loads(answer))

    def _wait(self, wanted: str, process: subprocess.Popen[bytes]) -> tuple[float, bytes]:
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            try:
                what, when, body = self._said.get(timeout=0.5)
            except Empty:
                if process.poll() is not None:
                    raise FunctionFailed(f"it ended with {process.returncode}") from None
                continue
            if what != wanted:
                raise FunctionFailed(body.decode() or what)
            return when, body
        raise FunctionFailed(f"no {wanted} in {_SECONDS} s")


def _cpu_of_the_ended() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def serving() -> Iterator[RuntimeApi]:
    """A Runtime API for the time of the block."""
    said: Queue[tuple[str, float, bytes]] = Queue()

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # it would hold an event back behind its headers, up to 40 ms

        def do_GET(self) -> None:  # http.server's name
            when = time.perf_counter()
            try:
                event = api.events.get_nowait()
            except Empty:  # its second request for an event: there it freezes, and is ended
                return
            said.put((self.path.rpartition("/")[2], when, b""))
            self.send_response(200)
            self.send_header("Content-Length", str(len(event)))
            self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
            self.send_header(
                "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f"
            )
            self.end_headers()
            self.wfile.write(event)

        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            said.put((self.path.rpartition("/")[2], time.perf_counter(), body))
            self.send_response(202)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api = RuntimeApi(server, said)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
