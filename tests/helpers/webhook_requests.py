"""Requests under /webhooks to the in-memory pipeline, the keys that make them, and a delivery."""

from __future__ import annotations

from typing import Any

from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt, DeliveryState, Line
from tests.helpers.pipeline import Answer, Pipeline

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
