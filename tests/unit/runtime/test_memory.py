"""A Lambda runs for hours: no object of an invocation outlives it."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

import pytest

from jobpipe.runtime.metrics import meter
from jobpipe.runtime.telemetry import logger
from tests.helpers.job_states import item
from tests.helpers.pipeline import Pipeline

INVOCATIONS = 30
PACKAGES = {"jobpipe", "api_lambda", "worker_lambda"}


def polls(pipeline: Pipeline) -> None:
    """Read the job as its owner and as another one."""
    for owner, status in (("alice", 200), ("bob", 404)):
        job_id = next(iter(pipeline.jobs.rows))
        assert pipeline.request("GET", f"/jobs/{job_id}", owner=owner).status == status


def refusals(pipeline: Pipeline) -> None:
    assert pipeline.request("POST", "/items", {"name": "x"}).status == 400
    assert pipeline.request("POST", "/items", raw="[").status == 400


def faults(pipeline: Pipeline) -> None:
    """The traceback refers to every frame."""
    job_id = next(iter(pipeline.jobs.rows))
    with patch.object(pipeline.jobs, "get", lambda _: 1 / 0):
        assert pipeline.request("GET", f"/jobs/{job_id}").status == 500


def duplicates(pipeline: Pipeline) -> None:
    """Process ten messages whose jobs have ended."""
    waiting = list(pipeline.queue.waiting)
    assert pipeline.work() == {"batchItemFailures": []}
    pipeline.queue.waiting = [(message_id, envelope, 0) for message_id, envelope, _ in waiting]


def live_objects() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


@pytest.mark.parametrize("invocation", [polls, refusals, faults, duplicates])
def test_no_object_outlives_its_invocation(
    invocation: Callable[[Pipeline], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logger, "handlers", logger.handlers[:1])  # those of pytest keep every record
    pipeline = Pipeline()
    for i in range(10):
        pipeline.request("POST", "/items", item(f"{i}"))
    waiting = list(pipeline.queue.waiting)
    pipeline.drain()
    pipeline.queue.waiting = [(message_id, envelope, 0) for message_id, envelope, _ in waiting]
    for _ in range(3):  # objects that are created once, also by the counting
        invocation(pipeline)
    live_objects()

    before = live_objects()
    for _ in range(INVOCATIONS):
        invocation(pipeline)
    remaining = live_objects() - before

    # A leak has an object for each invocation; the interpreter's caches change by a few.
    assert {kind: count for kind, count in remaining.items() if count >= INVOCATIONS} == {}
    assert {kind: count for kind, count in remaining.items() if kind.split(".")[0] in PACKAGES} == {}
    assert sum(thread.name.startswith("item") for thread in threading.enumerate()) <= 10, (
        "only the threads of one batch"
    )
    assert not meter._added
