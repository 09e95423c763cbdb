"""Commands with `not_before` in the in-memory pipeline: their sizes, and what tests do with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.limits import MAX_WAITING_BYTES
from tests.helpers.job_states import LARGE
from tests.helpers.pipeline import Answer, Pipeline

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEDIUM = "x" * MAX_WAITING_BYTES  # waits in the bucket, but would fit a message
SIZES = pytest.mark.parametrize("text", ["", MEDIUM, LARGE], ids=["small", "medium", "large"])


def accept(pipeline: Pipeline, command: Any, **options: Any) -> Answer:
    answer = pipeline.request("POST", "/jobs", command, **options)
    assert answer.status == 202, answer.text
    return answer


def get(pipeline: Pipeline, answer: Answer) -> Any:
    return pipeline.request("GET", f"/jobs/{answer.json['id']}").json


def settle(pipeline: Pipeline) -> None:
    """Release what is due and run it; then nothing that waited may be left."""
    pipeline.release()
    pipeline.drain()


def check_nothing_left(pipeline: Pipeline) -> None:
    assert not any(job.waiting for job in pipeline.jobs.rows.values())
    assert not pipeline.documents.keys("scheduled/")
    pipeline.check_consistent()
