"""The endpoints under /webhooks that create, show, change and delete webhooks: what they store and show."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.events.delivery_messages import Sweep
from jobpipe.domain.events.webhook import MAX_STAGE_WEBHOOKS, MAX_WEBHOOKS, Webhook
from tests.helpers.memory.webhooks import MemoryWebhooks
from tests.helpers.pipeline import Pipeline
from tests.helpers.shop import shop
from tests.helpers.webhook_requests import GOOD, URL, created, is_refused


def test_the_secret_is_shown_when_the_webhook_is_created_and_never_again(pipeline: Pipeline) -> None:
    answer = pipeline.request("POST", "/webhooks", GOOD | {"collections": ["items"]})
    made = answer.json
    assert answer.headers["location"] == f"webhooks/{made['id']}"
    assert made["url"] == URL
    assert (made["events"], made["collections"], made["paused"]) == (["job.ended"], ["items"], False)
    secret = made.pop("secret")
    assert pipeline.webhooks.rows["alice", made["id"]].secret == secret
    shown = [
        pipeline.request("GET", f"/webhooks/{made['id']}"),
        pipeline.request("GET", "/webhooks"),
        pipeline.request("PATCH", f"/webhooks/{made['id']}", {"paused": True}),
        pipeline.request("DELETE", f"/webhooks/{made['id']}"),
    ]
    assert shown[0].json == made
    assert shown[1].json == [made]
    assert not any(secret in each.text for each in shown)


def test_no_log_line_has_the_url_or_the_secret(pipeline: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        made = created(pipeline)
        rotated = pipeline.request("POST", f"/webhooks/{made['id']}/rotate").json
    logged = repr([vars(record) for record in caplog.records])
    assert made["id"] in logged
    assert not any(text in logged for text in ("receiver.example", "hidden", made["secret"], rotated["secret"]))


def test_an_owner_has_ten_webhooks_and_no_more(pipeline: Pipeline) -> None:
    for _ in range(MAX_WEBHOOKS):
        created(pipeline)
    before = pipeline.state()
    assert is_refused(pipeline.request("POST", "/webhooks", GOOD), 409, "too-many-webhooks")
    assert pipeline.state() == before
    bobs = created(pipeline, owner="bob")
    listed = pipeline.request("GET", "/webhooks").json
    assert len(listed) == MAX_WEBHOOKS
    assert bobs["id"] not in {each["id"] for each in listed}
    pipeline.request("DELETE", f"/webhooks/{listed[0]['id']}")
    created(pipeline)


def test_a_stage_has_a_thousand_webhooks_and_no_more(pipeline: Pipeline) -> None:
    made = created(pipeline)
    webhook = pipeline.webhooks.rows["alice", made["id"]]
    for n in range(MAX_STAGE_WEBHOOKS - 1):
        pipeline.webhooks.rows[f"owner{n}", made["id"]] = replace(webhook, owner=f"owner{n}")
    before = pipeline.state()
    refusal = pipeline.request("POST", "/webhooks", GOOD)
    assert is_refused(refusal, 409, "too-many-webhooks")
    assert "1000 webhooks of all owners" in refusal.json["detail"]
    assert pipeline.state() == before
    pipeline.request("DELETE", f"/webhooks/{made['id']}")
    created(pipeline)


def test_a_repeated_creation_is_one_webhook_with_one_secret(pipeline: Pipeline) -> None:
    key = {"idempotency-key": "k"}
    first = created(pipeline, headers=key)
    assert created(pipeline, headers=key) == first
    assert created(pipeline, headers=key, owner="bob")["id"] != first["id"], "each owner has keys of its own"
    assert created(pipeline, headers={"idempotency-key": "other"})["id"] != first["id"]
    before = pipeline.state()
    other = pipeline.request("POST", "/webhooks", GOOD | {"url": "https://other.example/"}, headers=key)
    assert is_refused(other, 422, "idempotency-key-reused")
    assert pipeline.state() == before
    pipeline.request("POST", f"/webhooks/{first['id']}/rotate")
    late = pipeline.request("POST", "/webhooks", GOOD, headers=key)
    assert is_refused(late, 422, "idempotency-key-reused"), "a secret that was rotated later is not shown"


def test_of_two_equal_creations_at_once_both_get_the_same_webhook(pipeline: Pipeline) -> None:
    key = {"idempotency-key": "k"}
    first = created(pipeline, headers=key)
    created_by = pipeline.webhooks.created_by
    found: list[Webhook | None] = [None]  # the second request reads before the first has written
    pipeline.webhooks.created_by = lambda *creation: found.pop() if found else created_by(*creation)  # type: ignore[method-assign]
    assert created(pipeline, headers=key) == first
    assert len(pipeline.webhooks.rows) == 1
    assert not found


def test_the_key_of_a_deleted_webhook_creates_another_one(pipeline: Pipeline) -> None:
    """It has no event of the deleted one, so it must not have its id."""
    key = {"idempotency-key": "k"}
    first = created(pipeline, headers=key)
    event = pipeline.request("POST", f"/webhooks/{first['id']}/test").json["event"]
    pipeline.request("DELETE", f"/webhooks/{first['id']}")
    second = created(pipeline, headers=key)
    assert second["id"] != first["id"]
    assert second["secret"] != first["secret"]
    assert created(pipeline, headers=key) == second
    assert pipeline.request("GET", f"/webhooks/{second['id']}/deliveries").json == []
    replay = pipeline.request("POST", f"/webhooks/{second['id']}/deliveries/{event}/replay")
    assert is_refused(replay, 404, "not-found")


def test_the_id_of_a_webhook_says_nothing_about_its_key(pipeline: Pipeline) -> None:
    made = created(pipeline, headers={"idempotency-key": "k"})
    stored = pipeline.webhooks.rows["alice", made["id"]]
    assert made["id"] not in {stored.creation, stored.secret_request}


def test_the_key_of_a_creation_is_another_key_for_a_rotation(pipeline: Pipeline) -> None:
    key = {"idempotency-key": "k"}
    made, other = created(pipeline, headers=key), created(pipeline)
    rotate = f"/webhooks/{made['id']}/rotate"
    rotated = pipeline.request("POST", rotate, headers=key).json
    assert rotated["secret"] != made["secret"]
    assert pipeline.request("POST", rotate, headers=key).json == rotated
    late = pipeline.request("POST", "/webhooks", GOOD, headers=key)
    assert is_refused(late, 422, "idempotency-key-reused")
    of_other = pipeline.request("POST", f"/webhooks/{other['id']}/rotate", headers=key).json
    assert of_other["secret"] not in {other["secret"], rotated["secret"]}


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "é"])
def test_an_idempotency_key_has_the_usual_form(pipeline: Pipeline, key: str) -> None:
    made = created(pipeline)
    before = pipeline.state()
    for target, body in (("/webhooks", GOOD), (f"/webhooks/{made['id']}/rotate", None)):
        answer = pipeline.request("POST", target, body, headers={"idempotency-key": key})
        assert is_refused(answer, 400, "invalid-request")
    assert pipeline.state() == before


def test_a_change_sets_the_given_members_only(pipeline: Pipeline) -> None:
    made = created(pipeline)
    target = f"/webhooks/{made['id']}"
    changed = pipeline.request("PATCH", target, {"url": "https://other.example/"}).json
    assert changed["url"] == "https://other.example/"
    assert changed["events"] == made["events"]
    both = ["job.ended", "item.changed"]
    assert pipeline.request("PATCH", target, {"events": both, "collections": ["items"]}).json["events"] == both
    assert pipeline.request("PATCH", target, {"collections": []}).json["collections"] == []
    stored = pipeline.webhooks.rows["alice", made["id"]]
    assert (stored.url, stored.secret, stored.collections) == ("https://other.example/", made["secret"], ())
    assert not pipeline.delivery_queue.sweeps


def test_a_webhook_can_ask_for_the_events_of_operations() -> None:
    pipeline = Pipeline(registry=shop())
    events = ["orders.shipped", "job.ended", "subscriptions.line.ended"]
    made = created(pipeline, GOOD | {"events": events})
    assert made["events"] == events
    changed = pipeline.request("PATCH", f"/webhooks/{made['id']}", {"events": ["orders.paid"]})
    assert changed.json["events"] == ["orders.paid"]
    before = pipeline.state()
    for wrong in ("tents.pitched", "items.changed", "orders", "orders.", "orders.Paid", "*", "orders.*"):
        answer = pipeline.request("POST", "/webhooks", GOOD | {"events": ["job.ended", wrong]})
        assert is_refused(answer, 400, "invalid-request")
        (error,) = answer.json["errors"]
        assert error["pointer"] == "#/events/1"
        assert error["detail"].startswith(f"{wrong!r} is not an event; there are job.ended, item.changed, and <col")
    many = [f"orders.n{n}" for n in range(51)]
    assert pipeline.request("POST", "/webhooks", GOOD | {"events": many}).status == 400
    assert pipeline.state() == before
    created(pipeline, GOOD | {"events": many[:50]})


def test_resuming_wakes_what_has_waited_however_often_it_is_asked_for(pipeline: Pipeline) -> None:
    made = created(pipeline)
    target = f"/webhooks/{made['id']}"
    paused = replace(
        pipeline.webhooks.rows["alice", made["id"]],
        paused=True,
        paused_by_failures=True,
        failing_since="2026-11-22T20:57:44.123Z",
    )
    pipeline.webhooks.rows["alice", made["id"]] = paused
    answer = pipeline.request("PATCH", target, {"paused": False}).json
    assert (answer["paused"], answer["paused_by_failures"], answer["failing_since"]) == (False, False, None)
    assert pipeline.request("PATCH", target, {"paused": False}).status == 200
    first, second, *repeated = pipeline.delivery_queue.sweeps
    assert first == second == Sweep("alice", made["id"], at=first.at)
    assert first.at <= rfc3339(now()), "what was attempted before then is attempted at once"
    assert repeated == [Sweep("alice", made["id"])] * 2, "it was not paused: nothing is attempted before it is due"
    pauses = [pause.total_seconds() for pause in pipeline.delivery_queue.pauses]
    assert pauses == [30, 0, 30, 0], "one comes after the change, even if the process ends in between"
    pipeline.request("PATCH", target, {"paused": True})
    assert len(pipeline.delivery_queue.sweeps) == 4


class ChangedMeanwhile(MemoryWebhooks):
    """A store in which others change the webhook before each of so many writes."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def replace(self, old: Webhook, new: Webhook) -> bool:
        if self.times:
            self.times -= 1
            stored = self.rows[old.owner, old.webhook_id]
            self.rows[old.owner, old.webhook_id] = replace(
                stored, failing_since=f"2026-01-01T00:00:{self.times:02}Z"
            )
        return super().replace(old, new)


