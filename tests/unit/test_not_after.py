"""A command with a time limit takes effect in time or not at all, and its job says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.command_parsing import decode_command, parse_command
from jobpipe.domain.commands import CreateItem, DeleteItem, fingerprint
from jobpipe.domain.errors import CommandTooLate, InvalidRequest
from jobpipe.domain.job import Status
from jobpipe.domain.limits import MAX_KEPT_BYTES
from jobpipe.domain.not_after import LONGEST_DAYS, check_at_acceptance, check_form, check_in_time, has_passed
from jobpipe.domain.queue_message import Claim, decode_message
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.job_states import LARGE, interpose, slug, unavailable
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.shop import order, shop

CLOCKS = {
    "worker": ["worker_lambda.chalicelib.command_handlers.now"],
    "api": [
        "api_lambda.chalicelib.submitting.submit.now",
        "api_lambda.chalicelib.submitting.time_limits.now",
        "api_lambda.chalicelib.endpoints.jobs.now",
        "api_lambda.chalicelib.submitting.whole_batch.now",
    ],
}
HOUR = timedelta(hours=1)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts the clocks of the Lambdas forward."""

    def put_forward(by: timedelta, *lambdas: str) -> None:
        for name in lambdas or CLOCKS:
            for clock in CLOCKS[name]:
                monkeypatch.setattr(clock, lambda: now() + by)

    return put_forward


def within(duration: timedelta) -> str:
    return rfc3339(now() + duration)


def read(item_id: str, duration: timedelta = HOUR, **more: Any) -> dict[str, Any]:
    return {"operation": "read", "item_id": item_id, "not_after": within(duration), **more}


def accept(pipeline: Pipeline, command: Any, **options: Any) -> Answer:
    answer = pipeline.request("POST", "/jobs", command, **options)
    assert answer.status == 202, answer.text
    return answer


def get(pipeline: Pipeline, answer: Answer) -> Any:
    return pipeline.request("GET", f"/jobs/{answer.json['id']}").json


# --- acceptance ---------------------------------------------------------------------------------------------------


def test_a_command_in_time_takes_effect_and_its_job_shows_the_limit(pipeline: Pipeline) -> None:
    limit = within(HOUR)
    answer = accept(pipeline, {**create("Tent"), "not_after": limit})
    assert answer.json["not_after"] == limit
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["not_after"]) == ("succeeded", limit)
    assert "not_after" not in job["result"]
    assert "not_after" not in accept(pipeline, create("Yurt")).json
    pipeline.drain()
    pipeline.check_consistent()


@pytest.mark.parametrize(
    "wrong",
    [
        *(None, 7, True, "", "soon", "2026-12-01", "2999-13-01T00:00:00Z", "2999-12-01T00:00:00", [], {}),
        *("2999-12-01 00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"),
        "2026-11-22T20:57:44Z",  # it has passed
    ],
)
def test_a_limit_that_is_no_time_to_come_is_refused(pipeline: Pipeline, wrong: Any) -> None:
    tent = an_item(pipeline)
    before = pipeline.state()
    for command in (merge(tent, n=1), create("Yurt"), {"operation": "delete", "item_id": tent}):
        for headers in ({}, KEY):
            answer = pipeline.request("POST", "/jobs", {**command, "not_after": wrong}, headers=headers)
            assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/not_after")
        refused = post(pipeline, {**command, "not_after": wrong}, headers=KEY)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (400, "#/commands/0/not_after")
    assert pipeline.state() == before


def test_a_limit_may_be_a_year_ahead_and_no_more(pipeline: Pipeline) -> None:
    year = timedelta(days=LONGEST_DAYS)
    assert pipeline.request("POST", "/jobs", read("i", year + HOUR)).status == 400
    accept(pipeline, read("i", year - HOUR))


def test_an_operation_takes_a_limit_in_its_raw_form_only() -> None:
    pipeline = Pipeline(registry=shop())
    job = pipeline.do("POST", "/orders", order(status="paid"))
    raw = {"operation": "ship", "collection": "orders", "item_id": job["item_id"], "carrier": "dhl"}
    path = f"/orders/{job['item_id']}/ship"
    refused = pipeline.request("POST", path, {"carrier": "dhl", "not_after": within(HOUR)})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (400, "#/not_after")
    assert "raw commands" in refused.json["detail"]
    assert pipeline.request("POST", "/jobs", {**raw, "not_after": "no"}).status == 400
    assert pipeline.do("POST", "/jobs", {**raw, "not_after": within(HOUR)})["status"] == "succeeded"


