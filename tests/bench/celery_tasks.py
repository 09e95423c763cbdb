"""What Celery's workers run: the calls of a job, as they were recorded."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

from celery import Celery, chain

from tests.bench.aws_calls import Call, open_clients, perform

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:1")
QUEUE = "bench"
app = Celery("bench", broker=URL, backend=URL)
# As durable as a queue's worker has to be: acknowledged when done, not when received.
app.conf.update(task_acks_late=True, task_default_queue=QUEUE, broker_connection_retry_on_startup=True)


@cache
def _clients() -> dict[str, Any]:
    return open_clients()


def _apply(calls: list[Call]) -> float:
    """When it was done, in seconds since 1970."""
    perform(_clients(), calls)
    return time.time()


apply = app.task(name="apply")(_apply)


def chain_of(first: list[Call], second: list[Call]) -> Any:
    """Queues one job behind the other; the result of the second, whose parent is that of the first."""
    return chain(apply.si(first), apply.si(second)).apply_async()
