"""AWS's Python runtime in brief: import the handler, get events from the Runtime API, and answer them.

An interpreter with boto3, but without jobpipe, runs this module. It uses a socket instead of an HTTP library, whose
imports would then not be timed with those of the handler. AWS's own client is an extension module.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

_API = "/2018-06-01/runtime"
# awslambdaric loads these before the handler, so they are not part of the handler's imports.
for _name in ("logging", "decimal"):
    importlib.import_module(_name)


class Context:
    """The context of an invocation."""

    function_name = "cold-start"
    function_version = "$LATEST"
    memory_limit_in_mb = "1024"

    def __init__(self, headers: dict[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self._deadline = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends this invocation."""
        return max(0, self._deadline - int(time.time() * 1000))


def main() -> None:
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")

    def call(method: str, path: str, body: bytes = b"") -> tuple[dict[str, str], bytes]:
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rb") as answer:
            head = f"{method} {_API}{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            answer.readline()
            headers: dict[str, str] = {}
            while line := answer.readline().strip().decode():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            return headers, answer.read()

    try:
        handler = _find_handler()
    except BaseException:
        call("POST", "/init/error", _error())
        raise
    while True:
        headers, event = call("GET", "/invocation/next")
        request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        try:
            result = json.dumps(handler(json.loads(event), Context(headers))).encode()
        except Exception:  # noqa: BLE001  # the runtime continues after an error of the handler
            call("POST", f"/invocation/{request_id}/error", _error())
        else:
            call("POST", f"/invocation/{request_id}/response", result)


def _find_handler() -> Callable[[Any, Any], Any]:
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]
    module, _, name = os.environ["_HANDLER"].rpartition(".")
    handler: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
    return handler


def _error() -> bytes:
    return json.dumps({"errorMessage": traceback.format_exc()}).encode()


if __name__ == "__main__":
    main()
