"""A repeated request and a retry can give a job another task token, and the last one is answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import JobEnded
from jobpipe.domain.events.task_answer import TaskSuccess
from jobpipe.domain.jobs.job import Job, Status
from tests.helpers.batches import create, kinds, post
from tests.helpers.job_states import interpose, slug, unavailable
from tests.helpers.pipeline import Answer
from tests.helpers.task_tokens import FOUR, KEY, ONE, READ, THREE, TWO, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


# --- the last token counts ----------------------------------------------------------------------------------------


def test_a_repeated_request_replaces_the_token_of_an_unfinished_job(stage: Stage) -> None:
    first = stage.submit(READ, ONE)
    again = stage.submit(READ, TWO)
    assert again.json == first.json
    stage.submit(READ)  # none leaves it as it is
    stage.settle()
    assert [*stage.answers] == [TWO]


def test_a_token_can_be_given_to_a_job_that_had_none(stage: Stage) -> None:
    stage.submit(READ)
    stage.submit(READ, ONE)
    stage.settle()
    assert [*stage.answers] == [ONE]


@pytest.mark.parametrize("is_told", [True, False])
def test_a_job_that_has_ended_answers_a_later_token(stage: Stage, *, is_told: bool) -> None:
    stage.submit(READ, ONE)
    stage.pipeline.drain()
    if is_told:
        stage.tell()
        assert [*stage.answers] == [ONE]
    stage.submit(READ, TWO)
    stage.tell()
    assert TWO in stage.answers
    assert len(stage.answers) == 1 + is_told
    assert not stage.pipeline.queue.waiting, "no command is queued for it"


def test_the_same_token_of_an_ended_job_is_answered_again(stage: Stage) -> None:
    """The request that stored the token may have failed before it could send the answer."""
    stage.submit(READ)
    stage.pipeline.drain()
    stage.queue.is_down = True
    answer = stage.pipeline.request("POST", "/jobs", {**READ, "task_token": ONE}, headers=KEY)
    assert (answer.status, slug(answer)) == (503, "unavailable")
    stage.queue.is_down = False
    stage.submit(READ, ONE)
    stage.tell()
    assert [*stage.answers] == [ONE]


def test_nothing_more_is_called_for_a_token_that_the_unfinished_job_has(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.submit(READ, ONE)
    post(stage.pipeline, {**READ, "task_token": ONE}, headers={"idempotency-key": "b"})
    monkeypatch.setattr(stage.pipeline.jobs, "give_task_token", unavailable)
    stage.submit(READ, ONE)
    assert kinds(post(stage.pipeline, {**READ, "task_token": ONE}, headers={"idempotency-key": "b"})) == ["queued"]
    assert not stage.queue.calls


def test_the_job_ends_while_its_token_is_replaced(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is told with the first token, and the update shows that it came before."""
    stage.submit(READ, ONE)
    interpose(monkeypatch, stage.pipeline.jobs, "give_task_token", stage.settle)
    stage.submit(READ, TWO)
    assert [*stage.answers] == [ONE]
    stage.tell()
    assert [*stage.answers] == [ONE, TWO]


def test_the_job_ends_before_the_function_that_tells_reads_it(stage: Stage) -> None:
    stage.submit(READ, ONE)
    stage.pipeline.drain()
    stage.submit(READ, TWO)  # between the end and its event
    stage.tell()
    assert [*stage.answers] == [TWO], "a token that is not the last one needs no answer"


