"""The same Idempotency-Key is the same batch, even after a crash between two writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.errors import NotFound, Unavailable
from jobpipe.domain.jobs.batch import MAX_COMMANDS, parse_batch
from jobpipe.domain.jobs.job import Status
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.pipeline import Answer, Pipeline


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


def test_refused_commands_are_part_of_the_batch(pipeline: Pipeline) -> None:
    bad, worse = {"operation": "fly"}, {"operation": "\ud800"}
    first = post(pipeline, create("Tent"), bad, headers=KEY)
    assert post(pipeline, create("Tent"), bad, headers=KEY).json == first.json
    assert post(pipeline, create("Tent"), worse, headers=KEY).status == 422


def test_a_batch_of_which_another_release_refuses_other_commands_is_another_batch() -> None:
    """Its commands must not get the ids of other commands."""
    raw = {"commands": [create("Tent"), create("Yurt")]}

    def refuse(command: Any) -> None:
        if command.document["name"] == "Yurt":
            raise NotFound("no")

    assert parse_batch(raw, refuse).fingerprint != parse_batch(raw, lambda _: None).fingerprint


def test_a_key_of_a_job_can_be_used_for_a_batch(pipeline: Pipeline) -> None:
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


def test_a_replay_stores_what_a_crash_has_left_out(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of a hundred jobs is stored after the others."""
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


def test_failing_jobs_stops_when_the_first_cannot_be_failed(
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
    """The second request stores the last job just before the first one; the job keeps that generation."""
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


def test_expired_jobs_of_a_batch_are_not_sent_again(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs can expire before their batch and its key."""
    first = post(pipeline, create("Tent"), create("Yurt"), headers=KEY)
    pipeline.drain()
    later = datetime.now(UTC) + timedelta(days=8)
    for module in ("submitting.submit_batch", "endpoints.batches"):
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
    for module in ("submit_batch", "time_limits"):
        monkeypatch.setattr(f"api_lambda.chalicelib.submitting.{module}.now", lambda: later)
    other = post(pipeline, create("Yurt"), headers=KEY)
    assert other.json["id"] == first.json["id"]
    assert other.json["entries"][0]["job"]["id"] != first.json["entries"][0]["job"]["id"]
    assert other.json["entries"][0]["job"]["item_id"] not in pipeline.items.rows
