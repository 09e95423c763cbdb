"""A 202 means that the command is queued, and the same Idempotency-Key is the same job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.errors import Problem, Unavailable
from jobpipe.domain.job import Status
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.queue_message import Envelope
from tests.helpers.pipeline import Pipeline

GOOD = {"name": "Tent", "description": "For two"}
KEY: dict[str, Any] = {"headers": {"idempotency-key": "order-7"}}


def fail_send(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, lands: bool) -> None:
    send = pipeline.queue.send

    def broken(envelope: Envelope) -> None:
        if lands:
            send(envelope)
        raise Unavailable("The command queue did not answer.")

    monkeypatch.setattr(pipeline.queue, "send", broken)


def test_the_job_is_stored_before_its_message_is_sent(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_at_send: list[int] = []
    monkeypatch.setattr(pipeline.queue, "send", lambda _: stored_at_send.append(len(pipeline.jobs.rows)))
    pipeline.request("POST", "/items", GOOD)
    assert stored_at_send == [1]


def test_the_same_key_is_the_same_job(pipeline: Pipeline) -> None:
    first = pipeline.request("POST", "/items", GOOD, **KEY)
    again = pipeline.request("POST", "/items", GOOD, **KEY)
    assert first.status == again.status == 202
    assert first.json == again.json
    assert first.headers["location"] == again.headers["location"]
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    ended = pipeline.request("POST", "/items", dict(reversed(GOOD.items())), **KEY)
    assert ended.status == 202
    assert ended.json["status"] == "succeeded"
    assert not pipeline.queue.waiting


def test_a_replay_after_deduplication_lapsed_takes_effect_once(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", GOOD, **KEY).json
    pipeline.queue.seen.clear()
    pipeline.request("POST", "/items", GOOD, **KEY)
    assert len(pipeline.queue.waiting) == 2
    pipeline.drain()
    assert pipeline.request("GET", f"/jobs/{job['id']}").json["attempts"] == 1
    assert len(pipeline.documents.versions) == 2, "the second delivery put a document"
    pipeline.check_consistent()


@pytest.mark.parametrize(
    ("method", "target", "body", "headers"),
    [
        ("POST", "/items", {**GOOD, "name": "Other"}, {}),
        ("POST", "/items", {**GOOD, "extra": None}, {}),
        ("PUT", "/items/i", GOOD, {}),
        ("DELETE", "/items/i", None, {}),
        ("POST", "/jobs", {"operation": "read", "item_id": "i"}, {}),
    ],
)
def test_the_same_key_for_another_command_is_refused(
    pipeline: Pipeline, method: str, target: str, body: Any, headers: dict[str, str]
) -> None:
    pipeline.request("POST", "/items", GOOD, **KEY)
    before = pipeline.state()
    answer = pipeline.request(method, target, body, headers={**KEY["headers"], **headers})
    assert answer.status == 422
    assert answer.json["type"] == "urn:jobpipe:problem:idempotency-key-reused"
    assert pipeline.state() == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("PUT", "/items/a", {"x": 1}, {}), ("PUT", "/items/b", {"x": 1}, {})),
        (("PUT", "/items/a", {"x": 1}, {}), ("PATCH", "/items/a", {"x": 1}, {})),
        (("PUT", "/items/a", {"x": 1}, {}), ("PUT", "/items/a", {"x": 1}, {"if-match": '"v"'})),
        (("DELETE", "/items/a", None, {"if-match": '"v"'}), ("DELETE", "/items/a", None, {"if-match": '"w"'})),
    ],
)
def test_item_mode_and_precondition_are_part_of_the_command(pipeline: Pipeline, first: Any, second: Any) -> None:
    statuses = [
        pipeline.request(method, target, body, headers={**KEY["headers"], **headers}).status
        for method, target, body, headers in (first, second)
    ]
    assert statuses == [202, 422]


def test_equal_fractions_are_one_number(pipeline: Pipeline) -> None:
    body = '{"name":"n","description":"d","x":1.2345678901234567890123%s}'
    ids = {pipeline.request("POST", "/items", raw=body % zeros, **KEY).json.get("id") for zeros in ("", "0", "000")}
    assert len(ids) == 1


def test_a_raw_command_and_its_own_route_are_the_same_command(pipeline: Pipeline) -> None:
    first = pipeline.request("POST", "/items", GOOD, **KEY).json
    assert pipeline.request("POST", "/jobs", {"operation": "create", "item": GOOD}, **KEY).json == first


def test_a_new_key_of_the_same_owner_is_the_same_caller(pipeline: Pipeline) -> None:
    """The pipeline makes another API key of the owner for each request."""
    first = pipeline.request("POST", "/items", GOOD, **KEY).json
    assert pipeline.request("POST", "/items", GOOD, **KEY).json == first
    assert pipeline.request("GET", f"/jobs/{first['id']}").status == 200


def test_a_key_belongs_to_its_caller(pipeline: Pipeline) -> None:
    alice = pipeline.request("POST", "/items", GOOD, **KEY).json
    bob = pipeline.request("POST", "/items", {**GOOD, "name": "Bob's"}, **KEY, owner="bob")
    assert bob.status == 202
    assert bob.json["id"] != alice["id"]


def test_owner_and_key_cannot_be_shifted_into_each_other(pipeline: Pipeline) -> None:
    one = pipeline.request("POST", "/items", GOOD, owner="ab", headers={"idempotency-key": "c"})
    two = pipeline.request("POST", "/items", GOOD, owner="a", headers={"idempotency-key": "bc"})
    assert one.json["id"] != two.json["id"]


def test_an_expired_key_is_free_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    first = pipeline.do("POST", "/items", GOOD, **KEY)
    later = datetime.now(UTC) + timedelta(days=8)
    monkeypatch.setattr("api_lambda.chalicelib.submitting.submit.now", lambda: later)
    other = pipeline.request("POST", "/items", {**GOOD, "name": "Later"}, **KEY)
    assert other.status == 202
    assert other.json["id"] == first["id"]
    assert other.json["status"] == "queued"


def test_a_waiting_command_does_not_lose_its_job(pipeline: Pipeline) -> None:
    job_id = pipeline.request("POST", "/items", GOOD).json["id"]
    lives_for = pipeline.jobs.rows[job_id].expires_at - datetime.now(UTC).timestamp()
    assert lives_for > timedelta(days=28 + 6).total_seconds()
    pipeline.drain()
    left = pipeline.jobs.rows[job_id].expires_at - datetime.now(UTC).timestamp()
    assert timedelta(days=6).total_seconds() < left <= timedelta(days=7).total_seconds()


def test_a_send_that_failed_is_a_503_and_its_replay_the_same_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        fail_send(pipeline, outage, lands=False)
        answer = pipeline.request("POST", "/items", GOOD, **KEY)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    (job,) = pipeline.jobs.rows.values()
    replay = pipeline.request("POST", "/items", GOOD, **KEY)
    assert replay.json["id"] == job.job_id
    assert replay.json["item_id"] == job.item_id
    pipeline.drain()
    assert list(pipeline.items.rows) == [job.item_id]


@pytest.mark.parametrize("lands", [True, False])
def test_without_a_key_a_send_of_unknown_outcome_takes_no_effect(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    with monkeypatch.context() as outage:
        fail_send(pipeline, outage, lands=lands)
        assert pipeline.request("POST", "/items", GOOD).status == 503
    (job,) = pipeline.jobs.rows.values()
    assert job.status is Status.FAILED
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_without_a_key_a_sent_command_that_took_effect_is_a_202(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = pipeline.queue.send

    def lost_answer(envelope: Envelope) -> None:
        send(envelope)
        pipeline.drain()
        raise Unavailable("The command queue did not answer.")

    monkeypatch.setattr(pipeline.queue, "send", lost_answer)
    assert pipeline.request("POST", "/items", GOOD).status == 202
    assert len(pipeline.items.rows) == 1


def test_a_failure_whose_response_was_lost_is_not_a_202(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write that fails the job took effect; its repetition finds the job ended."""
    fail = pipeline.jobs.fail

    def fails_twice(ref: JobRef, problem: Problem, at: datetime, **how: Any) -> None:
        fail(ref, problem, at, **how)
        fail(ref, problem, at, **how)

    with monkeypatch.context() as outage:
        fail_send(pipeline, outage, lands=False)
        outage.setattr(pipeline.jobs, "fail", fails_twice)
        assert pipeline.request("POST", "/items", GOOD).status == 503


@pytest.mark.parametrize("error", [Unavailable("no"), ZeroDivisionError()])
def test_an_error_while_waiting_does_not_hide_that_the_command_was_accepted(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(_: str) -> None:
        raise error

    monkeypatch.setattr(pipeline.jobs, "get", broken)
    answer = pipeline.request("POST", "/items", GOOD, headers={"prefer": "wait=5"})
    assert answer.status == 202
    assert answer.json["status"] == "queued"


def test_an_outage_of_the_jobs_table_queues_nothing(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise Unavailable("The jobs table did not answer.")

    monkeypatch.setattr(pipeline.jobs, "put_new", broken)
    assert pipeline.request("POST", "/items", GOOD).status == 503
    assert not pipeline.queue.waiting
