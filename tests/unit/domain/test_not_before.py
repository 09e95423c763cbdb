"""Commands with `not_before` are accepted, listed and cancelled; test_releasing.py has their release."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.clock import rfc3339
from jobpipe.domain.commands.command import DeleteItem, fingerprint
from jobpipe.domain.commands.command_parsing import decode_command, parse_command
from jobpipe.domain.commands.not_before import LONGEST_DAYS, check_at_acceptance, check_form, is_due
from jobpipe.domain.errors import InvalidRequest, Unavailable
from jobpipe.domain.jobs.claim_check import Claim
from jobpipe.domain.jobs.message_decoding import decode_message
from jobpipe.domain.jobs.scheduled import SHARDS, last_place_at, message_of, shard_of
from jobpipe.stores.dynamodb_rows import job_from_row, job_to_row
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.job_states import LARGE, LONG, slug, unavailable
from tests.helpers.memory import RETENTION
from tests.helpers.pipeline import Pipeline
from tests.helpers.put_forward import MovedClock, installed
from tests.helpers.scheduled import DAY, HOUR, MINUTE, SIZES, accept, check_nothing_left, get, settle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return installed(monkeypatch)


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
    assert (place <= last_place_at(until)) == (rfc3339(time) <= rfc3339(until))


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
