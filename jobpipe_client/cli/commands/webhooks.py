"""The group `webhooks`: create, list, show, change, pause, resume, delete, rotate, test, deliveries, replay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import click

from jobpipe_client.cli.command import Command, State, global_options, page_size, pass_state
from jobpipe_client.webhook_models import Webhook, WebhookDelivery

_webhook_id = click.argument("webhook_id", metavar="WEBHOOK")
_events_help = "job.ended, item.changed, or the event of an operation, such as orders.shipped; may be repeated."
_collections_help = "Only events of this collection; may be repeated."


@click.group(params=global_options())
def webhooks() -> None:
    """Notify receivers when your jobs end and when documents change."""


@webhooks.command(
    cls=Command,
    examples="""
    jobpipe webhooks create https://receiver.example/in --event job.ended
    jobpipe webhooks create https://receiver.example/in --event item.changed --collection orders
    """,
)
@click.argument("url")
@click.option("--event", "events", metavar="EVENT", multiple=True, required=True, help=_events_help)
@click.option("--collection", "collections", metavar="NAME", multiple=True, help=_collections_help)
@click.option("--idempotency-key", metavar="KEY", help="A repeated key returns the same webhook and secret.")
@pass_state
def create(
    state: State, *, url: str, events: tuple[str, ...], collections: tuple[str, ...], idempotency_key: str | None
) -> None:
    """Create a webhook, and show its secret, which no other command shows.

    With the secret, the receiver verifies that a request comes from the stage.
    """
    made = state.client.webhooks.create(
        url, events=events, collections=collections, idempotency_key=idempotency_key
    )
    _show_with_secret(state, made)


@webhooks.command("list", cls=Command, examples="jobpipe webhooks list\njobpipe webhooks list --json | jq .url")
@pass_state
def list_webhooks(state: State) -> None:
    """List your webhooks, oldest first."""
    found = state.client.webhooks.list()
    if state.output.json:
        for webhook in found:
            state.output.document(webhook.raw)
        return
    columns = ("webhook", "state", "events", "collections", "url")
    rows = ((each.id, _state(each), *_lists(each), each.url) for each in found)
    state.output.table(columns, rows)


@webhooks.command(cls=Command, examples="jobpipe webhooks show 0c1d…")
@_webhook_id
@pass_state
def show(state: State, *, webhook_id: str) -> None:
    """Show a webhook, and whether it is paused or failing."""
    _show(state, state.client.webhooks.get(webhook_id))


@webhooks.command(
    cls=Command,
    examples="""
    jobpipe webhooks change 0c1d… --url https://receiver.example/new
    jobpipe webhooks change 0c1d… --event job.ended --event item.changed --all-collections
    """,
)
@_webhook_id
@click.option("--url", help="Another URL.")
@click.option("--event", "events", metavar="EVENT", multiple=True, help=_events_help)
@click.option("--collection", "collections", metavar="NAME", multiple=True, help=_collections_help)
@click.option("--all-collections", is_flag=True, help="Events of all collections.")
@pass_state
def change(
    state: State,
    *,
    webhook_id: str,
    url: str | None,
    events: tuple[str, ...],
    collections: tuple[str, ...],
    all_collections: bool,
) -> None:
    """Change a webhook. The given events and collections replace the current ones."""
    if collections and all_collections:
        raise click.UsageError("Name collections, or say --all-collections, not both.")
    changes: dict[str, Any] = {name: value for name, value in (("url", url), ("events", events)) if value}
    if collections or all_collections:
        changes["collections"] = collections
    if not changes:
        raise click.UsageError("Say what to change: --url, --event, --collection or --all-collections.")
    _show(state, state.client.webhooks.change(webhook_id, **changes))


@webhooks.command(cls=Command, examples="jobpipe webhooks pause 0c1d…")
@_webhook_id
@pass_state
def pause(state: State, *, webhook_id: str) -> None:
    """Hold back the events of a webhook, for at most 30 days, until it is resumed."""
    _show(state, state.client.webhooks.change(webhook_id, paused=True))


@webhooks.command(cls=Command, examples="jobpipe webhooks resume 0c1d…")
@_webhook_id
@pass_state
def resume(state: State, *, webhook_id: str) -> None:
    """Deliver the events that have waited, and continue."""
    _show(state, state.client.webhooks.change(webhook_id, paused=False))


@webhooks.command(cls=Command, examples="jobpipe webhooks delete 0c1d…")
@_webhook_id
@pass_state
def delete(state: State, *, webhook_id: str) -> None:
    """Delete a webhook."""
    state.client.webhooks.delete(webhook_id)
    if state.output.json:
        state.output.document({"deleted": webhook_id})
    else:
        state.output.line(f"{webhook_id} is deleted")


@webhooks.command(cls=Command, examples="jobpipe webhooks rotate 0c1d…")
@_webhook_id
@click.option("--idempotency-key", metavar="KEY", help="A repeated key returns the same secret.")
@pass_state
def rotate(state: State, *, webhook_id: str, idempotency_key: str | None) -> None:
    """Give a webhook a new secret, and show it. The old secret still signs for a day."""
    _show_with_secret(state, state.client.webhooks.rotate(webhook_id, idempotency_key=idempotency_key))


@webhooks.command(
    cls=Command, examples="jobpipe webhooks test 0c1d… && jobpipe webhooks deliveries 0c1d… --limit 1"
)
@_webhook_id
@pass_state
def test(state: State, *, webhook_id: str) -> None:
    """Send a test event, even to a paused webhook, and show the id of the event."""
    event = state.client.webhooks.test(webhook_id)
    if state.output.json:
        state.output.document({"event": event})
    else:
        state.output.line(event)


@webhooks.command(
    cls=Command,
    examples="""
    jobpipe webhooks deliveries 0c1d… --limit 20
    jobpipe webhooks deliveries --job 5f0c…
    jobpipe webhooks deliveries 0c1d… --json | jq 'select(.state != "delivered")'
    """,
)
@click.argument("webhook_id", metavar="[WEBHOOK]", required=False)
@click.option("--job", "job_id", metavar="JOB", help="Only events of this job.")
@click.option("--limit", type=click.IntRange(1), help="Show at most this many, the latest.")
@pass_state
def deliveries(state: State, *, webhook_id: str | None, job_id: str | None, limit: int | None) -> None:
    """List the events of the last 30 days, newest first, and the receiver's responses.

    With --job and without WEBHOOK, list the events of the job that each of your webhooks got.
    """
    state.output.stops_unread = True
    client = state.client.webhooks
    if webhook_id is None and job_id is None:
        raise click.UsageError("Name a webhook, or say --job.")
    webhook_ids = [each.id for each in client.list()] if webhook_id is None else [webhook_id]
    size = page_size(limit)
    found = ((each, delivery) for each in webhook_ids for delivery in client.deliveries(each, size, job=job_id))
    shown = islice(found, limit)
    if state.output.json:
        for each, delivery in shown:
            state.output.document({**delivery.raw, "webhook": each} if webhook_id is None else delivery.raw)
        return
    columns = ("event", "type", "state", "attempts", "last response", "next attempt", "subject")
    if webhook_id is not None:
        state.output.table(columns, (_delivery_row(delivery) for _, delivery in shown))
    else:
        state.output.table(("webhook", *columns), ((each, *_delivery_row(delivery)) for each, delivery in shown))


@webhooks.command(
    cls=Command,
    examples="""
    jobpipe webhooks replay 0c1d… 20261122205744123-5b8c…-ended
    jobpipe webhooks replay 0c1d… --since 2026-11-22T00:00:00Z
    """,
)
@_webhook_id
@click.argument("events", metavar="[EVENT]...", nargs=-1)
@click.option("--since", metavar="TIME", help="All events since this time (RFC 3339).")
@pass_state
def replay(state: State, *, webhook_id: str, events: tuple[str, ...], since: str | None) -> None:
    """Deliver events again, with the same ids and new signatures, outside of their order."""
    if bool(events) == bool(since):
        raise click.UsageError("Name events, or say --since, not both.")
    for event in events:
        state.client.webhooks.replay(webhook_id, event)
        _report_replay(state, {"event": event}, f"{event} is delivered again")
    if since:
        state.client.webhooks.replay(webhook_id, since=since)
        _report_replay(state, {"since": since}, f"all events since {since} are delivered again")


def _report_replay(state: State, document: dict[str, str], line: str) -> None:
    if state.output.json:
        state.output.document(document)
    else:
        state.output.line(line)


def _show(state: State, webhook: Webhook) -> None:
    if state.output.json:
        state.output.document(webhook.raw)
    else:
        state.output.table(("", ""), _rows(webhook))


def _show_with_secret(state: State, webhook: Webhook) -> None:
    _show(state, webhook)
    state.output.note("keep the secret: no other command shows it")


def _rows(webhook: Webhook) -> Iterable[tuple[str, str]]:
    events, collections = _lists(webhook)
    yield from (("webhook", webhook.id), ("url", webhook.url), ("events", events), ("collections", collections))
    yield ("state", _state(webhook))
    yield ("created", _time(webhook.created_at))
    if webhook.old_secret_until is not None:
        yield ("old secret until", _time(webhook.old_secret_until))
    if webhook.secret is not None:
        yield ("secret", webhook.secret)


def _state(webhook: Webhook) -> str:
    """Return whether events are delivered, in words."""
    failing = "" if webhook.failing_since is None else f", failing since {_time(webhook.failing_since)}"
    if webhook.paused:
        return f"paused{' because its receiver failed' if webhook.paused_by_failures else ''}{failing}"
    return f"on{failing}"


def _lists(webhook: Webhook) -> tuple[str, str]:
    return ", ".join(webhook.events), ", ".join(webhook.collections) or "all"


def _delivery_row(delivery: WebhookDelivery) -> tuple[str, ...]:
    last = delivery.attempts[-1] if delivery.attempts else None
    response = "" if last is None else f"{last.status or last.error}, {last.milliseconds} ms"
    due = "" if delivery.due is None else _time(delivery.due)
    number = str(len(delivery.attempts))
    return (delivery.event, delivery.type, delivery.state, number, response, due, delivery.subject)


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
