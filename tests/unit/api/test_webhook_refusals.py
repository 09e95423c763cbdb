"""Requests under /webhooks that are refused: without events, without rights, of others, and while a queue fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from jobpipe.domain.errors import Unavailable
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep, WakeLine
from tests.helpers.pipeline import Pipeline
from tests.helpers.webhook_requests import GOOD, OPERATOR, READER, WRITER, a_delivery, created, is_refused


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


class NoQueue:
    """A queue that is not available."""

    def deliver_now(self, lines: Sequence[WakeLine]) -> None:
        raise Unavailable("SQS does not answer.")

    def deliver_later(self, message: WakeLine | SendAgain, pause: timedelta) -> None:
        raise Unavailable("SQS does not answer.")

    def deliver_again(self, replays: Sequence[SendAgain]) -> None:
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
