"""The endpoints under /webhooks. They are imported when one of them is first requested."""

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
from ..http.time_fields import rounded_up
from ..services import Services
from ..webhook_services import WebhookServices
from .jobs import own_job

DELETED = {"message": "Webhook deleted"}

_LONGEST_REQUEST = timedelta(seconds=30)  # API Gateway answers before
_MOST_TRIES = 10  # of a change while others change the same webhook


def create_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Create a webhook, and return it with its secret."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    key = request_fields.idempotency_key(request)
    wanted = request_fields.json_body(
        request, lambda body: new_webhook(body, request.owner, services.registry.names, on.urls, now())
    )
    if key is not None:
        digest = request_digest(request.owner, "create", key)
        wanted = replace(wanted, creation=digest, secret_request=digest)
    webhook = _earlier(wanted, on) or wanted
    if webhook is wanted and not on.webhooks.put_new(wanted, MAX_WEBHOOKS):
        repeated = _earlier(wanted, on)  # the same request may have been faster
        if repeated is None:
            raise TooManyWebhooks(f"The owner of this key has {MAX_WEBHOOKS} webhooks; delete one of them first.")
        webhook = repeated
    response = _shown(201, webhook, with_secret=True)
    response.headers["Location"] = f"{request.to_root}webhooks/{webhook.webhook_id}"
    return response


def list_webhooks(request: HttpRequest, services: Services) -> HttpResponse:
    """Return the owner's webhooks, oldest first."""
    webhooks = _services(services).webhooks.of_owner(request.owner)
    return _json(200, [each.to_json() for each in webhooks])


def get_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Return a webhook."""
    return _shown(200, _own(request, _services(services)))


def change_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Set the given members of a webhook."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, known = _own(request, on), services.registry.names

    def check(body: Any) -> dict[str, Any]:
        changed_webhook(webhook, body, known, on.urls, now())
        return dict(body)

    members = request_fields.json_body(request, check)
    resumes, at = members.get("paused") is False, rfc3339(now())
    was_paused = webhook.paused

    def change(old: Webhook) -> Webhook:
        nonlocal was_paused
        was_paused = was_paused or old.paused  # another change may have paused it meanwhile
        return changed_webhook(old, members, known, on.urls, now())

    if resumes:  # it comes after the change, even if this process ends in between
        on.queue.sweep(_waking(webhook, at if was_paused else ""), _LONGEST_REQUEST)
    webhook = _replaced(webhook, change, request, on)
    if resumes:
        on.queue.sweep(_waking(webhook, at if was_paused else ""))
    return _shown(200, webhook)


def _waking(webhook: Webhook, resumed: str) -> Sweep:
    """Return a sweep through the webhook's lines. If it was not paused, nothing is attempted before it is due."""
    return Sweep(webhook.owner, webhook.webhook_id, at=resumed)


def delete_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Delete a webhook."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    if not on.webhooks.delete(request.owner, _webhook_id(request)):
        raise _no_webhook()
    return _json(200, DELETED)


def rotate_secret(request: HttpRequest, services: Services) -> HttpResponse:
    """Give a webhook a new secret, and return it; the old one signs beside it for a day."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    key = request_fields.idempotency_key(request)
    digest = None if key is None else request_digest(request.owner, f"rotate {_webhook_id(request)}", key)

    def rotated(old: Webhook) -> Webhook:
        # Were a repeated request to rotate again, the secret that receivers still use would not sign any more.
        is_repeated = digest is not None and old.secret_request == digest
        return old if is_repeated else old.with_new_secret(now(), digest)

    return _shown(200, _replaced(_own(request, on), rotated, request, on), with_secret=True)


def test_webhook(request: HttpRequest, services: Services) -> HttpResponse:
    """Send a test event to a webhook."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, at = _own(request, on), now()
    event = on.source.test_event(webhook.webhook_id, at, secrets.token_hex(16))
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
    on.deliveries.add(delivery)
    on.queue.deliver_again([SendAgain(webhook.owner, webhook.webhook_id, event.event_id)])
    return _accepted(webhook, {"event": event.event_id})