def test_bodies_of_documents_take_no_limit(pipeline: Pipeline) -> None:
    """There it is a field of the document, as any other."""
    job = pipeline.do("POST", "/items", {"name": "Tent", "description": "d", "not_after": "no"})
    assert job["result"]["not_after"] == "no"
    assert "not_after" not in job


def test_in_a_batch_a_late_command_is_refused_alone(pipeline: Pipeline) -> None:
    limit = within(HOUR)
    answer = post(pipeline, {**create("Tent"), "not_after": within(-HOUR)}, {**create("Yurt"), "not_after": limit})
    assert kinds(answer) == ["400", "queued"]
    assert answer.json["entries"][0]["problem"]["errors"][0]["pointer"] == "#/commands/0/not_after"
    assert shown(pipeline, answer)["entries"][1]["job"]["not_after"] == limit


# --- replays ------------------------------------------------------------------------------------------------------


def test_the_limit_is_a_part_of_the_command_that_a_key_stands_for(pipeline: Pipeline) -> None:
    command = read("i")
    first = accept(pipeline, command, headers=KEY)
    assert accept(pipeline, command, headers=KEY).json == first.json
    for other in ({**command, "not_after": within(2 * HOUR)}, {"operation": "read", "item_id": "i"}):
        refused = pipeline.request("POST", "/jobs", other, headers=KEY)
        assert (refused.status, slug(refused)) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("drained", [False, True])
def test_a_replay_has_the_answer_of_its_first_request_though_the_time_has_passed(
    pipeline: Pipeline, later: Callable[..., None], drained: bool
) -> None:
    command = read(an_item(pipeline))
    first = accept(pipeline, command, headers=KEY)
    if drained:
        pipeline.drain()
    later(2 * HOUR)
    assert accept(pipeline, command, headers=KEY).json["id"] == first.json["id"]
    assert pipeline.request("POST", "/jobs", command).status == 400, "but not without its key"
    pipeline.drain()
    assert get(pipeline, first)["status"] == ("succeeded" if drained else "failed")


def test_a_replayed_batch_refuses_what_its_first_request_refused(
    pipeline: Pipeline, later: Callable[..., None]
) -> None:
    year = timedelta(days=LONGEST_DAYS)
    commands = [read("a"), read("b", -HOUR), read("c", year + HOUR), read("d", 3 * HOUR)]
    first = post(pipeline, *commands, headers=KEY)
    assert kinds(first) == ["queued", "400", "400", "queued"]
    pipeline.drain()
    later(2 * HOUR)
    again = post(pipeline, *commands, headers=KEY)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert kinds(again) == ["failed", "400", "400", "failed"]
    assert kinds(post(pipeline, *commands)) == ["400", "400", "queued", "queued"], "without the key it is a new one"


# --- the worker ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_late_command_has_no_effect(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    tent = an_item(pipeline)
    limit = within(HOUR)
    answer = accept(pipeline, {**merge(tent, n=1, text=text), "not_after": limit})
    behind = accept(pipeline, {"operation": "read", "item_id": tent})
    later(2 * HOUR)
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["not_after"]) == ("failed", limit)
    assert job["error"] == {
        "type": "urn:jobpipe:problem:too-late",
        "title": "The command's time has passed",
        "status": 409,
        "detail": f"The command must not take effect after {limit}.",
    }
    assert "n" not in get(pipeline, behind)["result"], "and the next one goes on"
    pipeline.check_consistent()


def test_who_waits_for_a_late_command_gets_the_problem(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, later: Callable[..., None]
) -> None:
    later(2 * HOUR, "worker")
    interpose(monkeypatch, pipeline.jobs, "get", pipeline.drain)  # the first read of the wait
    answer = pipeline.request("POST", "/jobs", read("i"), headers={"prefer": "wait=5"})
    assert (answer.status, slug(answer), answer.headers["preference-applied"]) == (409, "too-late", "wait=5")


