"""P1, P3, P4, P7 and P9 of batches: what a 202 says of each command, and what the same Idempotency-Key means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.batch import MAX_COMMANDS, parse_batch
from jobpipe.dynamodb_rows import batch_to_row
from jobpipe.errors import InternalError, NotFound, ProblemError, Unavailable
from jobpipe.item_rules import MAX_DOCUMENT_BYTES
from jobpipe.job import Status, is_job_id
from jobpipe.limits import MAX_COMMAND_BYTES
from jobpipe.queue_message import Envelope
from tests.pipeline import Answer, Pipeline

KEY = {"idempotency-key": "order-7"}
Taken = Callable[[Envelope], bool]


def create(name: str, **more: Any) -> dict[str, Any]:
    return {"operation": "create", "item": {"name": name, "description": "d", **more}}


def merge(item_id: str, **fields: Any) -> dict[str, Any]:
    return {"operation": "update", "item_id": item_id, "merge": fields}


def post(pipeline: Pipeline, *commands: Any, **options: Any) -> Answer:
    return pipeline.request("POST", "/batches", {"commands": list(commands)}, **options)


def shown(pipeline: Pipeline, answer: Answer, **options: Any) -> Any:
    found = pipeline.request("GET", f"/batches/{answer.json['id']}", **options)
    assert found.status == 200, found.text
    return found.json


def kinds(answer: Answer) -> list[str]:
    """Of each entry its job's status, or its problem's."""
    return [
        entry["job"]["status"] if "job" in entry else str(entry["problem"]["status"])
        for entry in answer.json["entries"]
    ]


def an_item(pipeline: Pipeline, name: str = "Tent") -> str:
    return str(pipeline.do("POST", "/items", {"name": name, "description": "d"})["item_id"])


def break_sending(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, taken: Taken, why: ProblemError | None = None
) -> None:
    """SQS takes those of a call that it is to take, and says so."""
    send = pipeline.queue.send_batch

    def some(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        good = [each for each in envelopes if taken(each)]
        if good:
            send(good)
        return {each.deduplication_id: why or Unavailable("no") for each in envelopes if each not in good}

    monkeypatch.setattr(pipeline.queue, "send_batch", some)


def silence(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, after: int = 0, lands: bool = False
) -> list[int]:
    """After so many calls SQS does not answer any more; how many messages each call had."""
    send, calls = pipeline.queue.send_batch, list[int]()

    def broken(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        calls.append(len(envelopes))
        if len(calls) <= after or lands:
            send(envelopes)
        if len(calls) > after:
            raise Unavailable("The command queue did not answer.")
        return {}

    monkeypatch.setattr(pipeline.queue, "send_batch", broken)
    return calls


# --- what becomes of the commands ---------------------------------------------------------------------------------


def test_each_command_becomes_a_job_of_its_own(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    answer = post(pipeline, create("Yurt"), merge(tent, n=1), {"operation": "read", "item_id": tent})
    assert answer.status == 202
    assert answer.headers["location"] == f"batches/{answer.json['id']}"
    assert answer.headers["retry-after"] == "1"
    assert kinds(answer) == ["queued"] * 3
    assert [entry["job"]["operation"] for entry in answer.json["entries"]] == ["create", "update", "read"]
    assert not answer.json["done"]
    pipeline.drain()
    after = shown(pipeline, answer)
    assert after["done"]
    assert after["counts"] == {**dict.fromkeys(answer.json["counts"], 0), "succeeded": 3}
    read = pipeline.request("GET", f"/jobs/{after['entries'][2]['job']['id']}").json
    assert read["result"]["n"] == 1
    yurt = pipeline.request("GET", f"/items/{after['entries'][0]['job']['item_id']}")
    assert yurt.json["name"] == "Yurt"
    pipeline.check_consistent()


def test_a_full_batch_of_different_items_takes_ten_calls(pipeline: Pipeline) -> None:
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(MAX_COMMANDS)))
    assert answer.status == 202
    assert kinds(answer) == ["queued"] * MAX_COMMANDS
    assert [len(groups) for groups in pipeline.queue.calls] == [10] * 10
    assert len({entry["job"]["id"] for entry in answer.json["entries"]}) == MAX_COMMANDS
    pipeline.drain()
    assert shown(pipeline, answer)["counts"]["succeeded"] == MAX_COMMANDS
    pipeline.check_consistent()


def test_commands_of_one_item_go_one_by_one_in_their_order(pipeline: Pipeline) -> None:
    tent, yurt = an_item(pipeline), an_item(pipeline, "Yurt")
    answer = post(pipeline, *(merge(each, n=n) for n in range(3) for each in (tent, yurt)))
    assert pipeline.queue.calls == [[tent, yurt]] * 3
    pipeline.drain()
    assert shown(pipeline, answer)["counts"]["succeeded"] == 6
    for each in (tent, yurt):
        assert pipeline.request("GET", f"/items/{each}").json["n"] == 2


def test_two_of_one_name_do_not_both_succeed(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), create("Tent"))
    pipeline.drain()
    assert sorted(kinds(pipeline.request("GET", f"/batches/{answer.json['id']}"))) == ["failed", "succeeded"]


def test_commands_beyond_a_messages_size_travel_as_claim_checks(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    large = "x" * MAX_COMMAND_BYTES
    answer = post(
        pipeline, merge(tent, n=1), merge(tent, n=2, text=large), merge(tent, n=3), create("L", text=large)
    )
    assert kinds(answer) == ["queued"] * 4
    assert len(pipeline.documents.keys("claims/")) == 2
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 3
    pipeline.check_consistent()


# --- what is refused ----------------------------------------------------------------------------------------------


def test_a_bad_command_is_refused_by_itself(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), {"operation": "create", "item": {"name": 7}}, [], create("Yurt"))
    assert kinds(answer) == ["queued", "400", "400", "queued"]
    pointers = [e["problem"]["errors"][0]["pointer"] for e in answer.json["entries"] if "problem" in e]
    assert pointers == ["#/commands/1/item/description", "#/commands/2"]
    assert answer.json["counts"]["refused"] == 2
    pipeline.drain()
    after = shown(pipeline, answer)
    assert after["done"]
    assert after["entries"][1:3] == answer.json["entries"][1:3], "and it stays in the batch"
    assert after["counts"]["succeeded"] == after["counts"]["refused"] == 2
    assert len(pipeline.items.rows) == 2


def test_a_document_that_grows_too_large_is_refused_by_itself(pipeline: Pipeline) -> None:
    many = ",".join(["1e15"] * (MAX_DOCUMENT_BYTES // 10))
    grown = f'{{"operation":"create","item":{{"name":"n","description":"d","x":[{many}]}}}}'
    raw = f'{{"commands":[{grown},{json.dumps(create("Tent"))}]}}'
    answer = pipeline.request("POST", "/batches", raw=raw)
    assert kinds(answer) == ["413", "queued"]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ([], 400, None),
        ({}, 400, "#/commands"),
        ({"commands": {}}, 400, "#/commands"),
        ({"commands": []}, 400, "#/commands"),
        ({"commands": [create(f"{n}") for n in range(MAX_COMMANDS + 1)]}, 400, "#/commands"),
        ({"commands": [create("Tent")], "atomic": True}, 400, "#"),
        ({"commands": [create("x" * MAX_DOCUMENT_BYTES)]}, 413, None),
        ({"commands": [{"operation": "fly"}, 7]}, 400, "#/commands/0/operation"),
    ],
)
def test_what_is_no_batch_leaves_no_trace(pipeline: Pipeline, body: Any, status: int, pointer: str | None) -> None:
    before = pipeline.state()
    answer = pipeline.request("POST", "/batches", body, headers=KEY)
    assert answer.status == status, answer.text
    if pointer is not None:
        assert answer.json["errors"][0]["pointer"] == pointer
    assert pipeline.state() == before


def test_if_no_command_is_valid_each_error_is_told(pipeline: Pipeline) -> None:
    answer = post(pipeline, {"operation": "fly"}, 7, {"operation": "delete"})
    assert answer.status == 400
    assert [error["pointer"] for error in answer.json["errors"]] == [
        *("#/commands/0/operation", "#/commands/1", "#/commands/2/item_id")
    ]


@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_a_precondition_of_the_whole_is_refused(pipeline: Pipeline, header: str) -> None:
    assert post(pipeline, create("Tent"), headers={header: "*"}).status == 400
    assert not pipeline.jobs.rows


# --- idempotency --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, MAX_COMMANDS])
def test_the_same_key_is_the_same_batch(pipeline: Pipeline, size: int) -> None:
    commands = [create(f"Tent {n}") for n in range(size)]
    first = post(pipeline, *commands, headers=KEY)
    again = post(pipeline, *commands, headers=KEY)
    assert first.status == again.status == 202
    assert first.json == again.json
    pipeline.drain()
    assert len(pipeline.items.rows) == size
    ended = post(pipeline, *commands, headers=KEY)
    assert ended.json["counts"]["succeeded"] == size
    assert not pipeline.queue.waiting
    pipeline.check_consistent()


def test_a_replay_after_deduplication_lapsed_takes_effect_once(pipeline: Pipeline) -> None:
    tent = an_item(pipeline)
    commands = [create("Yurt"), merge(tent, n=1), merge(tent, n=2)]
    first = post(pipeline, *commands, headers=KEY)
    pipeline.queue.seen.clear()
    post(pipeline, *commands, headers=KEY)
    assert len(pipeline.queue.waiting) == 6
    pipeline.drain()
    assert shown(pipeline, first)["counts"]["succeeded"] == 3
    assert all(job.attempts == 1 for job in pipeline.jobs.rows.values())
    pipeline.check_consistent()


@pytest.mark.parametrize(
    "other",
    [
        [create("Tent")],
        [create("Yurt"), create("Tent")],
        [create("Tent"), create("Yurt", n=1)],
        [create("Tent"), create("Yurt"), create("Third")],
        [create("Tent"), {"operation": "create", "item": {}}],
    ],
)
def test_the_same_key_for_another_batch_is_refused(pipeline: Pipeline, other: list[Any]) -> None:
    post(pipeline, create("Tent"), create("Yurt"), headers=KEY)
    before = pipeline.state()
    answer = post(pipeline, *other, headers=KEY)
    assert answer.status == 422
    assert answer.json["type"] == "urn:jobpipe:problem:idempotency-key-reused"
    assert pipeline.state() == before


def test_what_is_refused_is_part_of_the_batch(pipeline: Pipeline) -> None:
    bad, worse = {"operation": "fly"}, {"operation": "\ud800"}
    first = post(pipeline, create("Tent"), bad, headers=KEY)
    assert post(pipeline, create("Tent"), bad, headers=KEY).json == first.json
    assert post(pipeline, create("Tent"), worse, headers=KEY).status == 422


def test_what_other_rules_refuse_is_another_batch() -> None:
    """Of a release before or after: it must not take the ids of other commands."""
    raw = {"commands": [create("Tent"), create("Yurt")]}

    def refuse(command: Any) -> None:
        if command.document["name"] == "Yurt":
            raise NotFound("no")

    assert parse_batch(raw, refuse).fingerprint != parse_batch(raw, lambda _: None).fingerprint


def test_a_key_of_a_job_and_of_a_batch_are_two(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/jobs", create("Tent"), headers=KEY)
    batch = post(pipeline, create("Yurt"), headers=KEY)
    assert (job.status, batch.status) == (202, 202)
    assert post(pipeline, create("Yurt"), headers=KEY).json == batch.json
    assert pipeline.request("POST", "/jobs", create("Tent"), headers=KEY).json == job.json


def test_a_key_belongs_to_its_caller(pipeline: Pipeline) -> None:
    alice = post(pipeline, create("Tent"), headers=KEY)
    bob = post(pipeline, create("Yurt"), headers=KEY, owner="bob")
    assert (alice.status, bob.status) == (202, 202)
    assert alice.json["id"] != bob.json["id"]


def test_a_replay_goes_on_where_a_crash_has_left_it(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred commands the last job is stored after the others."""
    commands = [create(f"Tent {n}") for n in range(MAX_COMMANDS)]

    def broken(*_: object) -> bool:
        raise Unavailable("The jobs table did not answer.")

    with monkeypatch.context() as crash:
        crash.setattr(pipeline.batches, "put_rest", broken)
        assert post(pipeline, *commands, headers=KEY).status == 503
    assert len(pipeline.jobs.rows) == MAX_COMMANDS - 1
    assert not pipeline.queue.waiting
    assert kinds(post(pipeline, *commands, headers=KEY)) == ["queued"] * MAX_COMMANDS
    pipeline.drain()
    assert len(pipeline.items.rows) == MAX_COMMANDS
    pipeline.check_consistent()


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("why", [Unavailable("The jobs table did not answer."), ZeroDivisionError()])
def test_without_a_key_a_batch_that_is_stored_in_part_leaves_no_job_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, why: Exception, lands: bool
) -> None:
    put_rest = pipeline.batches.put_rest

    def broken(*what: Any) -> bool:
        if lands:
            put_rest(*what)
        raise why

    monkeypatch.setattr(pipeline.batches, "put_rest", broken)
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(MAX_COMMANDS)))
    assert answer.status == (503 if isinstance(why, Unavailable) else 500)
    assert len(pipeline.jobs.rows) == MAX_COMMANDS - (not lands)
    assert {job.status for job in pipeline.jobs.rows.values()} == {Status.FAILED}
    assert not pipeline.queue.waiting


