"""A Lambda of AWS durable functions: each AWS call of the jobs of an item is a step, whose end is checkpointed."""

from __future__ import annotations

import sys
import time
from functools import cache, partial
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from tests.bench.peers.aws_calls import Call, make_calls, open_clients


@cache
def _clients() -> dict[str, Any]:
    return open_clients()


def _make(call: Call, _: object) -> None:
    make_calls(_clients(), [call])


def _run(event: dict[str, list[list[Call]]], context: DurableContext) -> list[float]:
    """Make the calls of the jobs, in order; return the end of each job in seconds since 1970."""
    ends = []
    for job in event["jobs"]:
        for call in job:
            context.step(partial(_make, call), name=call[1])
        ends.append(time.time())
    # MiniStack waits 50 ms for an invocation's first log line before it answers; jobpipe's Lambdas write lines too.
    sys.stderr.write("ended\n")
    return ends


handler = durable_execution(_run)
