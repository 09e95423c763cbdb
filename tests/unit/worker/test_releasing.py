"""Commands with `not_before` are released once, at that time and in the order of their documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.errors import InternalError, Unavailable
from jobpipe.domain.jobs.job import Status
from jobpipe.domain.jobs.scheduled import SHARDS
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post
from tests.helpers.job_states import LARGE, slug, unavailable
from tests.helpers.pipeline import Pipeline
from tests.helpers.put_forward import MovedClock, installed
from tests.helpers.scheduled import HOUR, MINUTE, SIZES, accept, check_nothing_left, get, settle
from tests.helpers.shop import order, shop
from worker_lambda.chalicelib.releasing import sweep as sweeping


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return installed(monkeypatch)


def test_one_documents_commands_are_released_by_time_and_then_by_acceptance(
    pipeline: Pipeline, clock: MovedClock
) -> None:
    tent = an_item(pipeline)
    late, early = clock.within(2 * HOUR), clock.within(HOUR)
    for time in (late, early, early):
        accept(pipeline, {**merge(tent, **{f"n{pipeline.jobs.rows.__len__()}": 1}), "not_before": time})
        clock.put_forward(timedelta(milliseconds=1))  # no request over a network has its answer sooner
    post(pipeline, *({**merge(tent, last=n), "not_before": late} for n in range(12)))
    clock.put_forward(3 * HOUR)
    pipeline.release()
    order = [json.loads(envelope.body)["command"]["merge"] for _, envelope, _ in pipeline.queue.waiting]
    assert order == [{"n2": 1}, {"n3": 1}, {"n1": 1}, *({"last": n} for n in range(12))]
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{tent}").json["last"] == 11
    check_nothing_left(pipeline)


def test_no_other_command_waits_for_a_scheduled_one(pipeline: Pipeline, clock: MovedClock) -> None:
    tent = an_item(pipeline)
    accept(pipeline, {**merge(tent, n=1), "not_before": clock.within(HOUR)})
    pipeline.do("PATCH", f"/items/{tent}", {"n": 2})
    clock.put_forward(2 * HOUR)
    settle(pipeline)
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 1


def test_a_sweep_waits_for_what_becomes_due_within_two_minutes(pipeline: Pipeline, clock: MovedClock) -> None:
    seconds = (20, 50, 110, 130)
    jobs = [accept(pipeline, {**create(f"{n}"), "not_before": clock.within(timedelta(seconds=n))}) for n in seconds]
    assert pipeline.release() == 3
    assert [get(pipeline, job)["status"] for job in jobs] == ["queued"] * 3 + ["scheduled"]
    for job in jobs[:3]:
        waited = datetime.fromisoformat(get(pipeline, job)["updated_at"]) - datetime.fromisoformat(
            get(pipeline, job)["not_before"]
        )
        assert waited >= sweeping.INDEX_DELAY


def test_the_next_sweep_releases_what_is_due_in_its_minute(pipeline: Pipeline, clock: MovedClock) -> None:
    """Two sweeps overlap. The earlier one waits some seconds longer, and then nothing is left for it."""
    time = clock.within(timedelta(seconds=90))
    accept(pipeline, {**create("Tent"), "not_before": time})
    others: list[datetime] = []

    def next_sweep() -> None:
        clock.on_sleep = lambda: None
        others.append(clock.now())

    clock.on_sleep = next_sweep
    assert pipeline.release() == 1
    assert others[0] - datetime.fromisoformat(time) >= sweeping.INDEX_DELAY + sweeping.HANDOVER


def test_a_sweep_ends_at_once_if_nothing_waits(pipeline: Pipeline, clock: MovedClock) -> None:
    accept(pipeline, {**create("Tent"), "not_before": clock.within(HOUR)})
    assert pipeline.release() == 0
    assert clock.slept == []


def test_ten_messages_are_sent_in_a_call(pipeline: Pipeline, clock: MovedClock) -> None:
    time = clock.within(HOUR)
    for n in range(3):
        post(pipeline, *({**create(f"Tent {n} {m}"), "not_before": time} for m in range(100)))
    clock.put_forward(2 * HOUR)
    assert pipeline.release() == 300
    assert len(pipeline.queue.calls) <= 300 / 10 + 3 * len(SHARDS)
    pipeline.drain()
    assert len(pipeline.items.rows) == 300
    check_nothing_left(pipeline)


def test_a_message_that_is_not_taken_holds_up_its_own_document_only(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    tents = [an_item(pipeline, f"Tent {n}") for n in range(20)]
    time = clock.within(HOUR)
    for n in (1, 2):
        post(pipeline, *({**merge(tent, n=n), "not_before": time} for tent in tents))
    send, refusals = pipeline.queue.send_batch, [0]

    def refuse_the_first(envelopes: Any) -> Any:
        first, *others = envelopes
        if first.group_id != tents[0] or refusals[0]:
            return send(envelopes)
        refusals[0] += 1
        return {first.deduplication_id: InternalError("no"), **(send(others) if others else {})}

    monkeypatch.setattr(pipeline.queue, "send_batch", refuse_the_first)
    clock.put_forward(2 * HOUR)
    assert pipeline.release() == 40, "it is tried again after some seconds"
    assert clock.slept
    pipeline.drain()
    assert {pipeline.request("GET", f"/items/{tent}").json["n"] for tent in tents} == {2}
    check_nothing_left(pipeline)


def outage_at(pipeline: Pipeline, what: str) -> tuple[Any, str]:
    store, _, method = what.partition(".")
    return getattr(pipeline, store), method


@pytest.mark.parametrize("after", [False, True], ids=["before its effect", "after its effect"])
@pytest.mark.parametrize(
    "call",
    [
        *("schedule.due", "schedule.jobs", "schedule.mark_queued", "schedule.forget"),
        *("queue.send_batch", "documents.get_by_key", "documents.put", "documents.delete"),
    ],
)
@SIZES
def test_an_outage_at_any_call_loses_nothing(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, call: str, after: bool, text: str
) -> None:
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    clock.put_forward(2 * HOUR)
    store, method = outage_at(pipeline, call)
    real: Callable[..., Any] = getattr(store, method)

    def fail(*arguments: Any, **options: Any) -> Any:
        if after:
            real(*arguments, **options)
        raise Unavailable("an outage")

    with monkeypatch.context() as outage:
        outage.setattr(store, method, fail)
        pipeline.release()
    assert get(pipeline, answer)["status"] in {"scheduled", "queued"}
    clock.put_forward(10 * MINUTE)
    settle(pipeline)
    assert get(pipeline, answer)["result"]["text"] == text
    assert len(pipeline.items.rows) == 1
    settle(pipeline)
    check_nothing_left(pipeline)


@SIZES
def test_a_worker_may_be_faster_than_the_mark(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    clock.put_forward(2 * HOUR)
    mark = pipeline.schedule.mark_queued

    def after_the_worker(job: Any, at: Any) -> bool:
        pipeline.drain()
        return mark(job, at)

    monkeypatch.setattr(pipeline.schedule, "mark_queued", after_the_worker)
    pipeline.release()
    assert get(pipeline, answer)["status"] == "succeeded"
    check_nothing_left(pipeline)


def test_a_command_that_was_never_stored_waits_for_the_repeated_request(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request died between its two writes."""
    raw = {**create("Tent", text=LARGE), "not_before": clock.within(HOUR)}
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", unavailable)
        assert pipeline.request("POST", "/jobs", raw, headers=KEY).status == 503
    (job,) = pipeline.jobs.rows.values()
    assert job.status is Status.SCHEDULED
    clock.put_forward(2 * HOUR)
    assert pipeline.release() == 0
    assert not clock.slept, "it holds up nothing"
    answer = accept(pipeline, raw, headers=KEY)
    settle(pipeline)
    assert get(pipeline, answer)["result"]["text"] == LARGE
    check_nothing_left(pipeline)