def test_jobs_that_cannot_be_ended_either_do_not_take_all_the_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = list[object]()

    def broken(*what: object, **_: object) -> bool:
        tries.append(what)
        raise Unavailable("The jobs table did not answer.")

    monkeypatch.setattr(pipeline.batches, "put_rest", broken)
    monkeypatch.setattr(pipeline.jobs, "fail", broken)
    assert post(pipeline, *(create(f"Tent {n}") for n in range(MAX_COMMANDS))).status == 503
    assert len(tries) == 2


def test_two_requests_at_once_are_one_batch(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one stores the last job while the first is about to: its generation counts."""
    commands = [create(f"Tent {n}") for n in range(MAX_COMMANDS)]
    put_rest, others = pipeline.batches.put_rest, list[Answer]()

    def overtaken(*what: Any) -> bool:
        monkeypatch.setattr(pipeline.batches, "put_rest", put_rest)
        others.append(post(pipeline, *commands, headers=KEY))
        return put_rest(*what)

    monkeypatch.setattr(pipeline.batches, "put_rest", overtaken)
    assert post(pipeline, *commands, headers=KEY).json == others[0].json
    pipeline.drain()
    assert len(pipeline.items.rows) == MAX_COMMANDS
    pipeline.check_consistent()


def test_jobs_that_have_expired_are_not_done_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """They end sooner than their batch, whose key is not free yet."""
    first = post(pipeline, create("Tent"), create("Yurt"), headers=KEY)
    pipeline.drain()
    later = datetime.now(UTC) + timedelta(days=8)
    for module in ("submit_batch", "batches"):
        monkeypatch.setattr(f"api_lambda.chalicelib.{module}.now", lambda: later)
    again = post(pipeline, create("Tent"), create("Yurt"), headers=KEY)
    assert again.status == 202
    assert again.json["id"] == first.json["id"]
    assert kinds(again) == ["404", "404"]
    assert again.json["done"]
    assert shown(pipeline, first)["counts"]["expired"] == 2
    assert not pipeline.queue.waiting


def test_an_expired_key_is_free_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    first = post(pipeline, create("Tent"), headers=KEY)
    pipeline.drain()
    later = datetime.now(UTC) + timedelta(days=36)
    monkeypatch.setattr("api_lambda.chalicelib.submit_batch.now", lambda: later)
    other = post(pipeline, create("Yurt"), headers=KEY)
    assert other.json["id"] == first.json["id"]
    assert other.json["entries"][0]["job"]["id"] != first.json["entries"][0]["job"]["id"]
    assert other.json["entries"][0]["job"]["item_id"] not in pipeline.items.rows


# --- when SQS does not take it all --------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [KEY, {}])
def test_after_a_message_that_was_not_taken_its_items_later_ones_are_refused(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    tent, yurt = an_item(pipeline), an_item(pipeline, "Yurt")
    commands = [merge(tent, n=0), merge(yurt, n=0), merge(tent, n=1), merge(yurt, n=1), merge(tent, n=2)]
    with monkeypatch.context() as outage:
        break_sending(pipeline, outage, lambda each: '"n":1' not in each.body or yurt in each.body)
        answer = post(pipeline, *commands, headers=headers)
    assert answer.status == 202
    assert kinds(answer) == ["queued", "queued", "503", "queued", "503"]
    assert answer.json["counts"]["refused"] == 2
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 0
    assert pipeline.request("GET", f"/items/{yurt}").json["n"] == 1
    after = shown(pipeline, answer)
    if headers:
        assert after["counts"]["queued"] == 2, "they wait for the same request"
        assert kinds(post(pipeline, *commands, headers=headers)) == [
            *("succeeded", "succeeded", "queued", "succeeded", "queued")
        ]
        pipeline.drain()
        assert pipeline.request("GET", f"/items/{tent}").json["n"] == 2
    else:
        assert after["counts"]["failed"] == 2, "nobody will ask for them"
    pipeline.check_consistent()


@pytest.mark.parametrize("lands", [True, False])
@pytest.mark.parametrize("headers", [KEY, {}])
def test_when_sqs_does_not_answer_nothing_more_is_sent(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], lands: bool
) -> None:
    """Each call would hang as long, and API Gateway does not wait for a minute."""
    commands = [create(f"Tent {n}") for n in range(30)]
    with monkeypatch.context() as outage:
        calls = silence(pipeline, outage, after=1, lands=lands)
        answer = post(pipeline, *commands, headers=headers)
    assert calls == [10, 10]
    assert kinds(answer) == ["queued"] * 10 + ["503"] * 20
    pipeline.drain()
    if headers:
        post(pipeline, *commands, headers=headers)
        pipeline.drain()
    assert len(pipeline.items.rows) == (30 if headers else 10)
    pipeline.check_consistent()


@pytest.mark.parametrize("headers", [KEY, {}])
def test_if_nothing_could_be_queued_it_is_a_503_as_a_whole(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    with monkeypatch.context() as outage:
        silence(pipeline, outage)
        answer = post(pipeline, create("Tent"), 7, create("Yurt"), headers=headers)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    statuses = {job.status for job in pipeline.jobs.rows.values()}
    assert statuses == ({Status.QUEUED} if headers else {Status.FAILED})
    replay = post(pipeline, create("Tent"), 7, create("Yurt"), headers=headers)
    assert kinds(replay) == ["queued", "400", "queued"]
    pipeline.drain()
    assert len(pipeline.items.rows) == 2
    pipeline.check_consistent()


def test_without_a_key_what_landed_and_took_effect_is_a_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = pipeline.queue.send_batch

    def lost_answer(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        send(envelopes)
        pipeline.drain()
        raise Unavailable("The command queue did not answer.")

    monkeypatch.setattr(pipeline.queue, "send_batch", lost_answer)
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(12)))
    assert kinds(answer) == ["succeeded"] * 10 + ["503"] * 2


def test_a_fault_of_ours_is_no_outage(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    break_sending(pipeline, monkeypatch, lambda each: "Tent" in each.body, InternalError("no"))
    assert kinds(post(pipeline, create("Tent"), create("Yurt"))) == ["queued", "500"]


def test_when_too_little_time_is_left_the_rest_is_not_begun(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = pipeline.queue.send_batch

    def slow(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        pipeline.context.milliseconds = 10_000
        return send(envelopes)

    with monkeypatch.context() as slowly:
        slowly.setattr(pipeline.queue, "send_batch", slow)
        answer = post(pipeline, *(create(f"Tent {n}") for n in range(12)), headers=KEY)
    assert kinds(answer) == ["queued"] * 10 + ["503"] * 2
    answer = post(pipeline, create("Yurt"), headers={"idempotency-key": "late"})
    assert (answer.status, len(pipeline.queue.waiting)) == (503, 10), "not even the first"


def test_a_fault_in_a_later_call_hides_nothing_that_is_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, calls = pipeline.queue.send_batch, list[int]()

    def second_fails(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        calls.append(len(envelopes))
        if len(calls) > 1:
            raise ZeroDivisionError
        return send(envelopes)

    monkeypatch.setattr(pipeline.queue, "send_batch", second_fails)
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(30)))
    assert (answer.status, kinds(answer)) == (202, ["queued"] * 10 + ["500"] * 20)
    assert shown(pipeline, answer)["counts"]["failed"] == 20, "nobody will send them again"


@pytest.mark.parametrize("why", [Unavailable("no"), ZeroDivisionError()])
def test_a_fault_in_ending_the_others_hides_nothing_that_is_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, why: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise why

    silence(pipeline, monkeypatch, after=1)
    monkeypatch.setattr(pipeline.jobs, "fail", broken)
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(30)))
    assert (answer.status, kinds(answer)) == (202, ["queued"] * 10 + ["503"] * 20)
    assert [record.message for record in caplog.records].count("jobs that nobody will ask for stay queued") == 1


def test_a_fault_at_a_claim_check_hides_nothing_and_leaves_no_job_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline.documents, "put", broken)
    answer = post(pipeline, create("Tent"), create("Large", text="x" * MAX_COMMAND_BYTES), create("Yurt"))
    assert (answer.status, kinds(answer)) == (202, ["queued", "500", "queued"])
    assert shown(pipeline, answer)["counts"]["failed"] == 1


def test_what_is_refused_fits_the_row(pipeline: Pipeline) -> None:
    deep: Any = "\0"
    for _ in range(30):
        deep = {"\U0001f600" * 80: deep}
    commands = [create("Tent"), *(create("Yurt", x=deep) for _ in range(90))]
    answer = pipeline.request("POST", "/batches", raw=json.dumps({"commands": commands}, ensure_ascii=False))
    assert kinds(answer) == ["queued", *["400"] * 90]
    assert len(json.dumps(batch_to_row(pipeline.batches.rows[answer.json["id"]]))) < 300_000


@pytest.mark.parametrize("depth", [31, 100, 400, 900])
def test_a_refused_command_may_be_as_deep_as_it_likes(pipeline: Pipeline, depth: int) -> None:
    deep = "[" * depth + "0.10000000000000000000001" + "]" * depth
    answer = pipeline.request("POST", "/batches", raw=f'{{"commands":[{json.dumps(create("Tent"))},{deep}]}}')
    assert answer.status in {202, 400}


def test_a_claim_check_that_cannot_be_put_holds_up_its_item_only(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tent = an_item(pipeline)
    large, tries = "x" * MAX_COMMAND_BYTES, list[str]()

    def broken(key: str, _: str) -> None:
        tries.append(key)
        raise Unavailable("The documents bucket did not answer.")

    commands = [
        merge(tent, n=1),
        merge(tent, text=large),
        merge(tent, n=3),
        create("Large", text=large),
        create("S"),
    ]
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", broken)
        answer = post(pipeline, *commands, headers=KEY)
    assert kinds(answer) == ["queued", "503", "503", "503", "queued"]
    assert len(tries) == 1, "it would hang again"
    assert kinds(post(pipeline, *commands, headers=KEY)) == ["queued"] * 5
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 3
    pipeline.check_consistent()


def test_an_outage_of_the_jobs_table_queues_nothing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Unavailable("The jobs table did not answer.")

    monkeypatch.setattr(pipeline.batches, "put_new", broken)
    assert post(pipeline, create("Tent")).status == 503
    assert not pipeline.queue.waiting


def test_its_jobs_are_stored_before_their_messages_are_sent(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    send = pipeline.queue.send_batch

    def watched(envelopes: Sequence[Envelope]) -> Mapping[str, ProblemError]:
        stored.append(len(pipeline.jobs.rows))
        return send(envelopes)

    monkeypatch.setattr(pipeline.queue, "send_batch", watched)
    post(pipeline, *(create(f"Tent {n}") for n in range(MAX_COMMANDS)))
    assert stored == [MAX_COMMANDS] * 10


# --- whose it is --------------------------------------------------------------------------------------------------


def test_another_callers_batch_is_not_found(pipeline: Pipeline) -> None:
    batch = post(pipeline, create("Tent")).json["id"]
    answers = [pipeline.request("GET", f"/batches/{each}", owner="bob") for each in (batch, f"batch-{'0' * 32}")]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].json["detail"] == answers[1].json["detail"]


def test_a_batch_is_no_job_and_a_job_no_batch(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), headers=KEY)
    job = answer.json["entries"][0]["job"]["id"]
    assert is_job_id(job)
    assert not is_job_id(answer.json["id"])
    for method, target in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
        assert pipeline.request(method, f"/jobs/{answer.json['id']}{target}").status == 404
    assert pipeline.request("GET", f"/batches/{job}").status == 404


def test_a_batch_that_has_expired_is_not_found(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = post(pipeline, create("Tent"))
    later = datetime.now(UTC) + timedelta(days=36)
    monkeypatch.setattr("api_lambda.chalicelib.batches.now", lambda: later)
    assert pipeline.request("GET", f"/batches/{answer.json['id']}").status == 404


def test_its_jobs_can_be_polled_cancelled_and_retried_like_any(pipeline: Pipeline) -> None:
    answer = post(pipeline, create("Tent"), create("Yurt"))
    tent, yurt = (entry["job"]["id"] for entry in answer.json["entries"])
    assert pipeline.request("DELETE", f"/jobs/{tent}").status == 200
    pipeline.drain()
    assert kinds(pipeline.request("GET", f"/batches/{answer.json['id']}")) == ["cancelled", "succeeded"]
    assert pipeline.request("GET", f"/jobs/{yurt}").json["result"]["name"] == "Yurt"
