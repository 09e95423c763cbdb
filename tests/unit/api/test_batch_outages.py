"""A 202 is true for each command of a batch, even if SQS, S3 or DynamoDB accepts only a part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from jobpipe.domain.errors import InternalError, ProblemError, Unavailable
from jobpipe.domain.jobs.batch import MAX_COMMANDS
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.queue_message import Envelope
from jobpipe.domain.limits import MAX_COMMAND_BYTES
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.pipeline import Pipeline

Taken = Callable[[Envelope], bool]


def break_sending(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, taken: Taken, why: ProblemError | None = None
) -> None:
    """Make SQS refuse some of the messages of a call."""
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
    """Make SQS fail after so many calls; return the numbers of messages in each call."""
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
        assert after["counts"]["failed"] == 2, "no caller knows them"
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
def test_a_batch_of_which_nothing_is_queued_is_a_503(
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


def test_without_a_key_a_sent_command_that_took_effect_is_a_job(
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


def test_a_fault_is_not_answered_as_an_outage(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert shown(pipeline, answer)["counts"]["failed"] == 20, "no caller sends them again"


@pytest.mark.parametrize("why", [Unavailable("no"), ZeroDivisionError()])
def test_a_fault_while_jobs_are_failed_hides_nothing_that_is_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, why: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise why

    silence(pipeline, monkeypatch, after=1)
    monkeypatch.setattr(pipeline.jobs, "fail", broken)
    answer = post(pipeline, *(create(f"Tent {n}") for n in range(30)))
    assert (answer.status, kinds(answer)) == (202, ["queued"] * 10 + ["503"] * 20)
    assert [record.message for record in caplog.records].count(
        "unconfirmed jobs could not be failed; they stay queued until they expire"
    ) == 1


def test_a_fault_at_a_claim_check_hides_nothing_and_leaves_no_job_queued(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(pipeline.documents, "put", broken)
    answer = post(pipeline, create("Tent"), create("Large", text="x" * MAX_COMMAND_BYTES), create("Yurt"))
    assert (answer.status, kinds(answer)) == (202, ["queued", "500", "queued"])
    assert shown(pipeline, answer)["counts"]["failed"] == 1


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
