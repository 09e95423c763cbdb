"""Commands with time limits, and batches that are cancelled or retried as a whole, on a deployed stage."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import tenacity

from jobpipe_client import CommandTooLate
from tests.helpers.deployed import Stage, unique
from tests.helpers.event_source import EventSourceMapping

HOUR = timedelta(hours=1)


def worker_stopped(stage: Stage) -> AbstractContextManager[None]:
    return EventSourceMapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled()


@tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)
def wait_until(moment: datetime) -> None:
    assert datetime.now(UTC) > moment


def create(**more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": unique("Limited"), "description": "d", **more}}


@pytest.mark.parametrize("text", ["", "x" * 210_000], ids=["small", "claim"])
def test_a_late_command_has_no_effect_until_it_is_retried_with_a_new_time(stage: Stage, text: str) -> None:
    with worker_stopped(stage):
        limit = datetime.now(UTC) + timedelta(seconds=10)
        job = stage.client.submit(create(text=text), before=limit)
        in_time = stage.client.submit(create(), before=HOUR)
        assert job.not_after == limit.replace(microsecond=limit.microsecond // 1000 * 1000)
        wait_until(limit)
    late = stage.client.wait(job)
    assert late.error is not None
    assert (late.status, late.error.slug, late.not_after) == ("failed", "too-late", job.not_after)
    assert stage.request("GET", f"/items/{job.item_id}").status_code == 404
    assert stage.client.wait(in_time).succeeded
    with pytest.raises(CommandTooLate):
        stage.client.retry(job.id)
    retried = stage.client.wait(stage.client.retry(job.id, before=HOUR))
    assert (retried.status, retried.retries) == ("succeeded", 1)
    assert retried.not_after is not None
    assert retried.not_after > limit
    assert stage.client.get_item(job.item_id)["text"] == text


def test_late_commands_of_a_batch_fail_alone(stage: Stage) -> None:
    item = stage.client.sync.create({"name": unique("Limited"), "description": "d"})
    first, late, last = ({"operation": "update", "item_id": item.id, "merge": {f"n{n}": n}} for n in range(3))
    with worker_stopped(stage):
        limit = datetime.now(UTC) + timedelta(seconds=10)
        batch = stage.client.submit_batch([first, {**late, "not_after": limit.isoformat()}, last])
        assert [entry.status for entry in batch.entries] == ["queued"] * 3
        wait_until(limit)
    ended = [stage.client.wait(stage.client.job(entry.job_id or "")) for entry in batch.entries]
    assert [job.status for job in ended] == ["succeeded", "failed", "succeeded"]
    assert {"n0", "n1", "n2"} & set(stage.client.get_item(item.id)) == {"n0", "n2"}


def test_a_batch_is_cancelled_and_another_one_retried(stage: Stage) -> None:
    name = unique("Taken")
    first = stage.client.sync.create({"name": name, "description": "d"})
    with worker_stopped(stage):
        batch = stage.client.submit_batch([create() for _ in range(9)])
        cancelled = stage.client.cancel_batch(batch.id)
    assert cancelled.counts["cancelled"] == 9
    assert (cancelled.done, cancelled.unreached) == (True, [])
    taken = {"operation": "create", "item": {"name": name, "description": "d"}}
    failed = stage.client.submit_batch([taken, create()])
    jobs = [entry.job_id or "" for entry in failed.entries]
    assert {job.id: job.status for job in stage.client.as_completed(jobs, timeout=60)}[jobs[0]] == "failed"
    left = stage.client.cancel_batch(failed.id)
    assert [entry.unchanged and entry.unchanged.slug for entry in left.entries] == ["job-ended", "job-ended"]
    stage.client.sync.delete(first.id)
    assert stage.client.retry_batch(failed.id).counts["failed"] == 0
    assert [job.status for job in stage.client.as_completed(jobs, timeout=60)] == ["succeeded"] * 2
    items = [stage.request("GET", f"/items/{entry.item_id}").status_code for entry in batch.entries]
    assert items == [404] * 9
