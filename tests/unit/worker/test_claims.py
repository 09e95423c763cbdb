"""Claim checks: commands that are too large for SQS, and their clean-up."""

from __future__ import annotations

from typing import Any

import pytest

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.limits import BUCKET_SETTLES, MAX_KEPT_BYTES
from tests.helpers.job_states import LARGE, LONG, accept, interpose, item, unavailable
from tests.helpers.pipeline import Pipeline


@pytest.mark.parametrize("lands", [False, True])
def test_a_claim_check_is_deleted_when_its_job_no_longer_needs_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, lands: bool
) -> None:
    send = pipeline.queue.send

    def lost(envelope: Any) -> None:
        if lands:
            send(envelope)
        raise Unavailable("no")

    monkeypatch.setattr(pipeline.queue, "send", lost)
    assert pipeline.request("POST", "/items", item(text=LARGE)).status == 503
    pipeline.drain()
    pipeline.check_consistent()


def test_a_replay_after_the_end_of_its_job_leaves_no_claim_check(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = {"idempotency-key": "k"}
    job_id = accept(pipeline, item(text=LARGE), headers=key)
    # The worker ends the job between the replay's two reads.
    interpose(monkeypatch, pipeline.documents, "keys", pipeline.drain)
    assert accept(pipeline, item(text=LARGE), headers=key) == job_id
    pipeline.drain()
    pipeline.check_consistent()


def test_a_job_whose_claim_check_is_lost_fails_after_five_attempts(pipeline: Pipeline) -> None:
    job_id = accept(pipeline, item(text=LARGE))
    pipeline.documents.current.clear()
    # Sent so long ago that the object would be visible in S3.
    for message_id in pipeline.queue.sent_ms:
        pipeline.queue.sent_ms[message_id] -= int(BUCKET_SETTLES.total_seconds() * 1000)
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.FAILED
    assert pipeline.jobs.rows[job_id].attempts == 5


@pytest.mark.parametrize(
    "forged",
    [
        '{"operation":"create","item":{"name":"another","description":"d"}}',
        '{"operation":"delete","item_id":"of-another-owner"}',
        "junk",
        '{"operation":"create","item":{"name":" ","description":"d"}}',
    ],
)
def test_a_replaced_claim_check_has_no_effect(pipeline: Pipeline, forged: str) -> None:
    existing = pipeline.do("POST", "/items", item("here"))["item_id"]
    job_id = accept(pipeline, item(text=LARGE))
    (key,) = pipeline.documents.keys("claims/")
    pipeline.documents.put(key, forged.replace("of-another-owner", existing))
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.FAILED
    assert pipeline.jobs.rows[job_id].attempts == 5
    assert pipeline.request("GET", f"/jobs/{job_id}").json["error"]["type"].endswith("attempts-spent")
    assert list(pipeline.items.rows) == [existing]


def test_a_failed_job_keeps_its_claim_check_when_its_message_is_redelivered(pipeline: Pipeline) -> None:
    pipeline.do("POST", "/items", item())
    accept(pipeline, item(text=LARGE))
    copy = list(pipeline.queue.waiting)
    pipeline.drain()
    for again in (pipeline.drain, pipeline.end_dead_letters):
        pipeline.queue.waiting = list(copy)
        again()
        assert len(pipeline.documents.keys("claims/")) == 1


def test_a_replay_does_not_put_an_existing_claim_check_again(pipeline: Pipeline) -> None:
    key = {"idempotency-key": "k"}
    accept(pipeline, item(text=LARGE), headers=key)
    before = pipeline.state()
    accept(pipeline, item(text=LARGE), headers=key)
    assert pipeline.state() == before
    assert len(pipeline.documents.versions) == 1


def test_a_claim_check_of_a_replay_that_dies_is_deleted(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replays, while the job of a request that died between job and claim check is queued."""
    key = {"idempotency-key": "k"}
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.documents, "put", unavailable)
        assert pipeline.request("POST", "/items", item(text=LARGE), headers=key).status == 503

    def another_replay_to_its_end() -> None:
        accept(pipeline, item(text=LARGE), headers=key)
        pipeline.drain()

    interpose(monkeypatch, pipeline.documents, "put", another_replay_to_its_end)
    accept(pipeline, item(text=LARGE), headers=key)
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    pipeline.check_consistent()


def test_a_long_command_goes_in_its_message_and_is_kept_as_a_claim_check(pipeline: Pipeline) -> None:
    other = pipeline.do("POST", "/items", item())
    job_id = accept(pipeline, item(text=LONG))
    assert pipeline.documents.keys("claims/") == []
    pipeline.drain()
    kept = pipeline.jobs.rows[job_id].kept
    assert kept is not None
    assert kept.command is None
    assert [kept.claim] == pipeline.documents.keys("claims/")
    pipeline.do("DELETE", f"/items/{other['item_id']}")
    assert pipeline.request("POST", f"/jobs/{job_id}/retry").status == 202
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.SUCCEEDED
    pipeline.check_consistent()


def test_a_job_does_not_fail_before_its_claim_check_is_stored(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.do("POST", "/items", item())
    job_id = accept(pipeline, item(text=LONG))
    put = pipeline.documents.put

    def without_claims(key: str, text: str) -> Any:
        return unavailable() if key.startswith("claims/") else put(key, text)

    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", without_claims)
        pipeline.work()
        assert pipeline.jobs.rows[job_id].status is Status.RETRYING
        assert pipeline.jobs.rows[job_id].attempts == 0, "an outage is no attempt"
    pipeline.drain()
    assert pipeline.jobs.rows[job_id].status is Status.FAILED
    pipeline.check_consistent()


def test_a_replay_names_the_claim_check_that_an_earlier_release_has_put(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In that release they began at the size from which a failed job keeps one now."""
    key = {"idempotency-key": "k"}
    with monkeypatch.context() as earlier:
        earlier.setattr("jobpipe.domain.jobs.claim_check.MAX_COMMAND_BYTES", MAX_KEPT_BYTES)
        earlier.setattr(pipeline.queue, "send", unavailable)
        assert pipeline.request("POST", "/items", item(text=LONG), headers=key).status == 503
    [claim] = pipeline.documents.keys("claims/")
    accept(pipeline, item(text=LONG), headers=key)
    [(_, envelope, _)] = pipeline.queue.waiting
    assert claim in envelope.body
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    pipeline.check_consistent()


def test_a_replayed_batch_names_such_a_claim_check_too(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"idempotency-key": "k"}
    body = {"commands": [{"operation": "create", "item": item(text=LONG)}]}
    with monkeypatch.context() as earlier:
        earlier.setattr("jobpipe.domain.jobs.claim_check.MAX_COMMAND_BYTES", MAX_KEPT_BYTES)
        earlier.setattr(pipeline.queue, "send_batch", unavailable)
        assert pipeline.request("POST", "/batches", body, headers=key).status == 503
    assert len(pipeline.documents.keys("claims/")) == 1
    assert pipeline.request("POST", "/batches", body, headers=key).status == 202
    pipeline.drain()
    assert len(pipeline.items.rows) == 1
    pipeline.check_consistent()
