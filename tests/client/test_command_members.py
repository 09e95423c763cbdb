"""Members of a command that every method takes: time limits, times to wait for, and task tokens."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from jobpipe_client import (
    Client,
    CommandTooLate,
)
from tests.client.service import Service
from tests.client.service_state import problem


@pytest.mark.parametrize("batch", [False, True])
def test_a_time_limit_is_a_member_of_the_command(client: Client, service: Service, batch: bool) -> None:
    service.pause()
    command = {"operation": "read", "item_id": "i"}
    zone = timezone(timedelta(hours=2))
    moment = datetime(2999, 12, 1, 12, tzinfo=zone)

    def sent(before: Any, command: dict[str, Any] = command) -> Any:
        if batch:
            client.submit_batch([command], before=before)
            return service.seen[-1].body["commands"][0]
        job = client.submit(command, before=before)
        assert (job.not_after is None) == ("not_after" not in service.seen[-1].body)
        return service.seen[-1].body

    assert sent(moment) == {**command, "not_after": "2999-12-01T12:00:00+02:00"}
    assert sent("2999-12-01T12:00:00Z") == {**command, "not_after": "2999-12-01T12:00:00Z"}
    assert sent(None) == command
    own = {**command, "not_after": "2999-01-01T00:00:00Z"}
    assert sent(moment, own) == own, "one that the command has comes first"
    ahead = datetime.fromisoformat(sent(timedelta(hours=2))["not_after"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ahead <= timedelta(hours=2)
    with pytest.raises(ValueError, match="zone"):
        sent(moment.replace(tzinfo=None))


def test_a_task_token_is_a_member_of_the_command(client: Client, service: Service) -> None:
    command = {"operation": "read", "item_id": "i"}
    client.submit(command, task_token="one")
    assert service.seen[-1].body == {**command, "task_token": "one"}
    client.submit({**command, "task_token": "own"}, task_token="one")
    assert service.seen[-1].body["task_token"] == "own", "one that the command has comes first"
    client.collection("orders").submit(command, task_token="two")
    assert service.seen[-1].body == {**command, "collection": "orders", "task_token": "two"}
    client.submit(command)
    assert service.seen[-1].body == command


@pytest.mark.parametrize("batch", [False, True])
def test_a_time_to_wait_for_is_a_member_of_the_command(client: Client, service: Service, batch: bool) -> None:
    command = {"operation": "read", "item_id": "i"}

    def sent(at: Any, command: dict[str, Any] = command, **more: Any) -> Any:
        if batch:
            assert client.submit_batch([command], at=at, **more).counts["scheduled"] == 1
            return service.seen[-1].body["commands"][0]
        job = client.submit(command, at=at, **more)
        assert (job.status, job.done) == ("scheduled", False)
        assert job.not_before == datetime.fromisoformat(service.seen[-1].body["not_before"])
        assert client.cancel(job.id).status == "cancelled"
        return service.seen[-2].body

    moment = datetime(2999, 12, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert sent(moment) == {**command, "not_before": "2999-12-01T12:00:00+02:00"}
    own = {**command, "not_before": "2999-01-01T00:00:00Z"}
    assert sent(moment, own) == own, "one that the command has comes first"
    both = sent(moment, before="2999-12-02T00:00:00Z")
    assert both == {**command, "not_before": moment.isoformat(), "not_after": "2999-12-02T00:00:00Z"}
    ahead = datetime.fromisoformat(sent(timedelta(hours=2))["not_before"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < ahead <= timedelta(hours=2)
    with pytest.raises(ValueError, match="at must be a time with a zone"):
        sent(moment.replace(tzinfo=None))


def test_a_late_job_is_retried_with_a_new_time(client: Client, service: Service) -> None:
    job = client.wait(client.read("none"))
    service.jobs[job.id]["error"] = problem(409, "too-late")
    service.pause()
    with pytest.raises(CommandTooLate):
        client.retry(job.id)
    limit = datetime(2999, 12, 1, 12, tzinfo=UTC)
    assert client.retry(job.id, before=limit).not_after == limit
    assert service.seen[-1].headers["content-type"] == "application/json"
