"""client.webhooks: its requests, its objects and its errors."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from jobpipe_client import (
    Client,
    EventsDisabled,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    TooManyWebhooks,
    Webhook,
    WebhookDelivery,
)
from tests.client.service import Canned, Service

URL = "https://receiver.example/in"


def created(client: Client, **how: Any) -> Webhook:
    return client.webhooks.create(URL, events=["job.ended"], **how)


def test_a_webhook_is_created_shown_changed_and_deleted(client: Client, service: Service) -> None:
    made = client.webhooks.create(URL, events=("job.ended", "item.changed"), collections=["items"])
    assert service.seen[-1].body == {"url": URL, "events": ["job.ended", "item.changed"], "collections": ["items"]}
    assert (made.url, made.events, made.collections) == (URL, ("job.ended", "item.changed"), ("items",))
    assert made.secret is not None
    shown = client.webhooks.get(made.id)
    assert shown.secret is None
    assert client.webhooks.list() == [shown]
    client.webhooks.change(made.id, collections=[], paused=False)
    assert service.seen[-1].body == {"collections": [], "paused": False}
    changed = client.webhooks.change(made.id, url=f"{URL}2", events=["job.ended"])
    assert (changed.url, changed.events, changed.collections) == (f"{URL}2", ("job.ended",), ())
    client.webhooks.delete(made.id)
    for call in (client.webhooks.get, client.webhooks.delete, client.webhooks.test, client.webhooks.rotate):
        with pytest.raises(NotFound):
            call(made.id)


def test_a_secret_that_was_lost_on_its_way_is_sent_again(client: Client, service: Service) -> None:
    """A second webhook would tell everything twice; a second rotation would end the secret that is in use."""
    service.canned.append(Canned(0, after_effect=True))
    made = created(client)
    assert len(client.webhooks.list()) == 1
    service.canned.append(Canned(0, after_effect=True))
    rotated = client.webhooks.rotate(made.id)
    assert service.webhooks is not None
    assert service.webhooks.rows[made.id]["secret"] == rotated.secret != made.secret
    keys = [seen.headers["idempotency-key"] for seen in service.seen if seen.method == "POST"]
    assert [keys.count(key) for key in keys] == [2, 2, 2, 2]
    assert created(client, idempotency_key="k").id == created(client, idempotency_key="k").id
    again = [client.webhooks.rotate(made.id, idempotency_key="r").secret for _ in range(2)]
    assert again[0] == again[1]


def test_no_repr_shows_the_secret(client: Client) -> None:
    made = created(client)
    assert made.secret
    assert made.secret not in repr(made)
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_deliveries_are_read_page_by_page(client: Client, service: Service) -> None:
    made = created(client)
    events = [client.webhooks.test(made.id) for _ in range(5)]
    found = list(client.webhooks.deliveries(made.id, page_size=2))
    assert [each.event for each in found] == events[::-1]
    assert len([seen for seen in service.seen if seen.path.endswith("/deliveries")]) == 3
    assert (found[0].type, found[0].subject, found[0].due) == ("webhook.test", f"webhooks/{made.id}", None)
    assert (found[0].attempts[0].status, found[0].attempts[0].error, found[0].attempts[0].replay) == (
        204,
        None,
        True,
    )


def test_the_deliveries_of_a_job_are_asked_for(client: Client, service: Service) -> None:
    made = created(client)
    events = [client.webhooks.test(made.id) for _ in range(3)]
    job_id = events[1].split("-")[1]
    assert [each.event for each in client.webhooks.deliveries(made.id, job=job_id)] == [events[1]]
    assert service.seen[-1].query == {"job": [job_id]}
    assert [each.event for each in client.webhooks.deliveries(made.id, 1, job=job_id)] == [events[1]]
    assert service.seen[-1].query == {"job": [job_id], "limit": ["1"]}


def test_one_event_or_all_since_a_time_are_replayed(client: Client, service: Service) -> None:
    made = created(client)
    event = client.webhooks.test(made.id)
    client.webhooks.replay(made.id, event)
    client.webhooks.replay(made.id, since=datetime(2026, 11, 22, tzinfo=UTC))
    client.webhooks.replay(made.id, since="2026-11-22T00:00:00Z")
    assert service.webhooks is not None
    assert service.webhooks.replayed == [
        {"event": event},
        {"since": "2026-11-22T00:00:00+00:00"},
        {"since": "2026-11-22T00:00:00Z"},
    ]
    with pytest.raises(NotFound):
        client.webhooks.replay(made.id, "20261122205744123-x-ended")


def test_arguments_that_cannot_be_used_are_refused_before_a_request(client: Client, service: Service) -> None:
    for call in (
        lambda: client.webhooks.create(URL, events="job.ended"),
        lambda: client.webhooks.change("w", events="job.ended"),
        lambda: client.webhooks.change("w", collections="items"),
        lambda: client.webhooks.create(URL, events=["job.ended"], idempotency_key="a b"),
        lambda: client.webhooks.replay("w"),
        lambda: client.webhooks.replay("w", "e", since="2026-11-22T00:00:00Z"),
        lambda: client.webhooks.replay("w", since=datetime(2026, 11, 22)),  # noqa: DTZ001
        lambda: client.webhooks.replay("w", ".."),
        lambda: client.webhooks.get(""),
        lambda: client.webhooks.delete(".."),
    ):
        with pytest.raises(ValueError, match=r"must|needs|cannot"):
            call()
    assert service.seen == []


def test_errors_of_the_service_have_classes(client: Client, service: Service) -> None:
    with pytest.raises(InvalidRequest):
        client.webhooks.create("http://receiver.example/", events=["job.ended"])
    created(client)
    for _ in range(9):
        created(client)
    with pytest.raises(TooManyWebhooks):
        created(client)
    service.webhooks = None
    with pytest.raises(EventsDisabled):
        client.webhooks.list()


@pytest.mark.parametrize("body", [[], {}, "x", None, {"id": "w"}, {"event": 7}, [{"event": "e"}], [7]])
def test_another_answer_is_a_bad_answer(client: Client, service: Service, body: Any) -> None:
    def answered() -> None:
        service.canned.append(Canned(200, {}, body))

    answered()
    with pytest.raises(InvalidResponse):
        client.webhooks.get("w")
    answered()
    with pytest.raises(InvalidResponse):
        client.webhooks.test("w")
    if body:  # an empty list is a list
        answered()
        with pytest.raises(InvalidResponse):
            client.webhooks.list()
        answered()
        with pytest.raises(InvalidResponse):
            list(client.webhooks.deliveries("w"))


def test_what_describes_no_delivery_is_a_bad_answer() -> None:
    for document in ({}, None, {"event": "e", "attempts": 7}):
        with pytest.raises(InvalidResponse, match="delivery"):
            WebhookDelivery.of(document)
