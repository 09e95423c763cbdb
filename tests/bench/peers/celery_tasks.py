"""The task of Celery's workers: make the recorded calls of a job."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from celery import Celery, chain

from tests.bench.peers.aws_calls import Call, make_calls, open_clients

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:1")
QUEUE = "bench"
app = Celery("bench", broker=URL, backend=URL)
# A message is acknowledged after its task, so that it is not lost with the worker.
app.conf.update(task_acks_late=True, task_default_queue=QUEUE, broker_connection_retry_on_startup=True)


@cache
def _clients() -> dict[str, Any]:
    return open_clients()


def _apply(calls: list[Call]) -> float:
    """Make the calls; return the time of their end in seconds since 1970."""
    make_calls(_clients(), calls)
    return time.time()


apply = app.task(name="apply")(_apply)


def chain_of(first: list[Call], second: list[Call]) -> Any:
    """Queue one job behind the other; return the result of the second, whose parent is that of the first."""
    return chain(apply.si(first), apply.si(second)).apply_async()
