"""A command can have a task token, which is no part of it, and which is answered when its job has ended."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jobpipe.domain.commands.command import fingerprint
from jobpipe.domain.commands.command_parsing import decode_command, parse_command
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import AnswerRefused
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row
from tests.helpers.batches import create, kinds, merge, post
from tests.helpers.job_states import slug
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import shop
from tests.helpers.task_tokens import FOUR, ONE, READ, THREE, TOKENS, TWO, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def cause(answer: TaskSuccess | TaskFailure) -> Any:
    assert isinstance(answer, TaskFailure)
    return json.loads(answer.cause)


# --- the answer ---------------------------------------------------------------------------------------------------


def test_a_task_gets_the_job_as_its_owner_sees_it(stage: Stage) -> None:
    accepted = stage.submit(create("Tent", price=0.1), ONE)
    stage.tell()
    assert not stage.answers, "nothing is answered before the job has ended"
    stage.settle()
    answer = stage.answers[ONE]
    assert isinstance(answer, TaskSuccess)
    assert answer.output == stage.pipeline.request("GET", f"/jobs/{accepted.json['id']}").text
    assert json.loads(answer.output)["result"]["name"] == "Tent"


def test_a_task_fails_with_the_problem_of_its_job(stage: Stage) -> None:
    accepted = stage.submit(READ, ONE)
    stage.settle()
    job = stage.pipeline.request("GET", f"/jobs/{accepted.json['id']}").json
    assert stage.answers[ONE] == TaskFailure("not-found", stage.answers[ONE].cause)  # type: ignore[union-attr]
    assert cause(stage.answers[ONE]) == {**job["error"], "job_id": accepted.json["id"]}


def test_the_task_of_a_cancelled_job_fails(stage: Stage) -> None:
    accepted = stage.submit(READ, ONE)
    assert stage.pipeline.request("DELETE", f"/jobs/{accepted.json['id']}").status == 200
    stage.settle()
    answer = stage.answers[ONE]
    assert isinstance(answer, TaskFailure)
    assert answer.error == "job-cancelled"
    assert cause(answer)["job_id"] == accepted.json["id"]


def test_the_task_of_a_dead_letter_fails(stage: Stage) -> None:
    stage.submit(READ, ONE)
    stage.pipeline.end_dead_letters()
    stage.tell()
    answer = stage.answers[ONE]
    assert isinstance(answer, TaskFailure)
    assert answer.error == "attempts-spent"


def test_each_command_of_a_batch_has_its_own_token(stage: Stage) -> None:
    answer = post(
        stage.pipeline,
        {**create("Tent"), "task_token": ONE},
        {**READ, "task_token": TWO},
        {"operation": "fly", "task_token": THREE},
        READ,
    )
    assert kinds(answer) == ["queued", "queued", "400", "queued"]
    stage.settle()
    assert {token: type(each) for token, each in stage.answers.items()} == {ONE: TaskSuccess, TWO: TaskFailure}


def test_merges_that_are_folded_answer_each_token(stage: Stage) -> None:
    tent = stage.pipeline.do("POST", "/items", {"name": "Tent", "description": "d"})["item_id"]
    for n, token in enumerate(TOKENS):
        stage.submit(merge(tent, n=n), token, headers={"idempotency-key": token})
    stage.settle()
    results = [json.loads(each.output)["result"]["n"] for each in stage.answers.values()]  # type: ignore[union-attr]
    assert results == [0, 1, 2, 3]


# --- it is no part of the command ---------------------------------------------------------------------------------


def test_commands_that_differ_in_their_tokens_are_the_same_command() -> None:
    one = parse_command({**READ, "task_token": ONE}, new_item_id="")
    other = parse_command(READ, new_item_id="")
    assert fingerprint(one) == fingerprint(other)
    assert one.to_raw() == other.to_raw()
    assert decode_command(one.to_raw(), ItemRef("items", "", "missing")) == other


def test_an_operation_of_a_collection_does_not_get_the_token() -> None:
    raw = {"operation": "ship", "collection": "orders", "item_id": "i", "carrier": "dhl", "task_token": ONE}
    command = parse_command(raw, new_item_id="", registry=shop())
    assert command.task_token == ONE
    assert command.members() == {"item_id": "i", "carrier": "dhl"}


def test_the_token_is_in_no_answer_message_log_and_representation(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    stage.tasks.refusals[TWO] = AnswerRefused("AccessDeniedException: no")
    answers = [
        stage.submit(create("Tent"), ONE),
        stage.submit(create("Tent"), TWO),
        post(stage.pipeline, {**create("Hut"), "task_token": THREE}, {**READ, "task_token": FOUR}),
        post(stage.pipeline, {**READ, "task_token": ONE}, {"operation": "fly", "task_token": TWO}),
    ]
    assert len(stage.pipeline.queue.waiting) == 4
    shown = [str(each) for each in stage.pipeline.queue.waiting]
    job_id, batch_id = answers[0].json["id"], answers[2].json["id"]
    read = [f"/jobs/{job_id}", "/jobs", "/jobs?status=failed", f"/batches/{batch_id}", "/stats"]
    shown += [stage.pipeline.request("GET", each).text for each in read]
    stage.settle()
    shown += [stage.pipeline.request("GET", each).text for each in read]
    shown += [str(stage.pipeline.jobs.rows), str(stage.pipeline.batches.rows), str(stage.queue)]
    shown += [each.text for each in answers] + [str(vars(record)) for record in caplog.records]
    assert "task answered" in caplog.messages
    assert not [text for text in shown if "AAAA-token" in text]


def test_a_failed_job_does_not_keep_the_token_with_its_command(stage: Stage) -> None:
    job = stage.job(stage.submit(READ, ONE))
    stage.settle()
    kept = stage.pipeline.jobs.rows[job.job_id].kept
    assert kept is not None
    assert json.loads(kept.command or "") == READ


def test_the_row_has_the_token_and_earlier_rows_have_none() -> None:
    stage = Stage()
    job = stage.job(stage.submit(READ, ONE))
    row = job_to_row(job)
    assert row["task_token"] == {"S": ONE}
    assert job_from_row(row) == job
    del row["task_token"]
    assert job_from_row(row).task_token is None
    assert "task_token" not in job_to_row(replace(job, task_token=None))


# --- refusals -----------------------------------------------------------------------------------------------------

WRONG: list[Any] = [None, 7, True, "", "x" * 2049, [], {"token": "x"}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_token_that_is_none_is_refused(stage: Stage, wrong: Any) -> None:
    before = stage.pipeline.state()
    answer = stage.pipeline.request("POST", "/jobs", {**READ, "task_token": wrong})
    assert (answer.status, slug(answer)) == (400, "invalid-request")
    assert answer.json["errors"][0]["pointer"] == "#/task_token"
    assert str(wrong) not in answer.json["detail"] or wrong in {None, 7, True, ""}
    alone = post(stage.pipeline, {**READ, "task_token": wrong})
    assert (alone.status, alone.json["errors"][0]["pointer"]) == (400, "#/commands/0/task_token")
    assert stage.pipeline.state() == before
    assert not stage.queue.calls


def test_the_longest_token_is_taken(stage: Stage) -> None:
    token = "é" * 2048
    stage.submit(READ, token)
    stage.settle()
    assert token in stage.answers


def test_a_text_with_half_a_character_is_refused(stage: Stage) -> None:
    raw = '{"operation": "read", "item_id": "i", "task_token": "\\ud800"}'
    answer = stage.pipeline.request("POST", "/jobs", raw=raw)
    assert (answer.status, slug(answer)) == (400, "invalid-request")
    assert not stage.pipeline.jobs.rows


@pytest.mark.parametrize("events", [True, False])
def test_a_stage_that_answers_no_tokens_refuses_them(events: bool) -> None:
    pipeline = Pipeline(events=events, owner_rate=0.001)
    before = pipeline.state()
    for _ in range(3):
        answer = pipeline.request("POST", "/jobs", {**READ, "task_token": ONE})
        assert (answer.status, slug(answer)) == (409, "task-tokens-off")
        assert "TaskTokens" in answer.json["detail"]
        answer = post(pipeline, *[READ] * 60, {**READ, "task_token": ONE})
        assert (answer.status, slug(answer)) == (409, "task-tokens-off")
    assert pipeline.state() == before
    assert pipeline.request("POST", "/jobs", READ).status == 202, "the owner's allowance was not spent"


def test_only_raw_commands_have_tokens(stage: Stage) -> None:
    pipeline = Pipeline(registry=shop(), tasks=stage.queue)
    answer = pipeline.request("POST", "/orders/1/ship", {"carrier": "dhl", "task_token": ONE})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/task_token")
    assert "POST /jobs" in answer.json["detail"]
