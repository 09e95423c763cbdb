"""Commands that wait for their time, on a deployed stage whose rule starts the release each minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.helpers.deployed import Stage, unique

HOUR = timedelta(hours=1)
PATIENCE = 200  # seconds: a command's own time, and then a minute until the rule's next start and a slow machine


def create(**more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": unique("Waiting"), "description": "d", **more}}


@pytest.mark.slow
def test_commands_are_released_by_the_rule_in_their_order(stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Waiting"), "description": "d", "n": 0})
    at = datetime.now(UTC) + timedelta(seconds=4)
    later = {"operation": "update", "item_id": item.id, "merge": {"n": 2}}
    sooner = {"operation": "update", "item_id": item.id, "merge": {"n": 1, "text": "x" * 20_000}}
    jobs = [stage.client.submit(later, at=at + timedelta(seconds=2)), stage.client.submit(sooner, at=at)]
    huge = stage.client.submit(create(text="x" * 400_000), at=at)
    assert {job.status for job in (*jobs, huge)} == {"scheduled"}
    assert {job.id for job in stage.client.jobs("scheduled")} >= {job.id for job in (*jobs, huge)}
    ended = [stage.client.wait(job, timeout=PATIENCE) for job in (*jobs, huge)]
    assert [job.status for job in ended] == ["succeeded"] * 3
    assert all(job.not_before is not None and job.updated_at >= job.not_before for job in ended)
    assert ended[1].item is not None
    assert ended[1].item["n"] == 1
    assert stage.client.get_item(item.id)["n"] == 2
    assert not stage.keys(f"scheduled/{huge.id}/")
    assert not stage.keys(f"claims/{huge.id}/")


@pytest.mark.parametrize("text", ["", "x" * 20_000], ids=["small", "large"])
def test_a_scheduled_command_is_cancelled(stage: Stage, text: str) -> None:
    job = stage.client.submit(create(text=text), at=HOUR)
    assert job.status == "scheduled"
    cancelled = stage.client.cancel(job.id)
    assert cancelled.status == "cancelled"
    assert job.id not in {each.id for each in stage.client.jobs("scheduled")}


def test_a_batch_waits(stage: Stage) -> None:
    batch = stage.client.submit_batch([create() for _ in range(3)], at=HOUR)
    assert batch.counts["scheduled"] == 3
    assert stage.client.cancel_batch(batch.id).counts["cancelled"] == 3


@pytest.mark.parametrize(
    "times",
    [
        {"not_before": "2999-01-01T00:00:00Z"},
        {"not_before": "2026-13-01T00:00:00Z"},
        {"not_before": 7},
        {"not_before": "2999-01-01"},
    ],
)
def test_a_time_out_of_range_is_refused(stage: Stage, times: dict[str, Any], untouched: None) -> None:
    answer = stage.request("POST", "/jobs", {**create(), **times})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "#/not_before"
