"""A task token is answered when the job has ended: the last one given, whatever happens at the same time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.command_parsing import decode_command, parse_command
from jobpipe.domain.commands import fingerprint
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import AnswerRefused, JobEnded, UndecodableMessage
from jobpipe.domain.events.ended_jobs import WaitingTask, decode_ended, encode_ended, encode_task
from jobpipe.domain.events.task_answer import TaskFailure, TaskSuccess
from jobpipe.domain.job import Job, Status
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row
from tests.helpers.batches import create, kinds, merge, post
from tests.helpers.job_states import interpose, slug, unavailable
from tests.helpers.memory.bus import MemoryBus
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.memory.tasks import MemoryTasks
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.shop import shop
from tests.helpers.telling import World
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.telling.consumers import events_consumer
from worker_lambda.chalicelib.telling.tell import tell

KEY = {"idempotency-key": "order-7"}
TOKENS = [f"AAAA-token-{n}" for n in range(4)]
ONE, TWO, THREE, FOUR = TOKENS
READ = {"operation": "read", "item_id": "missing"}


@dataclass
class Stage:
    """A stage with TaskTokens: the API, the worker, and the function that tells."""

    queue: MemoryEvents = field(default_factory=MemoryEvents)
    tasks: MemoryTasks = field(default_factory=MemoryTasks)
    pipeline: Pipeline = field(init=False)
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.pipeline = Pipeline(event_queue=self.queue, tasks=self.queue)
        self.world = World(jobs=self.pipeline.jobs, tasks=self.tasks)

    @property
    def answers(self) -> dict[str, TaskSuccess | TaskFailure]:
        return self.tasks.answers

    def submit(self, raw: Any, token: str | None = None, **options: Any) -> Answer:
        given = raw if token is None else {**raw, "task_token": token}
        answer = self.pipeline.request("POST", "/jobs", given, **{"headers": KEY, **options})
        assert answer.status == 202, answer.text
        return answer

    def tell(self) -> None:
        """Tell what is on the queue of events."""
        bodies = [encode_ended(jobs) for _, jobs in self.queue.told]
        bodies += [encode_task(task) for task in self.queue.tasks]
        self.queue.told, self.queue.tasks = [], []
        for body in bodies:
            tell(self.world.message(body), self.world.services, lambda: 20.0)

    def settle(self) -> None:
        self.pipeline.drain()
        self.tell()

    def job(self, answer: Answer) -> Job:
        return self.pipeline.jobs.rows[answer.json["id"]]


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


# --- what the function that tells does ----------------------------------------------------------------------------


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
    tell(world.message(encode_task(WaitingTask(world.ended(task_token=ONE).job_id))), world.services, lambda: 20.0)


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
    tell(world.message(body), world.services, lambda: 20.0)


def test_a_token_is_not_stored_with_another_job_of_the_same_id() -> None:
    """A job has expired, and its key was used for another command."""
    stage = Stage()
    job = stage.job(stage.submit(READ, ONE))
    later = replace(job, created_at=rfc3339(datetime.now(UTC) + timedelta(days=60)), status=Status.QUEUED)
    stage.pipeline.jobs.write(later)
    with pytest.raises(JobEnded):
        stage.pipeline.jobs.give_task_token(job, TWO, datetime.now(UTC))


def test_merges_that_are_folded_answer_each_token(stage: Stage) -> None:
    tent = stage.pipeline.do("POST", "/items", {"name": "Tent", "description": "d"})["item_id"]
    for n, token in enumerate(TOKENS):
        stage.submit(merge(tent, n=n), token, headers={"idempotency-key": token})
    stage.settle()
    results = [json.loads(each.output)["result"]["n"] for each in stage.answers.values()]  # type: ignore[union-attr]
    assert results == [0, 1, 2, 3]
