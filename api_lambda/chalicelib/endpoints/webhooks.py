"""The endpoints under /webhooks. This module is imported when one of them is first requested."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.errors import (
    EventsOff,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    TooManyWebhooks,
    Unavailable,
)
from jobpipe.domain.events.cloud_event import EVENT_ID, stem_of
from jobpipe.domain.events.delivery import Delivery, DeliveryState, Line
from jobpipe.domain.events.delivery_messages import SendAgain, Sweep
from jobpipe.domain.events.webhook import MAX_WEBHOOKS, WEBHOOK_ID, Webhook, request_digest
from jobpipe.domain.events.webhook_form import changed_webhook, new_webhook

from ..http import request_fields
from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..http.time_fields import round_time_up
from ..services import Services
from ..webhook_services import WebhookServices
from .jobs import own_job

DELETED = {"message": "Webhook deleted"}

_LONGEST_REQUEST = timedelta(seconds=30)  # API Gateway times out earlier
_MOST_TRIES = 10  # to change a webhook while others change it too


def create_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Create a webhook, and return it with its secret."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    key = request_fields.idempotency_key(request)
    new = request_fields.json_body(
        request, lambda body: new_webhook(body, request.owner, services.registry.names, hooks.urls, now())
    )
    if key is not None:
        digest = request_digest(request.owner, "create", key)
        new = replace(new, creation=digest, secret_request=digest)
    webhook = _find_earlier(new, hooks) or new
    if webhook is new and not hooks.webhooks.put_new(new, MAX_WEBHOOKS):
        repeated = _find_earlier(new, hooks)  # the same request may have been faster
        if repeated is None:
            raise TooManyWebhooks(f"The owner of this key has {MAX_WEBHOOKS} webhooks; delete one of them first.")
        webhook = repeated
    response = _webhook_response(201, webhook, with_secret=True)
    response.headers["Location"] = f"{request.to_root}webhooks/{webhook.webhook_id}"
    return response


def list_webhooks(request: HttpRequest, services: Services) -> HttpResponse:
    """Return the owner's webhooks, oldest first."""
    webhooks = _services(services).webhooks.of_owner(request.owner)
    return _json(200, [each.to_json() for each in webhooks])


def get_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Return a webhook."""
    return _webhook_response(200, _own_webhook(request, _services(services)))


def change_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Set the given members of a webhook."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, known = _own_webhook(request, hooks), services.registry.names

    def check(body: Any) -> dict[str, Any]:
        changed_webhook(webhook, body, known, hooks.urls, now())
        return dict(body)

    members = request_fields.json_body(request, check)
    resumes, at = members.get("paused") is False, rfc3339(now())
    was_paused = webhook.paused

    def change(old: Webhook) -> Webhook:
        nonlocal was_paused
        was_paused = was_paused or old.paused  # another change may have paused it meanwhile
        return changed_webhook(old, members, known, hooks.urls, now())

    if resumes:  # this sweep runs after the change, even if this process ends in between
        hooks.queue.sweep(_wake_sweep(webhook, at if was_paused else ""), _LONGEST_REQUEST)
    webhook = _replace(webhook, change, request, hooks)
    if resumes:
        hooks.queue.sweep(_wake_sweep(webhook, at if was_paused else ""))
    return _webhook_response(200, webhook)


def _wake_sweep(webhook: Webhook, resumed: str) -> Sweep:
    """Return a sweep that wakes the webhook's lines. Without `resumed`, deliveries are attempted only when due."""
    return Sweep(webhook.owner, webhook.webhook_id, at=resumed)


def delete_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Delete a webhook."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    if not hooks.webhooks.delete(request.owner, _webhook_id(request)):
        raise _no_webhook()
    return _json(200, DELETED)


