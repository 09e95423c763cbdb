"""`GET /stats` counts scheduled commands by one bounded call, and not each time while there are none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from jobpipe.stores.jobs.dynamodb_scheduled_count import EMPTY_COUNT_CACHED_FOR
from tests.helpers.pipeline import Pipeline
from tests.helpers.put_forward import installed
from tests.helpers.stubbed import Stubbed

HOUR = timedelta(hours=1)


class Stage:
    """A stubbed stage whose counts are calls to expect, and whose clock is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stubbed = Stubbed()
        self.at: datetime = now()
        monkeypatch.setattr("jobpipe.stores.jobs.dynamodb_scheduled_count.now", lambda: self.at)

    def counts(self, found: int) -> int:
        """Read the number with a call, which finds so many."""
        request = {"TableName": "jobs", "IndexName": "due", "Select": "COUNT", "Limit": MOST_COUNTED}
        self.stubbed.dynamodb.add_response("scan", {"Count": found, "ScannedCount": found}, request)
        number = self.knows()
        self.stubbed.dynamodb.assert_no_pending_responses()
        return number

    def knows(self) -> int:
        """Read the number; a call that `counts` does not expect is an error."""
        return self.stubbed.scheduled.read()


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    stage = Stage(monkeypatch)
    yield stage
    for stub in stage.stubbed.stubs.values():
        stub.deactivate()


def test_that_nothing_is_scheduled_is_counted_once_a_minute(stage: Stage) -> None:
    assert stage.counts(0) == 0
    for _ in range(11):  # at the interval of the console
        stage.at += timedelta(seconds=5)
        assert stage.knows() == 0
    stage.at += timedelta(seconds=5)
    assert stage.counts(3) == 3


def test_what_is_scheduled_is_counted_each_time(stage: Stage) -> None:
    assert stage.counts(2) == 2
    assert stage.counts(1) == 1
    assert stage.counts(0) == 0
    assert stage.knows() == 0


def test_a_process_that_has_accepted_a_scheduled_command_counts_again(stage: Stage) -> None:
    assert stage.counts(0) == 0
    stage.stubbed.scheduled.expect_some()
    assert stage.counts(1) == 1


def test_a_clock_that_is_set_back_does_not_extend_the_minute(stage: Stage) -> None:
    assert stage.counts(0) == 0
    stage.at -= HOUR
    assert stage.counts(4) == 4
    stage.at -= EMPTY_COUNT_CACHED_FOR
    assert stage.counts(MOST_COUNTED) == MOST_COUNTED


# --- through the API ----------------------------------------------------------------------------------------------


def create(**more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": f"Tent {more}", "description": "d"}, **more}


def in_hours(hours: int) -> str:
    return rfc3339(now() + hours * HOUR)


def scheduled(pipeline: Pipeline) -> int:
    answer = pipeline.request("GET", "/stats")
    assert answer.status == 200, answer.text
    return int(answer.json["scheduled"])


def accept(pipeline: Pipeline, path: str, body: Any) -> str:
    answer = pipeline.request("POST", path, body)
    assert answer.status == 202, answer.text
    return f"{path}/{answer.json['id']}"


def test_a_command_is_counted_until_it_is_released_or_cancelled(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = installed(monkeypatch)
    assert scheduled(pipeline) == 0
    accept(pipeline, "/jobs", create())
    assert scheduled(pipeline) == 0
    job = accept(pipeline, "/jobs", create(not_before=in_hours(1)))
    accept(pipeline, "/jobs", create(not_before=in_hours(2)))
    assert scheduled(pipeline) == 2
    assert pipeline.request("DELETE", job).json["status"] == "cancelled"
    pipeline.release()
    assert scheduled(pipeline) == 1
    clock.put_forward(2 * HOUR)
    pipeline.release()
    assert scheduled(pipeline) == 0


def test_the_commands_of_a_batch_are_counted(pipeline: Pipeline) -> None:
    assert scheduled(pipeline) == 0
    commands = [create(), *(create(not_before=in_hours(hours)) for hours in (1, 2))]
    batch = accept(pipeline, "/batches", {"commands": commands})
    assert scheduled(pipeline) == 2
    assert pipeline.request("DELETE", batch).status == 200
    pipeline.release()
    assert scheduled(pipeline) == 0
