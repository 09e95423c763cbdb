"""Run one Lambda of a zip, in a process of tests/bench/laboratory/lambda_process.py.

The process reads an event per line, and writes the answer and the times as a line. AWS calls are timed around
botocore's method for all of them, so their time includes signing and parsing.
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

Call = tuple[float, float]
"""The start and the end of a call of AWS."""
_PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


class Context:
    """The context that Lambda passes with the event."""

    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Return a constant that is long enough for every command."""
        return 29_000


def main() -> None:
    """Process events until the end of the input."""
    # The Lambda's output goes to a file, unbuffered, as it would go to Lambda's log.
    answers = os.fdopen(os.dup(1), "w")
    log = os.open(os.environ["BENCH_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    spent: list[Call] = []
    _time_calls(spent)
    handler = getattr(importlib.import_module("app"), sys.argv[1])
    for line in sys.stdin:
        event = json.loads(line)
        spent.clear()
        started = time.perf_counter()
        answer = handler(event, Context())
        total = time.perf_counter() - started
        result = {
            "answer": answer,
            "total_ms": total * 1000,
            "aws_ms": sum(end - start for start, end in spent) * 1000,
            "waiting_ms": covered(spent) * 1000,
            "calls": len(spent),
            "resident_kb": resident_kb(),
            "peak_kb": peak_kb(),
        }
        answers.write(json.dumps(result) + "\n")
        answers.flush()


def resident_kb() -> float:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KB


def peak_kb() -> float:
    """Return the most resident memory that this process has had."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM:"))
    return float(line.split()[1])


def covered(calls: list[Call]) -> float:
    """Return the seconds in which at least one of the calls was under way."""
    seconds, until = 0.0, 0.0
    for start, end in sorted(calls):
        seconds += max(0.0, end - max(start, until))
        until = max(until, end)
    return seconds


def _time_calls(spent: list[Call]) -> None:
    client: Any = BaseClient
    make_call = client._make_api_call

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        try:
            return make_call(*arguments)
        finally:
            spent.append((started, time.perf_counter()))

    client._make_api_call = timed


if __name__ == "__main__":
    main()