def test_a_put_that_botocore_repeats_does_not_replace_a_later_token(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is lost, another request gives its own token, and the repeated put finds its own row."""
    put_new = stage.pipeline.jobs.put_new

    def put_twice(job: Job, at: datetime) -> Job | None:
        assert put_new(job, at) is None
        monkeypatch.setattr(stage.pipeline.jobs, "put_new", put_new)
        stage.submit(READ, TWO)
        return put_new(job, at)

    monkeypatch.setattr(stage.pipeline.jobs, "put_new", put_twice)
    stage.submit(READ, ONE)
    stage.settle()
    assert [*stage.answers] == [TWO]


def test_another_command_with_the_same_key_does_not_get_its_token_stored(stage: Stage) -> None:
    job = stage.job(stage.submit(READ, ONE))
    answer = stage.pipeline.request("POST", "/jobs", {**create("Tent"), "task_token": TWO}, headers=KEY)
    assert answer.status == 422
    assert stage.pipeline.jobs.rows[job.job_id].task_token == ONE


def test_a_token_is_not_stored_with_another_job_of_the_same_id() -> None:
    """A job has expired, and its key was used for another command."""
    stage = Stage()
    job = stage.job(stage.submit(READ, ONE))
    later = replace(job, created_at=rfc3339(datetime.now(UTC) + timedelta(days=60)), status=Status.QUEUED)
    stage.pipeline.jobs.write(later)
    with pytest.raises(JobEnded):
        stage.pipeline.jobs.give_task_token(job, TWO, datetime.now(UTC))


def test_a_job_that_expires_meanwhile_is_a_503(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = stage.job(stage.submit(READ, ONE))
    expire = lambda: stage.pipeline.jobs.write(replace(job, expires_at=0))  # noqa: E731
    interpose(monkeypatch, stage.pipeline.jobs, "give_task_token", expire)
    answer = stage.pipeline.request("POST", "/jobs", {**READ, "task_token": TWO}, headers=KEY)
    assert (answer.status, slug(answer)) == (503, "unavailable")
    stage.submit(READ, TWO)  # is a new job
    stage.settle()
    assert TWO in stage.answers


def test_a_repeated_batch_replaces_its_tokens(stage: Stage) -> None:
    def ask(*tokens: str) -> Answer:
        reads = [{**READ, "item_id": f"i{n}", "task_token": token} for n, token in enumerate(tokens)]
        return post(stage.pipeline, *reads, {"operation": "fly", "task_token": tokens[0]}, READ, headers=KEY)

    first = ask(ONE, TWO)
    stage.pipeline.work(most=1)  # the first job ends
    again = ask(THREE, FOUR)
    assert again.json["id"] == first.json["id"]
    assert kinds(again) == ["failed", "queued", "400", "queued"]
    stage.settle()
    assert {*stage.answers} == {THREE, FOUR}


def test_a_batch_says_which_tokens_it_could_not_store(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(token: str) -> Answer:
        reads = [{**READ, "item_id": f"i{n}", "task_token": f"{token}{n}"} for n in range(3)]
        return post(stage.pipeline, *reads, headers=KEY)

    ask("a")
    give, given = stage.pipeline.jobs.give_task_token, list[Job]()

    def give_once(job: Job, token: str, at: datetime) -> Job:
        if given:
            unavailable()
        given.append(job)
        return give(job, token, at)

    monkeypatch.setattr(stage.pipeline.jobs, "give_task_token", give_once)
    assert kinds(ask("b")) == ["queued", "503", "503"]
    monkeypatch.setattr(stage.pipeline.jobs, "give_task_token", lambda *_: 1 / 0)
    answer = ask("c")
    assert (answer.status, slug(answer)) == (500, "internal-error")
    monkeypatch.setattr(stage.pipeline.jobs, "give_task_token", give)
    stage.pipeline.context.milliseconds = 14_000
    assert ask("d").status == 503, "there is no time left"
    stage.pipeline.context.milliseconds = 29_000
    assert kinds(ask("e")) == ["queued"] * 3
    stage.settle()
    assert {*stage.answers} == {"e0", "e1", "e2"}


# --- retries ------------------------------------------------------------------------------------------------------


def retry(stage: Stage, answer: Answer) -> None:
    assert stage.pipeline.request("POST", f"/jobs/{answer.json['id']}/retry").status == 202


def test_after_a_retry_a_token_that_was_answered_is_answered_again_in_vain(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = stage.submit(READ, ONE)
    stage.settle()
    retry(stage, accepted)
    stage.settle()
    assert (len(stage.answers), stage.tasks.calls) == (1, 2)
    assert "task not answered: nobody waits for the job any more (TaskTimedOut)" in caplog.messages


def test_an_end_that_a_retry_undoes_is_not_answered_and_the_next_one_is(stage: Stage) -> None:
    tent = stage.pipeline.do("POST", "/items", {"name": "Tent", "description": "d"})
    stage.queue.told = []
    accepted = stage.submit(create("Tent"), ONE)
    stage.pipeline.drain()  # it fails, and its event is not read yet
    stage.pipeline.do("DELETE", f"/items/{tent['item_id']}")
    retry(stage, accepted)
    stage.tell()
    assert not stage.answers
    stage.settle()
    assert isinstance(stage.answers[ONE], TaskSuccess)


def test_a_token_that_is_given_after_a_retry_is_answered_at_its_end(stage: Stage) -> None:
    accepted = stage.submit(READ, ONE)
    stage.settle()
    stage.submit(READ, TWO)  # its message is read when the job is queued again
    retry(stage, accepted)
    stage.tell()
    assert [*stage.answers] == [ONE]
    stage.settle()
    assert [*stage.answers] == [ONE, TWO]