def test_changes_at_the_same_time_are_both_kept() -> None:
    pipeline = Pipeline(webhooks=ChangedMeanwhile(times=3))
    made = created(pipeline)
    changed = pipeline.request("PATCH", f"/webhooks/{made['id']}", {"url": "https://other.example/"}).json
    assert (changed["url"], changed["failing_since"]) == ("https://other.example/", "2026-01-01T00:00:00Z")


def test_a_webhook_that_changes_all_the_time_is_a_503() -> None:
    pipeline = Pipeline(webhooks=ChangedMeanwhile(times=1000))
    made = created(pipeline)
    for method, target, body in (("PATCH", "", {"paused": True}), ("POST", "/rotate", None)):
        answer = pipeline.request(method, f"/webhooks/{made['id']}{target}", body)
        assert is_refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(pipeline: Pipeline) -> None:
    made = created(pipeline)
    rotated = pipeline.request("POST", f"/webhooks/{made['id']}/rotate").json
    assert rotated["secret"] != made["secret"]
    stored = pipeline.webhooks.rows["alice", made["id"]]
    until = datetime.fromisoformat(rotated["old_secret_until"])
    assert stored.signing_secrets(until - timedelta(seconds=1)) == (rotated["secret"], made["secret"])
    assert stored.signing_secrets(until) == (rotated["secret"],)
    assert timedelta(hours=23) < until - datetime.now(UTC) <= timedelta(days=1)


def test_a_repeated_rotation_rotates_once(pipeline: Pipeline) -> None:
    """Else the lost answer of the first would leave no secret that the receiver knows."""
    made = created(pipeline)
    target = f"/webhooks/{made['id']}/rotate"
    first = pipeline.request("POST", target, headers={"idempotency-key": "r"}).json
    assert pipeline.request("POST", target, headers={"idempotency-key": "r"}).json == first
    assert pipeline.webhooks.rows["alice", made["id"]].old_secret == made["secret"]
    second = pipeline.request("POST", target, headers={"idempotency-key": "s"}).json
    assert second["secret"] != first["secret"]
    assert pipeline.request("POST", target).json["secret"] != second["secret"]


def test_a_webhook_names_collections_of_the_stage() -> None:
    pipeline = Pipeline(registry=shop())
    made = created(pipeline, GOOD | {"collections": ["orders", "items"]})
    assert made["collections"] == ["orders", "items"]
    before = pipeline.state()
    answer = pipeline.request("PATCH", f"/webhooks/{made['id']}", {"collections": ["items", "tents"]})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/collections/1")
    assert pipeline.state() == before