def rotate_secret(request: HttpRequest, services: Services) -> HttpResponse:
    """Give a webhook a new secret, and return it. For a day, events are signed with the old secret too."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    key = request_fields.idempotency_key(request)
    digest = None if key is None else request_digest(request.owner, f"rotate {_webhook_id(request)}", key)

    def rotate(old: Webhook) -> Webhook:
        # If a repeated request rotated again, the secret that receivers still use would no longer sign.
        is_repeated = digest is not None and old.secret_request == digest
        return old if is_repeated else old.with_new_secret(now(), digest)

    return _webhook_response(200, _replace(_own_webhook(request, hooks), rotate, request, hooks), with_secret=True)


def test_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Send a test event to a webhook."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, at = _own_webhook(request, hooks), now()
    event = hooks.source.test_event(webhook.webhook_id, at, secrets.token_hex(16))
    delivery = Delivery(
        line=Line.of_no_document(webhook.owner, webhook.webhook_id),
        event_id=event.event_id,
        event_type=event.event_type,
        subject=event.subject,
        sequence=event.sequence,
        body=event.body,
        state=DeliveryState.PENDING,
        attempts=(),
        created_at=rfc3339(at),
    )
    hooks.deliveries.add(delivery)
    hooks.queue.deliver_again([SendAgain(webhook.owner, webhook.webhook_id, event.event_id)])
    return _accepted(webhook, {"event": event.event_id})


def list_deliveries(request: HttpRequest, services: Services) -> HttpResponse:
    """Return a page of a webhook's deliveries, newest event first; with `job`, only for this job's last end."""
    hooks = _services(services)
    limit, after = request_fields.limit(request), request_fields.event_cursor(request, EVENT_ID)
    job_id, stem = request_fields.job_of_events(request), None
    webhook = _own_webhook(request, hooks)
    if job_id is not None:
        job = own_job(job_id, request, services)
        stem = stem_of(job)
        if after is not None and not after.startswith(f"{stem}-"):
            raise InvalidRequest("The cursor does not belong to the events of this job.")
        if not job.status.done:
            return _json(200, [])
    page = hooks.deliveries.page(webhook.owner, webhook.webhook_id, limit, after, stem=stem)
    response = _json(200, [each.to_json() for each in page.deliveries])
    if page.next_after is not None:
        of_job = "" if job_id is None else f"job={job_id}&"
        query = f"{of_job}limit={limit}&cursor={request_fields.make_cursor(page.next_after)}"
        path = f"{request.to_root}webhooks/{webhook.webhook_id}/deliveries"
        response.headers["Link"] = f'<{path}?{query}>; rel="next"'
    return response


def replay_delivery(request: HttpRequest, services: Services) -> HttpResponse:
    """Deliver an event again."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, event_id = _own_webhook(request, hooks), request.path_parameters["event_id"]
    found = EVENT_ID.fullmatch(event_id) and hooks.deliveries.get(webhook.owner, webhook.webhook_id, event_id)
    if not found:
        raise NotFound("There is no delivery of this event to the webhook, or it has expired.")
    hooks.queue.deliver_again([SendAgain(webhook.owner, webhook.webhook_id, event_id)])
    return _accepted(webhook, {"event": event_id})


def replay_deliveries(request: HttpRequest, services: Services) -> HttpResponse:
    """Deliver all events from a time until now again."""
    hooks = _services(services)
    request_fields.refuse_preconditions(request)
    since = request_fields.json_body(request, _since)
    webhook = _own_webhook(request, hooks)
    hooks.queue.sweep(Sweep(webhook.owner, webhook.webhook_id, since, replay=True, at=rfc3339(now())))
    return _accepted(webhook, {"since": since})


def _services(services: Services) -> WebhookServices:
    if services.webhooks is None:
        raise EventsOff("Events are disabled in this stage: it is deployed without the parameter Events=on.")
    return services.webhooks()


def _webhook_id(request: HttpRequest) -> str:
    webhook_id = request.path_parameters["webhook_id"]
    if not WEBHOOK_ID.fullmatch(webhook_id):
        raise _no_webhook()
    return webhook_id


def _own_webhook(request: HttpRequest, hooks: WebhookServices) -> Webhook:
    webhook = hooks.webhooks.get(request.owner, _webhook_id(request))
    if webhook is None:
        raise _no_webhook()
    return webhook


def _no_webhook() -> NotFound:
    # Another owner's webhook is a 404 too, so that callers learn nothing about each other.
    return NotFound("There is no such webhook.")


def _find_earlier(new: Webhook, hooks: WebhookServices) -> Webhook | None:
    """Return the webhook that an earlier copy of this request has created; None if there is none."""
    found = None if new.creation is None else hooks.webhooks.created_by(new.owner, new.creation)
    if found is None:
        return None
    if found.secret_request != new.creation:
        raise IdempotencyKeyReused("The Idempotency-Key has created a webhook whose secret was rotated since.")
    if (found.url, found.events, found.collections) != (new.url, new.events, new.collections):
        raise IdempotencyKeyReused("The Idempotency-Key was used before for another webhook.")
    return found


def _replace(
    webhook: Webhook, change: Callable[[Webhook], Webhook], request: HttpRequest, hooks: WebhookServices
) -> Webhook:
    """Store the webhook as changed by `change`, and return it. A concurrent change is not lost."""
    for _ in range(_MOST_TRIES):
        new = change(webhook)
        if new == webhook or hooks.webhooks.replace(webhook, new):
            return new
        webhook = _own_webhook(request, hooks)
    raise Unavailable("Others are changing the webhook at the same time.")


def _since(body: Any) -> str:
    """Return the time in the body of a replay, in UTC."""
    if not isinstance(body, dict) or set(body) != {"since"}:
        raise InvalidRequest("The body must be an object with the member since and no other.", pointer="#")
    try:
        return round_time_up("since", body["since"])
    except (InvalidRequest, TypeError):
        detail = "since must be a time in RFC 3339, such as 2026-11-22T20:57:44Z."
        raise InvalidRequest(detail, pointer="#/since") from None


def _webhook_response(status: int, webhook: Webhook, *, with_secret: bool = False) -> HttpResponse:
    members = webhook.to_json() | ({"secret": webhook.secret} if with_secret else {})
    return _json(status, members, webhook)


def _accepted(webhook: Webhook, members: dict[str, str]) -> HttpResponse:
    return _json(202, members, webhook)


def _json(status: int, value: Any, webhook: Webhook | None = None) -> HttpResponse:
    log: dict[str, object] = {} if webhook is None else {"webhook_id": webhook.webhook_id}
    return HttpResponse(status, json_text.encode(value), {"Content-Type": JSON}, log)