def list_deliveries(request: HttpRequest, services: Services) -> HttpResponse:
    """Return a page of a webhook's deliveries, newest event first; with `job`, those of this job's last end."""
    on = _services(services)
    limit, after = request_fields.limit(request), request_fields.event_cursor(request, EVENT_ID)
    job_id, stem = request_fields.job_of_events(request), None
    webhook = _own(request, on)
    if job_id is not None:
        job = own_job(job_id, request, services)
        stem = stem_of(job)
        if after is not None and not after.startswith(f"{stem}-"):
            raise InvalidRequest("The cursor does not belong to the events of this job.")
        if not job.status.done:
            return _json(200, [])
    page = on.deliveries.page(webhook.owner, webhook.webhook_id, limit, after, stem=stem)
    response = _json(200, [each.to_json() for each in page.deliveries])
    if page.next_after is not None:
        of_job = "" if job_id is None else f"job={job_id}&"
        query = f"{of_job}limit={limit}&cursor={request_fields.make_cursor(page.next_after)}"
        path = f"{request.to_root}webhooks/{webhook.webhook_id}/deliveries"
        response.headers["Link"] = f'<{path}?{query}>; rel="next"'
    return response


def replay_delivery(request: HttpRequest, services: Services) -> HttpResponse:
    """Deliver an event once more."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    webhook, event_id = _own(request, on), request.path_parameters["event_id"]
    found = EVENT_ID.fullmatch(event_id) and on.deliveries.get(webhook.owner, webhook.webhook_id, event_id)
    if not found:
        raise NotFound("There is no delivery of this event to the webhook, or it has expired.")
    on.queue.deliver_again([SendAgain(webhook.owner, webhook.webhook_id, event_id)])
    return _accepted(webhook, {"event": event_id})


def replay_deliveries(request: HttpRequest, services: Services) -> HttpResponse:
    """Deliver all events from a time until now once more."""
    on = _services(services)
    request_fields.refuse_preconditions(request)
    since = request_fields.json_body(request, _since)
    webhook = _own(request, on)
    on.queue.sweep(Sweep(webhook.owner, webhook.webhook_id, since, replay=True, at=rfc3339(now())))
    return _accepted(webhook, {"since": since})


def _services(services: Services) -> WebhookServices:
    if services.webhooks is None:
        raise EventsOff("This stage tells nobody of events, since it is deployed without the parameter Events=on.")
    return services.webhooks()


def _webhook_id(request: HttpRequest) -> str:
    webhook_id = request.path_parameters["webhook_id"]
    if not WEBHOOK_ID.fullmatch(webhook_id):
        raise _no_webhook()
    return webhook_id


def _own(request: HttpRequest, on: WebhookServices) -> Webhook:
    webhook = on.webhooks.get(request.owner, _webhook_id(request))
    if webhook is None:
        raise _no_webhook()
    return webhook


def _no_webhook() -> NotFound:
    # Another owner's webhook is a 404 too, so that callers see nothing of each other.
    return NotFound("There is no such webhook.")


def _earlier(wanted: Webhook, on: WebhookServices) -> Webhook | None:
    """Return the webhook that the same request, sent before, has created; None if there is none."""
    found = None if wanted.creation is None else on.webhooks.created_by(wanted.owner, wanted.creation)
    if found is None:
        return None
    if found.secret_request != wanted.creation:
        raise IdempotencyKeyReused("The Idempotency-Key has created a webhook whose secret was rotated since.")
    if (found.url, found.events, found.collections) != (wanted.url, wanted.events, wanted.collections):
        raise IdempotencyKeyReused("The Idempotency-Key was used before for another webhook.")
    return found


def _replaced(
    webhook: Webhook, change: Callable[[Webhook], Webhook], request: HttpRequest, on: WebhookServices
) -> Webhook:
    """Store what `change` makes of the webhook, and return it. Another change meanwhile is not lost."""
    for _ in range(_MOST_TRIES):
        new = change(webhook)
        if new == webhook or on.webhooks.replace(webhook, new):
            return new
        webhook = _own(request, on)
    raise Unavailable("Others are changing the webhook at the same time.")


def _since(body: Any) -> str:
    """Return the time in the body of a replay, in UTC."""
    if not isinstance(body, dict) or set(body) != {"since"}:
        raise InvalidRequest("The body must be an object with the member since, and no other.", pointer="#")
    try:
        return rounded_up("since", body["since"])
    except (InvalidRequest, TypeError):
        detail = "since must be a time in RFC 3339, such as 2026-11-22T20:57:44Z."
        raise InvalidRequest(detail, pointer="#/since") from None


def _shown(status: int, webhook: Webhook, *, with_secret: bool = False) -> HttpResponse:
    members = webhook.to_json() | ({"secret": webhook.secret} if with_secret else {})
    return _json(status, members, webhook)


def _accepted(webhook: Webhook, members: dict[str, str]) -> HttpResponse:
    return _json(202, members, webhook)


def _json(status: int, value: Any, webhook: Webhook | None = None) -> HttpResponse:
    log: dict[str, object] = {} if webhook is None else {"webhook_id": webhook.webhook_id}
    return HttpResponse(status, json_text.encode(value), {"Content-Type": JSON}, log)
