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
OURS = {"jobpipe", "api_lambda", "worker_lambda"}


def polls(pipeline: Pipeline) -> None:
    """Requests of callers who may and who may not read the job."""
    for owner, status in (("alice", 200), ("bob", 404)):
        job_id = next(iter(pipeline.jobs.rows))
        assert pipeline.request("GET", f"/jobs/{job_id}", owner=owner).status == status


def refusals(pipeline: Pipeline) -> None:
    assert pipeline.request("POST", "/items", {"name": "x"}).status == 400
    assert pipeline.request("POST", "/items", raw="[").status == 400


def faults(pipeline: Pipeline) -> None:
    """A traceback holds every frame that it went through."""
    job_id = next(iter(pipeline.jobs.rows))
    with patch.object(pipeline.jobs, "get", lambda _: 1 / 0):
        assert pipeline.request("GET", f"/jobs/{job_id}").status == 500


def duplicates(pipeline: Pipeline) -> None:
    """Ten messages in a batch, whose jobs have ended."""
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
    for _ in range(3):  # what is made once, by the counting too
        invocation(pipeline)
    live_objects()

    before = live_objects()
    for _ in range(INVOCATIONS):
        invocation(pipeline)
    kept = live_objects() - before

    # What is made by each invocation would be there as often; a few come and go with the interpreter's own caches.
    assert {kind: count for kind, count in kept.items() if count >= INVOCATIONS} == {}
    assert {kind: count for kind, count in kept.items() if kind.split(".")[0] in OURS} == {}
    assert sum(thread.name.startswith("item") for thread in threading.enumerate()) <= 10, "a batch's, kept"
    assert not meter._added