@pytest.mark.parametrize("fault", [unavailable, lambda *_: 1 / 0])
def test_a_command_can_get_late_between_two_attempts(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, later: Callable[..., None], fault: Any
) -> None:
    answer = accept(pipeline, {**create("Tent"), "not_after": within(HOUR)})
    with monkeypatch.context() as outage:
        outage.setattr(pipeline.documents, "put", fault)
        pipeline.work()
    assert get(pipeline, answer)["status"] == "retrying"
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    assert not pipeline.items.rows
    pipeline.check_consistent()


def test_a_command_that_took_effect_in_time_stays_so_when_its_message_comes_again(
    pipeline: Pipeline, later: Callable[..., None]
) -> None:
    answer = accept(pipeline, {**create("Tent"), "not_after": within(HOUR)})
    copies = [*pipeline.queue.waiting]
    pipeline.drain()
    pipeline.queue.waiting = copies
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    pipeline.check_consistent()


def test_of_a_run_only_the_late_command_is_refused(pipeline: Pipeline, later: Callable[..., None]) -> None:
    tent, yurt = an_item(pipeline), an_item(pipeline, "Yurt")
    limit = within(HOUR)
    batch = post(
        pipeline,
        *(merge(tent, a=1), {**merge(tent, b=1), "not_after": limit}, merge(tent, c=1)),
        *({**merge(yurt, a=1), "not_after": within(3 * HOUR)}, {**create("Hut"), "not_after": limit}),
    )
    later(2 * HOUR)
    assert pipeline.work() == {"batchItemFailures": []}
    assert kinds(pipeline.request("GET", f"/batches/{batch.json['id']}")) == [
        *("succeeded", "failed", "succeeded", "succeeded", "failed")
    ]
    found = pipeline.request("GET", f"/items/{tent}").json
    assert (found["a"], found.get("b"), found["c"]) == (1, None, 1)
    assert len(pipeline.items.rows) == 2
    pipeline.check_consistent()


def test_a_run_of_late_commands_changes_nothing(pipeline: Pipeline, later: Callable[..., None]) -> None:
    tent = an_item(pipeline)
    before = pipeline.items.rows[tent]
    batch = post(pipeline, *({**merge(tent, n=n), "not_after": within(HOUR)} for n in range(3)))
    later(2 * HOUR)
    assert pipeline.work() == {"batchItemFailures": []}
    assert shown(pipeline, batch)["counts"]["failed"] == 3
    assert pipeline.items.rows[tent] == before
    pipeline.check_consistent()


def test_a_late_operation_is_not_run(later: Callable[..., None]) -> None:
    pipeline = Pipeline(registry=shop())
    item_id = pipeline.do("POST", "/orders", order(status="paid"))["item_id"]
    raw = {"operation": "ship", "collection": "orders", "item_id": item_id, "carrier": "dhl"}
    answer = accept(pipeline, {**raw, "not_after": within(HOUR)})
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    assert "carrier" not in pipeline.request("GET", f"/orders/{item_id}").json


# --- retries ------------------------------------------------------------------------------------------------------


def too_late(pipeline: Pipeline, later: Callable[..., None], text: str = "") -> Answer:
    """Return the answer to a create that has failed since its time had passed."""
    answer = accept(pipeline, {**create("Tent", text=text), "not_after": within(HOUR)})
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "failed"
    return answer


