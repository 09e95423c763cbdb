"""A Runtime API on loopback, which measures how long a new process takes until its first event and its answer."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
_SECONDS = 30
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
_TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


class FunctionFailed(Exception):
    """The function's process ended, or answered with an error."""


@dataclass(frozen=True)
class Function:
    """The code of a function, its handler and its environment."""

    task_root: Path
    handler: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ColdStart:
    """The seconds of one new process, and its answer."""

    init: float  # from the start of the interpreter to the first request for an event
    request: float  # from then to the answer
    cpu: float  # processor time of the whole process
    answer: Any

    @property
    def total(self) -> float:
        return self.init + self.request


def cold_start(python: Path, function: Function, event: object) -> ColdStart:
    """Start a process of the function, and send it one event."""
    # Each process gets a new server, so that no late request of an earlier process is taken for its own.
    with _Server(json.dumps(event).encode()) as server:
        environment = {
            **function.environment,
            "PATH": os.defpath,
            "LAMBDA_TASK_ROOT": str(function.task_root),
            "_HANDLER": function.handler,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "cold-start",
            # Lambda's interpreter has no setuptools, which changes imports.
            "SETUPTOOLS_USE_DISTUTILS": "stdlib",
        }
        # -B: the task root is read-only in Lambda, so that no compiled module is stored.
        command = [str(python), "-B", "-s", str(_BOOTSTRAP)]
        before, started = _cpu_of_ended_processes(), time.perf_counter()
        with subprocess.Popen(
            command, cwd=function.task_root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                ready, _ = server.next_call("next", process)
                answered, answer = server.next_call("response", process)
            finally:
                process.kill()
        spent = _cpu_of_ended_processes() - before
    return ColdStart(ready - started, answered - ready, spent, json.loads(answer))


def _cpu_of_ended_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Server(HTTPServer):
    timeout = 0.5  # seconds between two checks that the process is alive

    def __init__(self, event: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.event = event
        self.calls: list[tuple[str, float, bytes]] = []

    def next_call(self, expected: str, process: subprocess.Popen[bytes]) -> tuple[float, bytes]:
        """Wait for the next call, which must be the expected one; return its time and body."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            self.handle_request()
            if self.calls:
                name, when, body = self.calls.pop()
                if name != expected:
                    raise FunctionFailed(body.decode() or name)
                return when, body
            if process.poll() is not None:
                raise FunctionFailed(f"the process ended with {process.returncode}")
        raise FunctionFailed(f"no {expected} in {_SECONDS} s")


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    disable_nagle_algorithm = True  # it would delay an event after its headers by up to 40 ms

    def do_GET(self) -> None:  # the name is http.server's
        self._record(b"")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.server.event)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-4000-8000-000000000000")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 30_000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", _ARN)
        self.send_header("Lambda-Runtime-Trace-Id", _TRACE)
        self.end_headers()
        self.wfile.write(self.server.event)

    def do_POST(self) -> None:  # the name is http.server's
        self._record(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _record(self, body: bytes) -> None:
        self.server.calls.append((self.path.rpartition("/")[2], time.perf_counter(), body))

    def log_message(self, *_: object) -> None:
        pass