def test_a_command_that_is_not_visible_yet_holds_up_its_document(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 may not find an object that was put soon before."""
    tent, hut = an_item(pipeline, "Tent"), an_item(pipeline, "Hut")
    time = clock.within(MINUTE)
    later = [{**merge(tent, n=2), "not_before": time}, {**merge(hut, n=2), "not_before": time}]
    post(pipeline, {**merge(tent, n=1, text=LARGE), "not_before": time}, *later)
    clock.put_forward(2 * MINUTE)
    with monkeypatch.context() as unsettled:
        unsettled.setattr(pipeline.documents, "get_by_key", lambda _: None)
        assert pipeline.release() == 1
        assert clock.slept, "it is tried again"
    pipeline.drain()
    assert pipeline.request("GET", f"/items/{hut}").json["n"] == 2
    assert "n" not in pipeline.request("GET", f"/items/{tent}").json
    settle(pipeline)
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 2
    check_nothing_left(pipeline)


def test_a_worker_whose_clock_is_behind_lets_a_command_wait(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = post(pipeline, *({**create(f"Tent {n}"), "not_before": clock.within(HOUR)} for n in range(2)))
    clock.put_forward(2 * HOUR)
    pipeline.release()
    with monkeypatch.context() as behind:
        for module in ("execute", "runs"):
            behind.setattr(f"worker_lambda.chalicelib.{module}.now", lambda: clock.now() - 90 * MINUTE)
        assert len(pipeline.work()["batchItemFailures"]) == 2
    assert {seconds for _, seconds in pipeline.queue.postponed} == {1}
    assert kinds(pipeline.request("GET", f"/batches/{batch.json['id']}")) == ["queued", "queued"]
    assert not pipeline.items.rows
    pipeline.drain()
    assert all(job.attempts == 1 for job in pipeline.jobs.rows.values())
    check_nothing_left(pipeline)


def test_the_time_of_an_operation_is_its_not_before(clock: MovedClock) -> None:
    pipeline = Pipeline(registry=shop())
    item_id = pipeline.do("POST", "/orders", order(status="paid"))["item_id"]
    raw = {"operation": "ship", "collection": "orders", "item_id": item_id, "carrier": "dhl"}
    time = clock.within(HOUR)
    accept(pipeline, {**raw, "not_before": time})
    clock.put_forward(2 * HOUR)
    settle(pipeline)
    assert pipeline.request("GET", f"/orders/{item_id}").json["shipped_at"] == time


def test_a_command_may_be_due_and_then_too_late(pipeline: Pipeline, clock: MovedClock) -> None:
    raw = {**create("Tent"), "not_before": clock.within(HOUR), "not_after": clock.within(2 * HOUR)}
    answer = accept(pipeline, raw)
    clock.put_forward(3 * HOUR)
    settle(pipeline)
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    path = f"/jobs/{answer.json['id']}/retry"
    assert slug(pipeline.request("POST", path)) == "too-late"
    assert pipeline.request("POST", path, {"not_after": clock.within(HOUR)}).status == 202
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    check_nothing_left(pipeline)
