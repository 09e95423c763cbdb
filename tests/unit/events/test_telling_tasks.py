"""The function that tells answers tasks beside webhooks and the bus, and none of them holds up the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from jobpipe.domain.errors import AnswerRefused, UndecodableMessage
from jobpipe.domain.events.ended_jobs import WaitingTask, decode_ended, encode_task
from jobpipe.domain.jobs.job import Job
from tests.helpers.job_states import unavailable
from tests.helpers.memory.bus import MemoryBus
from tests.helpers.memory.tasks import MemoryTasks
from tests.helpers.task_tokens import ONE, READ, TWO, Stage
from tests.helpers.telling import World
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.notifications.consumers import events_consumer
from worker_lambda.chalicelib.notifications.notify import notify


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize("change", [lambda job: replace(job, expires_at=0), None])
def test_a_job_that_is_gone_is_not_answered(stage: Stage, change: Callable[[Job], Job] | None) -> None:
    job = stage.job(stage.submit(READ, ONE))
    stage.pipeline.drain()
    stage.submit(READ, TWO)
    if change is None:
        del stage.pipeline.jobs.rows[job.job_id]
    else:
        stage.pipeline.jobs.rows[job.job_id] = change(stage.pipeline.jobs.rows[job.job_id])
    stage.tell()
    assert not stage.tasks.calls


def records(world: World, *jobs: Job) -> list[dict[str, Any]]:
    return [{**world.record(job), "messageId": str(n)} for n, job in enumerate(jobs)]


def failures(answer: Any) -> list[str]:
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_an_outage_brings_the_message_again_after_webhooks_were_told() -> None:
    world = World(tasks=MemoryTasks(is_down=True), bus=MemoryBus())
    assert world.tasks is not None
    assert world.bus is not None
    webhook = world.webhook()
    (record,) = records(world, world.ended(task_token=ONE))
    assert failures(consume_batch([record], events_consumer(world.services, lambda: 29.0))) == ["0"]
    assert len(world.told(webhook)) == len(world.queue.lines) == 1
    world.tasks.is_down = False
    record["attributes"]["ApproximateReceiveCount"] = "2"
    assert not failures(consume_batch([record], events_consumer(world.services, lambda: 29.0)))
    assert [*world.tasks.answers] == [ONE]
    assert len(world.bus.events) == 2


def test_while_the_bus_fails_tasks_are_answered() -> None:
    world = World(tasks=MemoryTasks(), bus=MemoryBus(is_down=True))
    assert world.tasks is not None
    (record,) = records(world, world.ended(task_token=ONE))
    assert failures(consume_batch([record], events_consumer(world.services, lambda: 29.0))) == ["0"]
    assert [*world.tasks.answers] == [ONE]


@pytest.mark.usefixtures("no_earlier_metrics")
def test_a_refused_answer_is_an_error_line_and_holds_nothing_up(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world = World(
        tasks=MemoryTasks(refusals={ONE: AnswerRefused("AccessDeniedException: on shop")}), bus=MemoryBus()
    )
    assert world.tasks is not None
    assert world.bus is not None
    denied, other = world.ended(task_token=ONE), world.ended(item_id="j", task_token=TWO)
    assert not failures(consume_batch(records(world, denied, other), events_consumer(world.services, lambda: 29.0)))
    assert [*world.tasks.answers] == [TWO]
    assert len(world.bus.events) == 4
    (line,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert "TaskTokens" in line.getMessage()
    assert "AccessDeniedException: on shop" in line.getMessage()
    assert vars(line)["job_id"] == denied.job_id
    assert '"TaskRefused":[1.0]' in capsys.readouterr().out


def test_without_the_parameter_nothing_is_answered_and_no_job_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    job = world.ended(task_token=ONE)
    monkeypatch.setattr(world.jobs, "get", unavailable)
    world.tell(job)


def test_a_request_to_answer_that_is_left_when_the_parameter_goes_is_dropped() -> None:
    world = World()
    notify(
        world.message(encode_task(WaitingTask(world.ended(task_token=ONE).job_id))), world.services, lambda: 20.0
    )


def test_little_time_is_not_spent_on_tasks() -> None:
    """Webhooks come first; the next receipt answers."""
    world = World(tasks=MemoryTasks())
    assert world.tasks is not None
    world.webhook()
    (record,) = records(world, world.ended(task_token=ONE))
    assert failures(consume_batch([record], events_consumer(world.services, lambda: 0.9))) == ["0"]
    assert not failures(consume_batch([record], events_consumer(world.services, lambda: 29.0)))
    assert [*world.tasks.answers] == [ONE]


@pytest.mark.parametrize("body", ['{"v": 2}', '{"v": 2, "task_of": 7}', '{"v": 2, "jobs": []}'])
def test_a_message_that_names_no_job_is_dropped(body: str) -> None:
    with pytest.raises(UndecodableMessage, match="names no job"):
        decode_ended(body)
    world = World(tasks=MemoryTasks())
    notify(world.message(body), world.services, lambda: 20.0)
