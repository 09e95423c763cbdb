"""A command with a time limit takes effect in time or not at all, and its job says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobpipe.domain.commands.not_after import LONGEST_DAYS
from tests.helpers.batches import KEY, an_item, create, kinds, merge, post, shown
from tests.helpers.job_states import LARGE, interpose, slug, unavailable
from tests.helpers.pipeline import Pipeline
from tests.helpers.scheduled import HOUR, accept, get
from tests.helpers.shop import order, shop
from tests.helpers.time_limits import movable_clocks, read, within


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return movable_clocks(monkeypatch)


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
