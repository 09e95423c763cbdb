"""`make pause` and `make resume` on a deployed stage, and what a deployment makes of a paused one."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stage.pause import StagePause
from infra.targets.target import target_of
from jobpipe_client import Job
from tests.helpers import commands
from tests.helpers.deployed import Stage, unique
from tests.infra.stage_with_keys import Run, deployed

pytestmark = pytest.mark.slow

NO_PAUSE = "Paused: set by make pause and make resume, and kept by a deployment"


@pytest.fixture
def stage(run: Run, state_dir: Path) -> Iterator[Stage]:
    stage = deployed(state_dir)
    yield stage
    pause_of(stage).resume()


def pause_of(stage: Stage) -> StagePause:
    target = target_of(stage.deployment)
    queue = stage.resources["commands_queue_url"].rpartition("/")[2]
    return StagePause(
        *(target.client("dynamodb"), target.client("lambda")),
        *(stage.resources["collections_table"], stage.resources["worker_function"], queue),
    )


def states(stage: Stage) -> dict[str, str]:
    """Return the states of the stage's event source mappings by the names of their queues."""
    mappings = stage.aws("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {each["EventSourceArn"].rpartition(":")[2]: each["State"] for each in mappings}


def accepted(stage: Stage) -> Job:
    return stage.client.create({"name": unique("Paused"), "description": "d"})


def is_left_waiting(stage: Stage, job: Job) -> bool:
    """Return whether the job is still queued after a time in which the worker ends one otherwise."""
    return stage.client.job(job.id, wait=2).status == "queued"


def lines(done: commands.Done) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_paused_stage_accepts_commands_and_applies_them_when_it_is_resumed(run: Run, stage: Stage) -> None:
    before = stage.client.wait(accepted(stage))
    said = lines(run("pause", "pause"))
    assert said[0].startswith("local is paused, since ")
    assert "14 days" in said[1]
    assert states(stage).pop("jobpipe-local-commands.fifo") == "Disabled"
    assert {state for queue, state in states(stage).items() if queue != "jobpipe-local-commands.fifo"} == {
        "Enabled"
    }

    # A poll that had begun may still receive the first of them.
    waiting = [accepted(stage) for _ in range(3)]
    assert is_left_waiting(stage, waiting[-1])
    assert stage.request("GET", f"/items/{before.item_id}").status_code == 200
    assert stage.client.cancel(waiting.pop().id).status == "cancelled"
    paused_at = stage.client.stats().paused_at
    assert paused_at is not None
    assert f"{paused_at:%Y-%m-%dT%H:%M:%S}" in said[0]

    again = lines(run("pause", "pause"))
    assert again[0].startswith("local is already paused, since "), "it is idempotent"
    assert stage.client.stats().paused_at == paused_at, "it is paused since the first time"

    assert lines(run("pause", "resume"))[0].startswith("local is resumed")
    assert set(states(stage).values()) == {"Enabled"}
    assert all(stage.client.wait(job).succeeded for job in waiting)
    assert stage.client.stats().paused_at is None
    assert lines(run("pause", "resume")) == ["local was not paused: its worker takes commands"]


def test_an_operator_sees_that_the_stage_is_paused(stage: Stage, state_dir: Path) -> None:
    at = pause_of(stage).pause()
    environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir))
    command = (sys.executable, "-m", "jobpipe_client.cli", "stats", "--stage", "local")
    shown = commands.run(*command, env=environment).stdout
    assert shown.splitlines()[0].split()[:2] == ["PAUSED", "since"]
    assert f"{at:%Y-%m-%d %H:%M:%S}" in shown
    document = json.loads(commands.run(*command, "--json", env=environment).stdout)
    assert document["paused_at"].startswith(f"{at:%Y-%m-%dT%H:%M:%S}")


def test_a_deployment_leaves_a_paused_stage_paused_and_says_so(run: Run, stage: Stage) -> None:
    assert run("deploy", "diff", "--exit-code").returncode == 0
    pause_of(stage).pause()
    shown = run("deploy", "diff", "--exit-code")
    assert shown.returncode == 2, "a paused stage is not as the checkout would have it"
    assert "Paused: false -> true" in shown.stdout

    # The update of another property of the mapping would enable it again.
    done = run("deploy", "up", "--parameter", "WorkerConcurrency=7")
    assert done.returncode == 0, done.stderr
    assert "the stage has been paused since" in done.stdout + done.stderr
    assert states(stage)["jobpipe-local-commands.fifo"] == "Disabled"
    job = accepted(stage)
    assert is_left_waiting(stage, job)

    assert run("pause", "resume").returncode == 0
    assert stage.client.wait(job).succeeded
    assert run("deploy", "up").returncode == 0
    assert states(stage)["jobpipe-local-commands.fifo"] == "Enabled"
    assert run("deploy", "diff", "--exit-code").returncode == 0


def test_a_mapping_that_somebody_has_enabled_is_disabled_by_the_next_deployment(run: Run, stage: Stage) -> None:
    pause_of(stage).pause()
    assert run("deploy", "up").returncode == 0
    pause_of(stage).enable(enabled=True)
    assert run("deploy", "up").returncode == 0, "the stacks do not change"
    assert states(stage)["jobpipe-local-commands.fifo"] == "Disabled"


def test_the_audit_takes_the_row_of_a_paused_stage_for_no_document(stage: Stage, state_dir: Path) -> None:
    pause_of(stage).pause()
    environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir))
    done = commands.run(sys.executable, "-m", "scripts.audit", "--stage", "local", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("pause", "pause", "--stage", "elsewhere"), "pause: the stage 'elsewhere' is not deployed"),
        (("pause", "resume", "--stage", "elsewhere"), "resume: the stage 'elsewhere' is not deployed"),
        (("pause", "pause", "--stage", "Not A Stage"), "pause: 'Not A Stage' is not a stage name"),
        (("deploy", "up", "--parameter", "Paused=true"), f"up: {NO_PAUSE}"),
    ],
)
def test_a_mistake_of_an_operator_is_one_line(run: Run, arguments: tuple[str, ...], line: str) -> None:
    done = run(*arguments)
    assert done.returncode != 0
    (said,) = (each for each in done.stderr.splitlines() if each.startswith(arguments[1]))
    assert said.startswith(line)
    assert "Traceback" not in done.stderr
