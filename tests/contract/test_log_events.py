"""Logs with more events than one answer of the log service has, on the emulator's log service."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from infra.stage.log_events import LogEvents
from infra.targets.target import Target
from scripts.stage.outcomes import from_log

FULL = 10_000  # events of one answer
STAGE = "many"


@pytest.fixture
def logs(foundation: tuple[Target, dict[str, str]]) -> Any:
    return foundation[0].client("logs")


@pytest.fixture
def group(logs: Any) -> Iterator[str]:
    name = f"/aws/lambda/jobpipe-{STAGE}-worker"
    logs.create_log_group(logGroupName=name)
    for stream in ("a", "b"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
    yield name
    logs.delete_log_group(logGroupName=name)


def write(logs: Any, group: str, stream: str, events: list[tuple[int, str]]) -> None:
    for first in range(0, len(events), 5_000):
        some = [{"timestamp": at, "message": text} for at, text in events[first : first + 5_000]]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=some)


def metric(name: str, **more: str) -> str:
    return json.dumps({"_aws": {}, "service": "jobpipe-worker", "stage": STAGE, name: [1], **more})


def test_every_event_is_given_once_however_many_there_are(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    told: dict[str, list[tuple[int, str]]] = {"a": [], "b": []}
    for n in range(2 * FULL + 700):
        # Some hundred share each millisecond, as the lines of one invocation do; some lines are alike.
        told["ab"[n % 2]].append((start + n // 300, f"{n // 4}"))
    for stream, some in told.items():
        write(logs, group, stream, some)
    events = LogEvents(logs, group, start)
    given = sorted((event["timestamp"], event["message"]) for event in events)
    assert given == sorted([*told["a"], *told["b"]])
    assert events.is_complete


def test_more_events_in_one_millisecond_than_an_answer_has_are_incomplete(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    write(logs, group, "a", [*((start, str(uuid.uuid4())) for _ in range(FULL + 5)), (start + 1, "after")])
    events = LogEvents(logs, group, start)
    given = [event["message"] for event in events]
    assert not events.is_complete
    assert len(set(given)) == len(given) == FULL + 1
    assert given[-1] == "after"


def test_all_outcomes_are_counted_and_not_the_first_ten_thousand(logs: Any, group: str) -> None:
    start = int(time.time() * 1000) - 60_000
    write(logs, group, "a", [(start + n // 50, metric("Succeeded")) for n in range(FULL + 500)])
    write(logs, group, "b", [(start + n, metric("Failed", reason="name-taken")) for n in range(300)])
    outcomes = from_log(logs, STAGE, 10)
    assert (outcomes.succeeded, outcomes.failed, outcomes.is_complete) == (FULL + 500, {"name-taken": 300}, True)
