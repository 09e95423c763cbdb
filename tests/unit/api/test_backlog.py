"""`GET /stats` requests the counts each time, but the age, which costs a fee, only once a minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now
from jobpipe.stores.queues.sqs_backlog import AGE_CACHED_FOR
from tests.helpers.stubbed import Stubbed


class Stage:
    """A stubbed stage whose calls of CloudWatch are counted, and whose clock is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stubbed = Stubbed()
        self.at = now()
        self.calls = 0
        monkeypatch.setattr("jobpipe.stores.queues.sqs_backlog.now", lambda: self.at)

    def read(self, *, waiting: int, age: float | None = None, refused: bool = False) -> float | None:
        """Return the age in the answer. CloudWatch, if it is called, answers with `age` or a refusal."""
        for _ in range(3):
            counts = {"": str(waiting), "NotVisible": "0", "Delayed": "0"}
            attributes = {f"ApproximateNumberOfMessages{name}": count for name, count in counts.items()}
            self.stubbed.stubs["sqs"].add_response("get_queue_attributes", {"Attributes": attributes})
        cloudwatch: Any = self.stubbed.stubs["cloudwatch"]
        points: list[Any] = [] if age is None else [{"Timestamp": datetime.now(), "Maximum": age}]  # noqa: DTZ005
        if refused:
            cloudwatch.add_client_error("get_metric_statistics", "Throttling", http_status_code=400)
        else:
            cloudwatch.add_response("get_metric_statistics", {"Datapoints": points})
        seconds = self.stubbed.backlog.read().oldest_seconds
        if cloudwatch._queue:
            cloudwatch._queue.clear()
        else:
            self.calls += 1
        return seconds

    def later(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    for stub in stage.stubbed.stubs.values():
        stub.deactivate()
        stub.assert_no_pending_responses()


def test_the_age_is_requested_once_a_minute_however_often_it_is_read(stage: Stage) -> None:
    for reads in range(12):  # at the interval of the console
        assert stage.read(waiting=1, age=40.0 + reads) == 40.0
        stage.later(5)
    assert stage.calls == 1
    assert stage.read(waiting=1, age=100.0) == 100.0
    assert stage.calls == 2


@pytest.mark.parametrize("answer", [{"age": None}, {"refused": True}])
def test_an_unknown_age_is_cached_too(stage: Stage, answer: dict[str, Any]) -> None:
    for _ in range(3):
        assert stage.read(waiting=1, **answer) is None
    assert stage.calls == 1
    stage.later(AGE_CACHED_FOR.total_seconds())
    assert stage.read(waiting=1, age=1.0) == 1.0


def test_an_empty_queue_clears_the_cached_age(stage: Stage) -> None:
    assert stage.read(waiting=1, age=3600.0) == 3600.0
    assert stage.read(waiting=0) == 0.0
    assert stage.calls == 1
    assert stage.read(waiting=1, age=2.0) == 2.0


def test_a_clock_that_is_set_back_does_not_extend_the_cache(stage: Stage) -> None:
    assert stage.read(waiting=1, age=60.0) == 60.0
    stage.later(-3600)
    assert stage.read(waiting=1, age=2.0) == 2.0
