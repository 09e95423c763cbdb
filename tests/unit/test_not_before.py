"""Commands with `not_before` are released once, at that time and in order, and can be cancelled until then."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.command_parsing import decode_command, parse_command
from jobpipe.domain.commands import DeleteItem, fingerprint
from jobpipe.domain.errors import InternalError, InvalidRequest, Unavailable
from jobpipe.domain.job import Status
from jobpipe.domain.limits import MAX_WAITING_BYTES
from jobpipe.domain.not_before import LONGEST_DAYS, check_at_acceptance, check_form, is_due
from jobpipe.domain.queue_message import Claim, decode_message
from jobpipe.domain.scheduled import SHARDS, message_of, shard_of, up_to
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.job_states import LARGE, LONG, slug, unavailable
from tests.helpers.memory import RETENTION
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.put_forward import MovedClock, installed
from tests.helpers.shop import order, shop
from worker_lambda.chalicelib.releasing import sweep as sweeping

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEDIUM = "x" * MAX_WAITING_BYTES  # waits in the bucket, but would fit a message
SIZES = pytest.mark.parametrize("text", ["", MEDIUM, LARGE], ids=["small", "medium", "large"])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return installed(monkeypatch)


def accept(pipeline: Pipeline, command: Any, **options: Any) -> Answer:
    answer = pipeline.request("POST", "/jobs", command, **options)
    assert answer.status == 202, answer.text
    return answer


def get(pipeline: Pipeline, answer: Answer) -> Any:
    return pipeline.request("GET", f"/jobs/{answer.json['id']}").json


def settle(pipeline: Pipeline) -> None:
    """Release what is due and run it; then nothing that waited may be left."""
    pipeline.release()
    pipeline.drain()


def check_nothing_left(pipeline: Pipeline) -> None:
    assert not any(job.waiting for job in pipeline.jobs.rows.values())
    assert not pipeline.documents.keys("scheduled/")
    pipeline.check_consistent()


# --- acceptance ---------------------------------------------------------------------------------------------------


@SIZES
def test_a_command_waits_for_its_time(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    time = clock.within(HOUR)
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": time})
    assert (answer.json["status"], answer.json["done"], answer.json["not_before"]) == ("scheduled", False, time)
    assert answer.headers["retry-after"] == "3600"
    assert pipeline.release() == 0
    assert not pipeline.queue.waiting
    clock.put_forward(HOUR - 3 * MINUTE)
    assert pipeline.release() == 0
    assert get(pipeline, answer)["status"] == "scheduled"
    assert get(pipeline, answer)["updated_at"] == answer.json["created_at"]
    clock.put_forward(3 * MINUTE + timedelta(seconds=3))
    assert pipeline.release() == 1
    assert get(pipeline, answer)["status"] == "queued"
    assert get(pipeline, answer)["updated_at"] > time
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["result"]["text"], job["not_before"]) == ("succeeded", text, time)
    assert pipeline.release() == 0
    check_nothing_left(pipeline)


def test_a_time_that_has_passed_makes_no_difference(pipeline: Pipeline, clock: MovedClock) -> None:
    time = clock.within(-DAY)
    answer = accept(pipeline, {**create("Tent"), "not_before": time})
    assert (answer.json["status"], answer.json["not_before"]) == ("queued", time)
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    check_nothing_left(pipeline)


WRONG: list[Any] = [
    *(None, 7, True, "", "soon", "2026-12-01", [], {}),
    *("2999-13-01T00:00:00Z", "2999-12-01T00:00:00", "2999-12-01T00:00:00Z"),
    *("9999-12-31T23:59:59-01:00", "9999-12-31T23:59:59.999999Z"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_time_that_is_none_or_too_far_ahead_is_refused(pipeline: Pipeline, wrong: Any) -> None:
    tent = an_item(pipeline)
    before = pipeline.state()
    raw = {"operation": "read", "item_id": tent, "not_before": wrong}
    answer = pipeline.request("POST", "/jobs", raw)
    assert (answer.status, slug(answer)) == (400, "invalid-request")
    assert answer.json["errors"][0]["pointer"] == "#/not_before"
    alone = post(pipeline, raw)
    assert (alone.status, alone.json["errors"][0]["pointer"]) == (400, "#/commands/0/not_before")
    assert pipeline.state() == before


def test_a_command_that_could_only_be_too_late_is_refused(pipeline: Pipeline, clock: MovedClock) -> None:
    before = pipeline.state()
    time, limit = clock.within(2 * HOUR), clock.within(HOUR)
    for pair in ((time, limit), (limit, limit)):
        raw = {**create("Tent"), "not_before": pair[0], "not_after": pair[1]}
        assert pipeline.request("POST", "/jobs", raw).status == 400
        assert post(pipeline, raw).status == 400
    assert pipeline.state() == before
    assert (
        accept(pipeline, {**create("Tent"), "not_before": limit, "not_after": time}).json["status"] == "scheduled"
    )


def test_a_request_does_not_wait_for_a_scheduled_command(pipeline: Pipeline, clock: MovedClock) -> None:
    raw = {**create("Tent"), "not_before": clock.within(HOUR)}
    answer = accept(pipeline, raw, headers={"prefer": "wait=20"})
    assert answer.json["status"] == "scheduled"
    assert pipeline.request("GET", f"/jobs/{answer.json['id']}?wait=20").json["status"] == "scheduled"


@SIZES
def test_a_repeated_request_has_the_same_job(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    raw = {**create("Tent", text=text), "not_before": clock.within(HOUR)}
    first = accept(pipeline, raw, headers=KEY)
    assert accept(pipeline, raw, headers=KEY).json == first.json
    other = pipeline.request("POST", "/jobs", {**raw, "not_before": clock.within(2 * HOUR)}, headers=KEY)
    assert (other.status, slug(other)) == (422, "idempotency-key-reused")
    clock.put_forward(2 * HOUR)
    assert accept(pipeline, raw, headers=KEY).json["status"] == "scheduled", "it waits for its release"
    assert not pipeline.queue.waiting
    settle(pipeline)
    assert accept(pipeline, raw, headers=KEY).json["status"] == "succeeded"
    assert len(pipeline.items.rows) == 1
    check_nothing_left(pipeline)


def test_a_repeated_request_stores_a_large_command_that_the_first_did_not(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = {**create("Tent", text=LARGE), "not_before": clock.within(HOUR)}
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", unavailable)
        assert pipeline.request("POST", "/jobs", raw, headers=KEY).status == 503
    answer = accept(pipeline, raw, headers=KEY)
    clock.put_forward(HOUR + MINUTE)
    settle(pipeline)
    assert get(pipeline, answer)["result"]["text"] == LARGE
    check_nothing_left(pipeline)


@pytest.mark.parametrize("batch", [False, True])
def test_without_a_key_a_command_that_was_not_stored_has_no_effect(
    pipeline: Pipeline, clock: MovedClock, monkeypatch: pytest.MonkeyPatch, batch: bool
) -> None:
    raw = {**create("Tent", text=LARGE), "not_before": clock.within(HOUR)}
    put = pipeline.documents.put

    def put_and_lose_the_answer(key: str, text: str) -> Any:
        put(key, text)
        raise Unavailable("The answer is lost.")

    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", put_and_lose_the_answer)
        answer = post(pipeline, raw, raw) if batch else pipeline.request("POST", "/jobs", raw)
        assert answer.status == 503
    clock.put_forward(timedelta(seconds=3))
    settle(pipeline)
    assert not pipeline.items.rows
    check_nothing_left(pipeline)


def test_a_job_lives_as_long_as_its_message_may(pipeline: Pipeline, clock: MovedClock) -> None:
    time = clock.now() + 300 * DAY
    answer = accept(pipeline, {**create("Tent"), "not_before": rfc3339(time)}, headers=KEY)
    lived = pipeline.jobs.rows[answer.json["id"]].expires_at - time.timestamp()
    assert abs(lived - (28 * DAY + RETENTION).total_seconds()) < 2
    batch = post(pipeline, create("Yurt"), {**create("Hut"), "not_before": rfc3339(time)}, headers=KEY)
    assert pipeline.batches.rows[batch.json["id"]].expires_at == pipeline.jobs.rows[answer.json["id"]].expires_at
    clock.put_forward(301 * DAY)
    settle(pipeline)
    assert get(pipeline, answer)["status"] == "succeeded"
    assert kinds(pipeline.request("GET", f"/batches/{batch.json['id']}"))[1] == "succeeded"


def test_a_batch_may_have_commands_for_different_times(pipeline: Pipeline, clock: MovedClock) -> None:
    tent = an_item(pipeline)
    batch = post(
        pipeline,
        {**merge(tent, n=3), "not_before": clock.within(2 * HOUR)},
        {**merge(tent, n=2, text=LARGE[:300_000]), "not_before": clock.within(HOUR)},
        merge(tent, n=1),
        headers=KEY,
    )
    assert kinds(batch) == ["scheduled", "scheduled", "queued"]
    assert batch.json["counts"]["scheduled"] == 2
    assert "not_before" in batch.json["entries"][0]["job"]
    pipeline.drain()
    assert kinds(pipeline.request("GET", f"/batches/{batch.json['id']}")) == ["scheduled", "scheduled", "succeeded"]
    assert int(pipeline.request("GET", f"/batches/{batch.json['id']}").headers["retry-after"]) == 3600
    clock.put_forward(HOUR + MINUTE)
    settle(pipeline)
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 2
    clock.put_forward(HOUR)
    settle(pipeline)
    assert pipeline.request("GET", f"/items/{tent}").json["n"] == 3
    assert shown(pipeline, batch)["done"]
    check_nothing_left(pipeline)


# --- the list, and cancels ----------------------------------------------------------------------------------------


def test_scheduled_jobs_are_listed_by_their_times_without_the_list_of_all_jobs(clock: MovedClock) -> None:
    pipeline = Pipeline(job_lists=False)
    times = [clock.within(n * HOUR) for n in (2, 3, 1)]
    for time in times:
        accept(pipeline, {"operation": "read", "item_id": "i", "not_before": time})
    accept(pipeline, {"operation": "read", "item_id": "i", "not_before": times[0]}, owner="bob")
    first = pipeline.request("GET", "/jobs?status=scheduled&limit=2")
    assert [job["not_before"] for job in first.json] == sorted(times)[:0:-1]
    link = first.headers["link"]
    rest = pipeline.request("GET", f"/{link[1 : link.index('>')].removeprefix('../')}")
    assert [(job["not_before"], job["status"]) for job in rest.json] == [(min(times), "scheduled")]
    foreign = pipeline.request("GET", "/jobs?status=scheduled&owner=bob")
    assert foreign.status in {400, 403}


@SIZES
def test_a_cancelled_command_is_not_released(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    cancelled = pipeline.request("DELETE", f"/jobs/{answer.json['id']}")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    clock.put_forward(timedelta(seconds=3))
    assert pipeline.release() == 0
    check_nothing_left(pipeline)
    clock.put_forward(2 * HOUR)
    assert pipeline.release() == 0
    assert pipeline.queue.sent == 0


@SIZES
def test_the_message_of_a_cancelled_command_does_not_wait(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    """The release sends it before its time where ends are told."""
    job_id = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)}).json["id"]
    pipeline.queue.send_batch([message_of(pipeline.schedule.jobs([job_id])[job_id])])
    pipeline.work()
    assert pipeline.queue.waiting, "it is not due"
    assert pipeline.request("DELETE", f"/jobs/{job_id}").status == 200
    pipeline.work()
    assert not pipeline.queue.waiting
    assert not pipeline.items.rows


@SIZES
def test_a_batch_that_waits_is_cancelled(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    time = clock.within(HOUR)
    batch = post(pipeline, *({**create(f"Tent {n}", text=text[:300_000]), "not_before": time} for n in range(3)))
    answer = pipeline.request("DELETE", f"/batches/{batch.json['id']}")
    assert kinds(answer) == ["cancelled"] * 3
    clock.put_forward(2 * HOUR)
    settle(pipeline)
    assert not pipeline.items.rows
    check_nothing_left(pipeline)


@SIZES
def test_a_cancel_after_the_release_still_prevents_the_effect(
    pipeline: Pipeline, clock: MovedClock, text: str
) -> None:
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    clock.put_forward(2 * HOUR)
    pipeline.release()
    assert pipeline.request("DELETE", f"/jobs/{answer.json['id']}").status == 200
    pipeline.drain()
    assert not pipeline.items.rows
    check_nothing_left(pipeline)


def test_a_retry_of_a_scheduled_job_changes_nothing(pipeline: Pipeline, clock: MovedClock) -> None:
    answer = accept(pipeline, {**create("Tent"), "not_before": clock.within(HOUR)})
    before = pipeline.state()
    assert pipeline.request("POST", f"/jobs/{answer.json['id']}/retry").json["status"] == "scheduled"
    assert pipeline.state() == before


@SIZES
def test_a_released_job_that_failed_can_be_retried(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    tent = an_item(pipeline)
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    clock.put_forward(2 * HOUR)
    settle(pipeline)
    assert get(pipeline, answer)["error"]["type"].endswith(":name-taken")
    pipeline.do("DELETE", f"/items/{tent}")
    assert pipeline.request("POST", f"/jobs/{answer.json['id']}/retry").json["status"] == "queued"
    pipeline.drain()
    assert get(pipeline, answer)["result"]["text"] == text
    check_nothing_left(pipeline)


# --- release ------------------------------------------------------------------------------------------------------


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
        assert waited >= sweeping.SETTLES


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
    assert others[0] - datetime.fromisoformat(time) >= sweeping.SETTLES + sweeping.NEXT_SWEEP


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


# --- forms --------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS)
def test_a_time_is_rounded_up_so_that_nothing_is_early(moment: datetime, zone: timezone) -> None:
    raw = {"operation": "delete", "item_id": "i", "not_before": moment.astimezone(zone).isoformat()}
    command = parse_command(raw, new_item_id="")
    assert command.not_before is not None
    stored = datetime.fromisoformat(command.not_before)
    assert moment <= stored < moment + timedelta(milliseconds=1)
    assert fingerprint(command) == fingerprint(DeleteItem("i", not_before=command.not_before))
    assert decode_command(command.to_raw(), command.item) == command
    assert check_form(command.not_before) == command.not_before


@given(MOMENTS, st.timedeltas(-timedelta(days=800), timedelta(days=800)))
def test_a_time_is_accepted_within_a_year(at: datetime, ahead: timedelta) -> None:
    time = check_form((at + ahead).isoformat())
    if datetime.fromisoformat(time) <= at + timedelta(days=LONGEST_DAYS):
        check_at_acceptance(time, None, at)
    else:
        with pytest.raises(InvalidRequest):
            check_at_acceptance(time, None, at)
    assert is_due(time, at) == (datetime.fromisoformat(time) <= at)


@given(MOMENTS, MOMENTS, MOMENTS, st.integers(0, 99))
def test_places_sort_by_time_and_then_by_acceptance(
    time: datetime, until: datetime, accepted: datetime, position: int
) -> None:
    place = f"{rfc3339(time)}#{rfc3339(accepted)}#{position:02}"
    assert (place <= up_to(until)) == (rfc3339(time) <= rfc3339(until))


@given(st.text(min_size=1))
def test_a_documents_commands_are_in_one_shard(group_id: str) -> None:
    assert shard_of(group_id) == shard_of(group_id)
    assert shard_of(group_id) in SHARDS


@SIZES
def test_a_row_has_all_that_a_job_has(pipeline: Pipeline, clock: MovedClock, text: str) -> None:
    answer = accept(pipeline, {**create("Tent", text=text), "not_before": clock.within(HOUR)})
    job = pipeline.jobs.rows[answer.json["id"]]
    row = job_to_row(job)
    assert job_from_row(row) == job
    assert row["status"]["S"] == "queued", "as a release shows it that does not know the status"
    assert len(json.dumps(row)) < 4 * 1024 * 1024 / 110, "a batch of them fits a transaction"
    assert job.waiting is not None
    message = decode_message(job.waiting.message)
    assert isinstance(message.content, Claim) == bool(text)
    assert message.not_before == job.not_before


def test_a_message_beside_a_claim_check_has_its_time_in_the_stored_form(
    pipeline: Pipeline, clock: MovedClock
) -> None:
    accept(pipeline, {**create("Tent", text=LONG), "not_before": clock.within(HOUR)})
    (job,) = pipeline.jobs.rows.values()
    assert job.waiting is not None
    message = json.loads(job.waiting.message)
    for wrong in (7, None, "soon", "2026-11-22T20:57:44Z"):
        with pytest.raises(Exception, match="not_before"):
            decode_message(json.dumps({**message, "not_before": wrong}))
