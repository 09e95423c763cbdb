"""Run by tests/bench/lambda_process.py: one Lambda of a zip. An event a line in, answer and times a line out.

Calls of AWS are timed around botocore's own entry for each of them, so that its signing and parsing belong to AWS.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from botocore.client import BaseClient

_PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


class Context:
    """What Lambda passes beside the event."""

    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Always enough."""
        return 29_000


def main() -> None:
    """Until the last event."""
    # What the Lambda prints goes where Lambda's log would be read: into a file, unbuffered.
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.environ["BENCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    spent: list[float] = []
    _time_calls(spent)
    handler = getattr(importlib.import_module("app"), sys.argv[1])
    for line in sys.stdin:
        event = json.loads(line)
        spent.clear()
        started = time.perf_counter()
        answer = handler(event, Context())
        total = time.perf_counter() - started
        said = {"answer": answer, "total_ms": total * 1000, "aws_ms": sum(spent) * 1000, "calls": len(spent)}
        answers.write(json.dumps(said | {"resident_kb": resident_kb()}) + "\n")
        answers.flush()


def resident_kb() -> float:
    """The memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KB


def _time_calls(spent: list[float]) -> None:
    client: Any = BaseClient
    make_call = client._make_api_call

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return make_call(*arguments)
        finally:
            spent.append(time.perf_counter() - started)

    client._make_api_call = timed


if __name__ == "__main__":
    main()