def retry(pipeline: Pipeline, answer: Answer, body: Any = None, **options: Any) -> Answer:
    return pipeline.request("POST", f"/jobs/{answer.json['id']}/retry", body, **options)


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_of_a_late_job_needs_a_new_time(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    answer = too_late(pipeline, later, text)
    before = pipeline.state()
    bodies: list[Any] = [None, {}]
    for body in bodies:
        refused = retry(pipeline, answer, body)
        assert (refused.status, slug(refused)) == (409, "too-late")
    assert retry(pipeline, answer, {"not_after": within(HOUR)}).status == 400, "it has passed as well"
    assert pipeline.state() == before
    limit = within(4 * HOUR)
    retried = retry(pipeline, answer, {"not_after": limit})
    assert (retried.status, retried.json["status"], retried.json["not_after"]) == (202, "queued", limit)
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["not_after"], job["result"]["text"]) == ("succeeded", limit, text)
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retried_job_can_be_late_again(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    answer = too_late(pipeline, later, text)
    assert retry(pipeline, answer, {"not_after": within(3 * HOUR)}).status == 202
    later(4 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    assert slug(retry(pipeline, answer)) == "too-late"
    assert retry(pipeline, answer, {"not_after": within(5 * HOUR)}).status == 202
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    pipeline.check_consistent()


@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_keeps_the_limit_of_its_job(pipeline: Pipeline, later: Callable[..., None], text: str) -> None:
    tent = an_item(pipeline)
    limit = within(HOUR)
    answer = accept(pipeline, {**create("Tent", text=text), "not_after": limit})
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":name-taken")
    pipeline.do("DELETE", f"/items/{tent}")
    assert retry(pipeline, answer).json["not_after"] == limit
    later(2 * HOUR)
    pipeline.drain()
    assert get(pipeline, answer)["error"]["type"].endswith(":too-late")
    pipeline.check_consistent()


def test_a_job_whose_time_has_passed_since_it_failed_needs_a_new_time_too(
    pipeline: Pipeline, later: Callable[..., None]
) -> None:
    answer = accept(pipeline, read("no-such-item"))
    pipeline.drain()
    later(2 * HOUR)
    assert slug(retry(pipeline, answer)) == "too-late"


def test_a_worker_whose_clock_is_ahead_is_believed(pipeline: Pipeline, later: Callable[..., None]) -> None:
    answer = accept(pipeline, read("no-such-item"))
    later(2 * HOUR, "worker")
    pipeline.drain()
    assert slug(retry(pipeline, answer)) == "too-late", "it would only be late again"


@pytest.mark.parametrize("worker_first", [False, True])
@pytest.mark.parametrize("text", ["", LARGE])
def test_a_retry_that_crashes_after_sending_has_its_new_time(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, later: Callable[..., None], worker_first: bool, text: str
) -> None:
    answer = too_late(pipeline, later, text)
    limit = {"not_after": within(4 * HOUR)}
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.jobs, "requeue", unavailable)
        assert retry(pipeline, answer, limit).status == 503
    if not worker_first:
        assert retry(pipeline, answer, limit).status == 202
    pipeline.drain()
    job = get(pipeline, answer)
    assert (job["status"], job["retries"], job["not_after"]) == ("succeeded", 1, limit["not_after"])
    pipeline.check_consistent()


