"""A 202 means that the command is queued. Requests with the same Idempotency-Key get the same job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.errors import Problem, Unavailable
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.queue_message import Envelope
from tests.helpers.pipeline import Pipeline

ITEM = {"name": "Tent", "description": "For two"}
WITH_KEY: dict[str, Any] = {"headers": {"idempotency-key": "order-7"}}


def make_send_fail(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, message_arrives: bool) -> None:
    send = pipeline.queue.send

    def send_and_raise(envelope: Envelope) -> None:
        if message_arrives:
            send(envelope)
        raise Unavailable("The command queue did not answer.")

    monkeypatch.setattr(pipeline.queue, "send", send_and_raise)


def test_the_job_is_stored_before_its_message_is_sent(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    stored_at_send: list[int] = []
    monkeypatch.setattr(pipeline.queue, "send", lambda _: stored_at_send.append(len(pipeline.jobs.rows)))
    pipeline.request("POST", "/items", ITEM)
    assert stored_at_send == [1]


def test_requests_with_the_same_key_get_the_same_job(pipeline: Pipeline) -> None:
    first = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    again = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    assert first.status == again.status == 202
    assert first.json == again.json
    assert first.headers["location"] == again.headers["location"]
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    replay_after_job_ended = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    assert replay_after_job_ended.status == 202
    assert replay_after_job_ended.json["status"] == "succeeded"
    assert not pipeline.queue.waiting


def test_a_replay_may_have_its_fields_in_another_order(pipeline: Pipeline) -> None:
    first = pipeline.request("POST", "/items", ITEM, **WITH_KEY).json
    assert pipeline.request("POST", "/items", dict(reversed(ITEM.items())), **WITH_KEY).json == first


def test_a_command_takes_effect_once_even_if_its_replay_is_queued(pipeline: Pipeline) -> None:
    job = pipeline.request("POST", "/items", ITEM, **WITH_KEY).json
    pipeline.queue.seen.clear()  # SQS deduplicates messages for five minutes only
    pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    assert len(pipeline.queue.waiting) == 2
    pipeline.drain()
    assert pipeline.request("GET", f"/jobs/{job['id']}").json["attempts"] == 1
    assert len(pipeline.documents.versions) == 2  # each delivery wrote one; S3 keeps the deleted one
    pipeline.check_consistent()


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/items", {**ITEM, "name": "Other"}),
        ("POST", "/items", {**ITEM, "extra": None}),
        ("PUT", "/items/i", ITEM),
        ("DELETE", "/items/i", None),
        ("POST", "/jobs", {"operation": "read", "item_id": "i"}),
    ],
)
def test_the_same_key_for_another_command_is_refused(
    pipeline: Pipeline, method: str, target: str, body: Any
) -> None:
    pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    before = pipeline.state()
    response = pipeline.request(method, target, body, **WITH_KEY)
    assert response.status == 422
    assert response.json["type"] == "urn:jobpipe:problem:idempotency-key-reused"
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
def test_a_key_is_refused_for_another_item_another_method_or_another_etag(
    pipeline: Pipeline, first: Any, second: Any
) -> None:
    statuses = [
        pipeline.request(method, target, body, headers={**WITH_KEY["headers"], **headers}).status
        for method, target, body, headers in (first, second)
    ]
    assert statuses == [202, 422]


def test_a_replay_may_write_a_number_with_more_trailing_zeros(pipeline: Pipeline) -> None:
    body = '{"name":"n","description":"d","x":1.2345678901234567890123%s}'
    ids = {
        pipeline.request("POST", "/items", raw=body % zeros, **WITH_KEY).json["id"] for zeros in ("", "0", "000")
    }
    assert len(ids) == 1


def test_a_raw_command_and_the_equivalent_route_get_the_same_job(pipeline: Pipeline) -> None:
    first = pipeline.request("POST", "/items", ITEM, **WITH_KEY).json
    assert pipeline.request("POST", "/jobs", {"operation": "create", "item": ITEM}, **WITH_KEY).json == first


def test_requests_with_another_api_key_of_the_owner_get_the_same_job(pipeline: Pipeline) -> None:
    """The pipeline gives the owner a new API key for each request."""
    first = pipeline.request("POST", "/items", ITEM, **WITH_KEY).json
    assert pipeline.request("POST", "/items", ITEM, **WITH_KEY).json == first
    assert pipeline.request("GET", f"/jobs/{first['id']}").status == 200


def test_two_owners_can_use_the_same_key(pipeline: Pipeline) -> None:
    alice = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    bob = pipeline.request("POST", "/items", {**ITEM, "name": "Bob's"}, **WITH_KEY, owner="bob")
    assert bob.status == 202
    assert bob.json["id"] != alice.json["id"]


def test_owner_and_key_are_not_simply_concatenated_in_the_job_id(pipeline: Pipeline) -> None:
    one = pipeline.request("POST", "/items", ITEM, owner="ab", headers={"idempotency-key": "c"})
    two = pipeline.request("POST", "/items", ITEM, owner="a", headers={"idempotency-key": "bc"})
    assert one.json["id"] != two.json["id"]


def test_a_key_can_be_used_again_when_its_job_has_expired(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pipeline.do("POST", "/items", ITEM, **WITH_KEY)
    later = datetime.now(UTC) + timedelta(days=8)
    monkeypatch.setattr("api_lambda.chalicelib.submitting.submit.now", lambda: later)
    other = pipeline.request("POST", "/items", {**ITEM, "name": "Later"}, **WITH_KEY)
    assert other.status == 202
    assert other.json["id"] == first["id"]
    assert other.json["status"] == "queued"


def test_a_queued_job_outlives_its_message_and_an_ended_job_expires_in_time(
    pipeline: Pipeline,
) -> None:
    job_id = pipeline.request("POST", "/items", ITEM).json["id"]
    retention_in_both_queues, retention, second = timedelta(days=28), timedelta(days=7), timedelta(seconds=1)

    def time_left() -> timedelta:
        return timedelta(seconds=pipeline.jobs.rows[job_id].expires_at - datetime.now(UTC).timestamp())

    assert time_left() > retention_in_both_queues + retention - timedelta(minutes=1)
    pipeline.drain()
    assert retention - timedelta(minutes=1) < time_left() <= retention + second


def test_a_request_whose_send_fails_gets_503_and_its_replay_gets_the_same_job(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as outage:
        make_send_fail(pipeline, outage, message_arrives=False)
        response = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    assert response.status == 503
    assert response.headers["retry-after"] == "1"
    (job,) = pipeline.jobs.rows.values()
    replay = pipeline.request("POST", "/items", ITEM, **WITH_KEY)
    assert replay.json["id"] == job.job_id
    assert replay.json["item_id"] == job.item_id
    pipeline.drain()
    assert list(pipeline.items.rows) == [job.item_id]


@pytest.mark.parametrize("message_arrives", [True, False])
def test_without_a_key_a_command_has_no_effect_if_sending_fails(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, message_arrives: bool
) -> None:
    with monkeypatch.context() as outage:
        make_send_fail(pipeline, outage, message_arrives=message_arrives)
        assert pipeline.request("POST", "/items", ITEM).status == 503
    (job,) = pipeline.jobs.rows.values()
    assert job.status is Status.FAILED
    pipeline.drain()
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_without_a_key_the_response_is_202_if_the_command_took_effect_despite_an_error(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = pipeline.queue.send

    def send_run_and_raise(envelope: Envelope) -> None:
        send(envelope)
        pipeline.drain()
        raise Unavailable("The command queue did not answer.")

    monkeypatch.setattr(pipeline.queue, "send", send_run_and_raise)
    assert pipeline.request("POST", "/items", ITEM).status == 202
    assert len(pipeline.items.rows) == 1


def test_the_response_is_503_if_the_job_was_already_marked_as_failed(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response to the first write was lost, so the write is repeated and finds that the job has ended."""
    fail = pipeline.jobs.fail

    def fail_twice(ref: JobRef, problem: Problem, at: datetime, **options: Any) -> None:
        fail(ref, problem, at, **options)
        fail(ref, problem, at, **options)

    with monkeypatch.context() as outage:
        make_send_fail(pipeline, outage, message_arrives=False)
        outage.setattr(pipeline.jobs, "fail", fail_twice)
        assert pipeline.request("POST", "/items", ITEM).status == 503


@pytest.mark.parametrize("error", [Unavailable("no"), ZeroDivisionError()])
def test_an_error_while_waiting_does_not_hide_that_the_command_was_accepted(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def raise_error(_: str) -> None:
        raise error

    monkeypatch.setattr(pipeline.jobs, "get", raise_error)
    response = pipeline.request("POST", "/items", ITEM, headers={"prefer": "wait=5"})
    assert response.status == 202
    assert response.json["status"] == "queued"


def test_nothing_is_queued_if_the_job_cannot_be_stored(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    def raise_unavailable(*_: object) -> None:
        raise Unavailable("The jobs table did not answer.")

    monkeypatch.setattr(pipeline.jobs, "put_new", raise_unavailable)
    assert pipeline.request("POST", "/items", ITEM).status == 503
    assert not pipeline.queue.waiting
