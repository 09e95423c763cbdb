"""The endpoints under /webhooks: what they store and show, and who may use them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.cloud_event import stem_of
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from jobpipe.domain.events.webhook import MAX_STAGE_WEBHOOKS, MAX_WEBHOOKS, Webhook
from tests.helpers.memory.webhooks import MemoryWebhooks
from tests.helpers.pipeline import Answer, Pipeline
from tests.helpers.shop import shop

URL = "https://receiver.example/in?token=hidden"
GOOD = {"url": URL, "events": ["job.ended"]}
EVENT = "20261122205744123-5b8c0f6d3e2a4b7c9d1e0f2a3b4c5d6e-9f86d081-ended"
READER, WRITER, OPERATOR = (f"alice{letter}{'0' * 32}" for letter in "RWO")


def created(pipeline: Pipeline, body: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    answer = pipeline.request("POST", "/webhooks", body or GOOD, **options)
    assert answer.status == 201, answer.text
    return dict(answer.json)


def is_refused(answer: Answer, status: int, slug: str) -> bool:
    return (answer.status, answer.json["type"]) == (status, f"urn:jobpipe:problem:{slug}")


def a_delivery(webhook: dict[str, Any], n: int = 0, owner: str = "alice") -> Delivery:
    return Delivery(
        line=Line(owner, webhook["id"], "d"),
        event_id=f"2026112220574{n:04}-5b8c0f6d3e2a4b7c9d1e0f2a3b4c5d6e-9f86d081-ended",
        event_type="job.ended",
        subject="jobs/5b8c0f6d3e2a4b7c9d1e0f2a3b4c5d6e",
        sequence="1",
        body="{}",
        state=DeliveryState.DELIVERED,
        attempts=(DeliveryAttempt("2026-11-22T20:57:45.000Z", 38, 204),),
        created_at="2026-11-22T20:57:44.123Z",
    )


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
        assert error["detail"].startswith(f"{wrong!r} is no event; there are job.ended, item.changed, and <coll")
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


def test_a_test_event_goes_to_this_webhook_and_waits_for_no_other(pipeline: Pipeline) -> None:
    made = created(pipeline)
    events = [pipeline.request("POST", f"/webhooks/{made['id']}/test") for _ in range(2)]
    assert [each.status for each in events] == [202, 202]
    ids = [each.json["event"] for each in events]
    stored = [pipeline.deliveries.rows["alice", made["id"], event_id] for event_id in ids]
    assert pipeline.delivery_queue.replays == [SendAgain("alice", made["id"], each) for each in ids]
    assert [each.line.document for each in stored] == ["", ""], "it is in no line"
    assert len(set(ids)) == 2
    event = json.loads(stored[0].body)
    assert event["id"] == ids[0]
    assert (event["type"], event["subject"]) == ("webhook.test", f"webhooks/{made['id']}")
    listed = pipeline.request("GET", f"/webhooks/{made['id']}/deliveries").json
    assert {each["event"] for each in listed} == set(ids)
    assert {(each["state"], each["type"], each["due"]) for each in listed} == {("pending", "webhook.test", None)}


def test_deliveries_are_listed_page_by_page_newest_first(pipeline: Pipeline) -> None:
    made = created(pipeline)
    for n in range(5):
        pipeline.deliveries.add(a_delivery(made, n))
    seen: list[str] = []
    target = f"/webhooks/{made['id']}/deliveries?limit=2"
    for size in (2, 2, 1):
        answer = pipeline.request("GET", target)
        assert len(answer.json) == size
        seen += [each["event"] for each in answer.json]
        link = answer.headers.get("link", "").partition(">")[0]
        target = link.replace("<../../", "/")
    assert seen == [a_delivery(made, n).event_id for n in (4, 3, 2, 1, 0)]
    assert not target, "the last page has no Link"
    assert pipeline.request("GET", f"/webhooks/{made['id']}/deliveries").json[0]["attempts"] == [
        {"at": "2026-11-22T20:57:45.000Z", "milliseconds": 38, "status": 204, "error": None, "replay": False}
    ]


def test_an_event_is_replayed_outside_of_its_line(pipeline: Pipeline) -> None:
    made = created(pipeline)
    event_id = a_delivery(made).event_id
    pipeline.deliveries.add(a_delivery(made))
    answer = pipeline.request("POST", f"/webhooks/{made['id']}/deliveries/{event_id}/replay")
    assert (answer.status, answer.json) == (202, {"event": event_id})
    assert pipeline.delivery_queue.replays == [SendAgain("alice", made["id"], event_id)]
    for other in (EVENT, "nope", "..", "%2F"):
        unknown = pipeline.request("POST", f"/webhooks/{made['id']}/deliveries/{other}/replay")
        assert is_refused(unknown, 404, "not-found")
    assert len(pipeline.delivery_queue.replays) == 1


@pytest.mark.parametrize(
    ("since", "in_utc"),
    [
        ("2026-11-22T20:57:44Z", "2026-11-22T20:57:44.000Z"),
        ("2026-11-22T21:57:44.1231+01:00", "2026-11-22T20:57:44.124Z"),
    ],
)
def test_events_since_a_time_are_replayed(pipeline: Pipeline, since: str, in_utc: str) -> None:
    made = created(pipeline)
    answer = pipeline.request("POST", f"/webhooks/{made['id']}/replay", {"since": since})
    assert (answer.status, answer.json) == (202, {"since": in_utc})
    (sweep,) = pipeline.delivery_queue.sweeps
    assert sweep == Sweep("alice", made["id"], in_utc, replay=True, at=sweep.at)
    age = now() - datetime.fromisoformat(sweep.at)
    assert timedelta() <= age < timedelta(minutes=1), "what comes later is not replayed"


def test_a_paused_webhook_can_be_tested_and_replayed(pipeline: Pipeline) -> None:
    """So its owner can see whether the receiver works again, before all that has waited is sent."""
    made = created(pipeline)
    pipeline.deliveries.add(a_delivery(made))
    target = f"/webhooks/{made['id']}"
    pipeline.request("PATCH", target, {"paused": True})
    event_id = a_delivery(made).event_id
    since = {"since": "2026-11-22T20:57:44Z"}
    for path, body in (("/test", None), (f"/deliveries/{event_id}/replay", None), ("/replay", since)):
        assert pipeline.request("POST", target + path, body).status == 202
    assert len(pipeline.delivery_queue.replays) == 2
    assert len(pipeline.delivery_queue.sweeps) == 1
    assert pipeline.request("GET", target).json["paused"] is True


def test_the_deliveries_of_a_job_are_those_of_its_last_end(pipeline: Pipeline) -> None:
    made, other = created(pipeline), created(pipeline)
    jobs = [pipeline.do("POST", "/items", {"name": f"Tent {n}", "description": "d"}) for n in range(2)]
    stems = [stem_of(pipeline.jobs.rows[job["id"]]) for job in jobs]
    kinds = ("ended", "emitted-1", "emitted-0", "changed")
    ids = [f"{stem}-{kind}" for stem in (*stems, f"20261122205744123-{jobs[0]['id']}-earlier") for kind in kinds]
    for event_id in ids:
        pipeline.deliveries.add(replace(a_delivery(made), event_id=event_id))
    target = f"/webhooks/{made['id']}/deliveries?job={jobs[0]['id']}"
    whole = pipeline.request("GET", target)
    assert [each["event"] for each in whole.json] == ids[:4]
    assert "link" not in whole.headers
    page = pipeline.request("GET", f"{target}&limit=3")
    assert [each["event"] for each in page.json] == ids[:3]
    following = page.headers["link"].partition(">")[0].replace("<../../", "/")
    rest = pipeline.request("GET", following)
    assert [each["event"] for each in rest.json] == ids[3:4]
    assert "link" not in rest.headers
    assert pipeline.request("GET", f"/webhooks/{other['id']}/deliveries?job={jobs[0]['id']}").json == []
    strange = pipeline.request("GET", following.replace(jobs[0]["id"], jobs[1]["id"]))
    assert is_refused(strange, 400, "invalid-request")


def test_a_job_that_has_not_ended_has_no_deliveries(pipeline: Pipeline) -> None:
    made = created(pipeline)
    job = pipeline.request("POST", "/items", {"name": "Tent", "description": "d"}).json
    stem = stem_of(pipeline.jobs.rows[job["id"]])
    pipeline.deliveries.add(replace(a_delivery(made), event_id=f"{stem}-ended"))
    assert pipeline.request("GET", f"/webhooks/{made['id']}/deliveries?job={job['id']}").json == []


def test_only_the_callers_own_jobs_have_deliveries(pipeline: Pipeline) -> None:
    made = created(pipeline)
    bobs = pipeline.request("POST", "/items", {"name": "Tent", "description": "d"}, owner="bob").json
    target = f"/webhooks/{made['id']}/deliveries?job="
    for key in (WRITER, OPERATOR):
        for job_id in (bobs["id"], "0" * 32):
            assert is_refused(pipeline.request("GET", f"{target}{job_id}", checked_key=key), 404, "not-found")
    for job_id in ("", "nope", bobs["id"].upper(), f"{bobs['id']}-"):
        assert is_refused(pipeline.request("GET", f"{target}{job_id}"), 400, "invalid-request")


def every_request(webhook_id: str) -> list[tuple[str, str, Any]]:
    """Return a valid request to each route under /webhooks."""
    target = f"/webhooks/{webhook_id}"
    return [
        ("POST", "/webhooks", GOOD),
        ("GET", "/webhooks", None),
        ("GET", target, None),
        ("PATCH", target, {"paused": False}),
        ("POST", f"{target}/rotate", None),
        ("POST", f"{target}/test", None),
        ("POST", f"{target}/replay", {"since": "2026-11-22T20:57:44Z"}),
        ("GET", f"{target}/deliveries", None),
        ("POST", f"{target}/deliveries/{a_delivery({'id': webhook_id}).event_id}/replay", None),
        ("DELETE", target, None),
    ]


def test_without_events_each_request_is_a_409_whatever_its_body() -> None:
    pipeline = Pipeline(events=False)
    for method, target, body in every_request("0" * 32):
        for sent in (body, {"url": 7}) if method != "GET" else (None,):
            answer = pipeline.request(method, target, sent)
            assert is_refused(answer, 409, "events-off")
            assert "Events=on" in answer.json["detail"]


def test_readers_see_and_writers_and_operators_change(pipeline: Pipeline) -> None:
    for key in (WRITER, OPERATOR):
        made = created(pipeline, checked_key=key)
        pipeline.deliveries.add(a_delivery(made))
        for method, target, body in every_request(made["id"])[1:-1]:
            before = pipeline.state()
            read = pipeline.request(method, target, body, checked_key=READER)
            assert read.status == (200 if method == "GET" else 403), target
            assert pipeline.state() == before
            assert pipeline.request(method, target, body, checked_key=key).status < 300, target
        method, target, _ = every_request(made["id"])[-1]
        assert pipeline.request(method, target, checked_key=READER).status == 403
        assert pipeline.request(method, target, checked_key=key).json == {"message": "Webhook deleted"}
    assert pipeline.request("POST", "/webhooks", GOOD, checked_key=READER).status == 403
    assert not pipeline.webhooks.rows


def test_another_owners_webhook_is_a_404(pipeline: Pipeline) -> None:
    bobs = created(pipeline, owner="bob")
    pipeline.deliveries.add(a_delivery(bobs, owner="bob"))
    before = pipeline.state()
    for webhook_id in (bobs["id"], "0" * 32, "nope", bobs["id"].upper(), "%2e%2e"):
        for method, target, body in every_request(webhook_id)[2:]:
            for key in ("", OPERATOR):
                assert is_refused(pipeline.request(method, target, body, checked_key=key), 404, "not-found"), target
    assert pipeline.request("GET", "/webhooks").json == []
    assert pipeline.state() == before


def test_a_webhook_names_collections_of_the_stage() -> None:
    pipeline = Pipeline(registry=shop())
    made = created(pipeline, GOOD | {"collections": ["orders", "items"]})
    assert made["collections"] == ["orders", "items"]
    before = pipeline.state()
    answer = pipeline.request("PATCH", f"/webhooks/{made['id']}", {"collections": ["items", "tents"]})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (400, "#/collections/1")
    assert pipeline.state() == before


class NoQueue:
    """A queue that is not available."""

    def now(self, lines: Sequence[WakeLine]) -> None:
        raise Unavailable("SQS does not answer.")

    def later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        raise Unavailable("SQS does not answer.")

    def again(self, replays: Sequence[SendAgain]) -> None:
        raise Unavailable("SQS does not answer.")

    def sweep(self, sweep: Sweep, pause: timedelta = timedelta()) -> None:
        raise Unavailable("SQS does not answer.")


def test_what_cannot_be_queued_is_a_503_and_can_be_asked_for_again() -> None:
    pipeline = Pipeline(delivery_queue=NoQueue())  # type: ignore[arg-type]
    made = created(pipeline)
    pipeline.deliveries.add(a_delivery(made))
    target = f"/webhooks/{made['id']}"
    requests: list[tuple[str, str, Any]] = [
        ("PATCH", target, {"paused": False}),
        ("POST", f"{target}/test", None),
        ("POST", f"{target}/replay", {"since": "2026-11-22T20:57:44Z"}),
        ("POST", f"{target}/deliveries/{a_delivery(made).event_id}/replay", None),
    ]
    for method, path, body in requests:
        assert is_refused(pipeline.request(method, path, body), 503, "unavailable")