def test_a_command_that_is_too_large_with_its_time_becomes_a_claim_check(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    tent = an_item(pipeline)
    raw = len(json.dumps(create("Tent", text=""), separators=(",", ":")))
    # Lambda's event has six characters for one that is not ASCII, so the command takes as much as a message may.
    rest, odd = divmod(MAX_KEPT_BYTES - raw, 2)
    text = "\u00e9" * rest + "x" * odd
    answer = accept(pipeline, create("Tent", text=text))
    pipeline.drain()
    assert not pipeline.documents.keys("claims/")
    pipeline.do("DELETE", f"/items/{tent}")
    limit = {"not_after": within(HOUR)}
    with monkeypatch.context() as crash:
        crash.setattr(pipeline.queue, "send", unavailable)
        assert retry(pipeline, answer, limit).status == 503
    assert retry(pipeline, answer, limit).status == 202
    assert len(pipeline.documents.keys("claims/")) == 1, "the repeated request puts no other"
    pipeline.drain()
    assert get(pipeline, answer)["status"] == "succeeded"
    pipeline.check_consistent()


@pytest.mark.parametrize(
    "body",
    [
        [],
        7,
        "x",
        {"not_after": None},
        {"not_after": "soon"},
        {"not_before": "x"},
        {"not_after": "2026-11-22T20:57:44Z"},
    ],
)
def test_a_retry_with_a_bad_body_is_refused(pipeline: Pipeline, body: Any) -> None:
    answer = accept(pipeline, {"operation": "read", "item_id": "no-such-item"})
    pipeline.drain()
    before = pipeline.state()
    assert retry(pipeline, answer, body).status == 400
    assert pipeline.state() == before


def test_a_batch_is_retried_without_its_late_jobs(pipeline: Pipeline, later: Callable[..., None]) -> None:
    batch = post(pipeline, read("none"), {"operation": "read", "item_id": "none"})
    later(2 * HOUR)
    pipeline.drain()
    answer = pipeline.request("POST", f"/batches/{batch.json['id']}/retry")
    assert kinds(answer) == ["failed", "queued"]
    assert answer.json["entries"][0]["unchanged"]["type"].endswith(":too-late")


def test_an_unfinished_job_keeps_its_time_when_it_is_retried(pipeline: Pipeline) -> None:
    command = read("i")
    answer = accept(pipeline, command)
    assert retry(pipeline, answer, {"not_after": within(5 * HOUR)}).json["not_after"] == command["not_after"]


# --- forms --------------------------------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, OFFSETS, st.booleans())
def test_equal_times_are_one_command_whatever_their_form(moment: datetime, zone: timezone, lower: bool) -> None:
    text = moment.astimezone(zone).isoformat()
    text = text.replace("T", "t") if lower else text
    command = parse_command({"operation": "delete", "item_id": "i", "not_after": text}, new_item_id="")
    assert command.not_after == rfc3339(moment), "rounded down to milliseconds"
    assert fingerprint(command) == fingerprint(DeleteItem("i", not_after=rfc3339(moment)))
    assert decode_command(command.to_raw(), command.item) == command


@given(MOMENTS, MOMENTS)
def test_a_time_is_late_when_the_clock_is_after_it(limit: datetime, clock: datetime) -> None:
    text = check_form(limit.isoformat())
    late = clock > datetime.fromisoformat(text)
    assert has_passed(text, clock) == late
    assert not has_passed(None, clock)
    if late:
        with pytest.raises(CommandTooLate):
            check_in_time(text, clock)
    else:
        check_in_time(text, clock)


@given(MOMENTS, st.timedeltas(-timedelta(days=800), timedelta(days=800)))
def test_a_limit_is_accepted_if_it_is_to_come_within_a_year(at: datetime, ahead: timedelta) -> None:
    limit = check_form((at + ahead).isoformat())
    known = datetime.fromisoformat(limit)
    if at < known <= at + timedelta(days=LONGEST_DAYS):
        check_at_acceptance(limit, at)
        assert not has_passed(limit, at), "what is accepted is not late at once"
    else:
        with pytest.raises(InvalidRequest):
            check_at_acceptance(limit, at)


@given(
    st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:]{8}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?")
)
def test_every_text_is_a_time_or_is_refused(text: str) -> None:
    try:
        stored = check_form(text)
    except InvalidRequest:
        return
    assert check_form(stored) == stored
    assert rfc3339(datetime.fromisoformat(stored)) == stored


@pytest.mark.parametrize("limit", [7, "soon", "2026-11-22T20:57:44Z", None])
def test_a_message_with_a_limit_in_another_form_cannot_be_read(pipeline: Pipeline, limit: Any) -> None:
    """Beside a claim check; in a command, other forms of a time are read as callers' are."""
    accept(pipeline, {**create("Tent", text=LARGE), "not_after": within(HOUR)})
    ((message_id, envelope, count),) = pipeline.queue.waiting
    message = json.loads(envelope.body)
    assert isinstance(decode_message(envelope.body).content, Claim)
    message["not_after"] = limit
    forged = envelope.__class__(json.dumps(message), envelope.group_id, envelope.deduplication_id)
    pipeline.queue.waiting = [(message_id, forged, count)]
    pipeline.drain()
    (job,) = pipeline.jobs.rows.values()
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error["type"].endswith(":command-unreadable")


def test_a_command_without_a_limit_is_as_in_earlier_releases(pipeline: Pipeline) -> None:
    accept(pipeline, create("Tent"))
    accept(pipeline, create("Yurt", text=LARGE))
    for _, envelope, _ in pipeline.queue.waiting:
        assert "not_after" not in envelope.body
        assert decode_message(envelope.body).not_after is None
    command = CreateItem("i", {"name": "n"})
    assert command.to_raw() == {"operation": "create", "item": {"name": "n"}}
