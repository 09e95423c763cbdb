"""Helpers of tests on jobs: queued and failed jobs, races, and stores that do not respond."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Status
from tests.helpers.pipeline import Answer, Pipeline

LONG = "x" * 210_000  # fits a message; a failed job keeps it as a claim check
LARGE = "x" * 400_000  # is sent as a claim check


def item(name: str = "Tent", **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "d", **more}


def accept(pipeline: Pipeline, body: Any = None, **options: Any) -> str:
    answer = pipeline.request("POST", "/items", body or item(), **options)
    assert answer.status == 202, answer.text
    return str(answer.json["id"])


def fail(pipeline: Pipeline, body: Any = None) -> str:
    """Return a job that failed because its name was taken; the name is free again."""
    other = pipeline.do("POST", "/items", item())
    job_id = accept(pipeline, body)
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.FAILED
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    return job_id


def slug(answer: Answer) -> str:
    return str(answer.json["type"]).rpartition(":")[2]


def interpose(monkeypatch: pytest.MonkeyPatch, store: Any, name: str, before: Callable[[], object]) -> None:
    """Run the other side of a race right before the first call of a method."""
    method = getattr(store, name)
    done: list[bool] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(True)
            before()
        return method(*args, **kwargs)

    monkeypatch.setattr(store, name, call)


def unavailable(*_: object, **__: object) -> Any:
    """Raise Unavailable, as a store that does not respond."""
    raise Unavailable("no")


def read_job(pipeline: Pipeline, job_id: str, wait: int | str) -> Answer:
    return pipeline.request("GET", f"/jobs/{job_id}?wait={wait}")
