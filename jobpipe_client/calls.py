"""The HTTP requests of all writes, both for methods that return a job and for methods that wait for it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from jobpipe_client import json_text

Json = Mapping[str, Any]
Before = datetime | timedelta | str  # the latest time at which a command may take effect; a string is in RFC 3339
At = datetime | timedelta | str  # the earliest time, in the same forms
NOT_AFTER, NOT_BEFORE = "not_after", "not_before"  # the members of a raw command with these times
TASK_TOKEN = "task_token"  # noqa: S105  # the member with the token of a waiting Step Functions task
ITEMS = "items"  # the collection that every deployment has


@dataclass(frozen=True, slots=True)
class Call:
    """A request without the base URL. Repeating it is safe; where needed, an idempotency key makes it so."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


def create(item: Json, key: str | None, collection: str = ITEMS) -> Call:
    """POST /items, or the collection's own path."""
    return _write("POST", collection_path(collection), item, key)


def update(item_id: str, fields: Json, key: str | None, if_match: str | None, collection: str = ITEMS) -> Call:
    """PUT /items/{id}: the given fields replace the item's."""
    return _write("PUT", item_path(item_id, collection), fields, key, if_match=if_match)


def merge(item_id: str, patch: Json, key: str | None, if_match: str | None, collection: str = ITEMS) -> Call:
    """PATCH /items/{id}: an RFC 7396 merge patch."""
    content_type = "application/merge-patch+json"
    return _write("PATCH", item_path(item_id, collection), patch, key, if_match=if_match, content_type=content_type)


def delete(item_id: str, key: str | None, if_match: str | None, collection: str = ITEMS) -> Call:
    """DELETE /items/{id}."""
    return _write("DELETE", item_path(item_id, collection), None, key, if_match=if_match)


def read(item_id: str, key: str | None, collection: str = ITEMS) -> Call:
    """POST /jobs with a read."""
    return submit(add_collection({"operation": "read", "item_id": item_id}, collection), key)


def upsert(document: Json, key: str | None, collection: str) -> Call:
    """POST /jobs with an upsert."""
    return submit(add_collection({"operation": "upsert", "item": document}, collection), key)


def run(
    collection: str, item_id: str, operation: str, members: Json, *, key: str | None, if_match: str | None
) -> Call:
    """POST /{collection}/{id}/{operation}: an operation of the collection."""
    path = f"{item_path(item_id, collection)}/{_quote_segment(operation, 'an operation')}"
    return _write("POST", path, members, key, if_match=if_match)


def add_collection(command: Json, collection: str) -> Json:
    """Return the raw command for this collection, unless it names one. A command for items names none."""
    if collection == ITEMS or not isinstance(command, Mapping) or "collection" in command:
        return command
    rest = {name: value for name, value in command.items() if name != "operation"}
    first = {"operation": command["operation"]} if "operation" in command else {}
    return {**first, "collection": collection, **rest}


def add_times(command: Json, at: At | None, before: Before | None) -> Json:
    """Return the command with these times, unless it has its own. Raise ValueError for a time without a zone."""
    arguments = {NOT_BEFORE: ("at", at), NOT_AFTER: ("before", before)}
    times = {
        member: format_time(time, name)
        for member, (name, time) in arguments.items()
        if time is not None and isinstance(command, Mapping) and member not in command
    }
    return {**command, **times} if times else command


def add_task_token(command: Json, task_token: str | None) -> Json:
    """Return the command with this task token, unless it has one."""
    if task_token is None or not isinstance(command, Mapping) or TASK_TOKEN in command:
        return command
    return {**command, TASK_TOKEN: task_token}


def format_time(time: At | Before, name: str = "before") -> str:
    """Return the time in RFC 3339. A duration is counted from now. Raise ValueError for a time without a zone."""
    if isinstance(time, timedelta):
        return (datetime.now(UTC) + time).isoformat()
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"{name} must be a time with a zone")
        return time.isoformat()
    return time


def submit(command: Json, key: str | None) -> Call:
    """POST /jobs."""
    return _write("POST", "/jobs", command, key)


def submit_batch(commands: Sequence[Json], key: str | None, name: str | None = None) -> Call:
    """POST /batches."""
    return submit_encoded([encode(command) for command in commands], key, name)


def submit_encoded(commands: Sequence[bytes], key: str | None, name: str | None = None) -> Call:
    """POST /batches with commands that are already encoded as JSON."""
    named = b"" if name is None else b',"name":' + json_text.encode(name).encode("utf-8", "backslashreplace")
    body = b'{"commands":[' + b",".join(commands) + b"]" + named + b"}"
    return Call("POST", "/batches", _headers(key, "application/json"), body)


def cancel(job_id: str) -> Call:
    """DELETE /jobs/{id}. It needs no idempotency key, since repeating it changes nothing."""
    return Call("DELETE", job_path(job_id), {})


def retry(job_id: str, before: Before | None = None) -> Call:
    """POST /jobs/{id}/retry. It needs no idempotency key, since a job can succeed only once."""
    path = f"{job_path(job_id)}/retry"
    if before is None:
        return Call("POST", path, {})
    return Call("POST", path, {"Content-Type": "application/json"}, encode({NOT_AFTER: format_time(before)}))


def dismiss(job_id: str) -> Call:
    """POST /jobs/{id}/dismiss. It needs no idempotency key, since repeating it changes nothing."""
    return Call("POST", f"{job_path(job_id)}/dismiss", {})


def cancel_batch(batch_id: str) -> Call:
    """DELETE /batches/{id}. It needs no idempotency key, since repeating it changes nothing."""
    return Call("DELETE", batch_path(batch_id), {})


def retry_batch(batch_id: str) -> Call:
    """POST /batches/{id}/retry. It needs no idempotency key, since a job can succeed only once."""
    return Call("POST", f"{batch_path(batch_id)}/retry", {})


def create_webhook(members: Json, key: str | None) -> Call:
    """POST /webhooks. A repeated request with the same key returns the same webhook and secret."""
    return _write("POST", "/webhooks", members, key)


def change_webhook(webhook_id: str, members: Json) -> Call:
    """PATCH /webhooks/{id}. It needs no idempotency key, since repeating it changes nothing."""
    return Call("PATCH", webhook_path(webhook_id), {"Content-Type": "application/json"}, encode(members))


def delete_webhook(webhook_id: str) -> Call:
    """DELETE /webhooks/{id}."""
    return Call("DELETE", webhook_path(webhook_id), {})


def rotate_secret(webhook_id: str, key: str | None) -> Call:
    """POST /webhooks/{id}/rotate. Until the next rotation, the same key returns the same secret."""
    return _write("POST", f"{webhook_path(webhook_id)}/rotate", None, key)


def test_webhook(webhook_id: str) -> Call:
    """POST /webhooks/{id}/test. A repeated request sends a second test event."""
    return Call("POST", f"{webhook_path(webhook_id)}/test", {})


def replay_event(webhook_id: str, event: str) -> Call:
    """POST /webhooks/{id}/deliveries/{event}/replay. Receivers recognize repeated events by their ids."""
    path = f"{webhook_path(webhook_id)}/deliveries/{_quote_segment(event, 'the id of an event')}/replay"
    return Call("POST", path, {})


def replay_since(webhook_id: str, since: str | datetime | None) -> Call:
    """POST /webhooks/{id}/replay. Receivers recognize repeated events by their ids."""
    body = encode(format_members(since=since))
    return Call("POST", f"{webhook_path(webhook_id)}/replay", {"Content-Type": "application/json"}, body)


def format_members(**members: str | int | datetime | None) -> dict[str, str | int]:
    """Return the members that are not None, with times as text. Raise ValueError for a time without a zone."""
    formatted: dict[str, str | int] = {}
    for name, value in members.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name} must be a time with a zone")
            formatted[name] = value.isoformat()
        elif value is not None:
            formatted[name] = value
    return formatted


def collection_path(collection: str) -> str:
    """Return the path of a collection."""
    return f"/{_quote_segment(collection, 'the name of a collection')}"


def item_path(item_id: str, collection: str = ITEMS) -> str:
    """Return the path of one item, or of one document of another collection."""
    return f"{collection_path(collection)}/{_quote_segment(item_id)}"


def job_path(job_id: str) -> str:
    """Return the path of one job."""
    return f"/jobs/{_quote_segment(job_id)}"


def batch_path(batch_id: str) -> str:
    """Return the path of one batch."""
    return f"/batches/{_quote_segment(batch_id)}"


def webhook_path(webhook_id: str) -> str:
    """Return the path of one webhook."""
    return f"/webhooks/{_quote_segment(webhook_id)}"


def encode(document: Json) -> bytes:
    """Return the document as JSON. Raise ValueError if it has no JSON form."""
    # A lone surrogate is sent as a JSON escape, which the service refuses. Sent as bytes it would be invalid UTF-8:
    # API Gateway would replace it with U+FFFD, and a different text would be stored.
    return json_text.encode(document).encode("utf-8", "backslashreplace")


def check_key(key: str, *, longest: int = 255) -> str:
    """Return the idempotency key. Raise ValueError if the service would not accept it."""
    if not re.fullmatch(rf"[\x21-\x7e]{{1,{longest}}}", key):
        raise ValueError(f"idempotency_key must be 1 to {longest} visible ASCII characters")
    return key


def _write(
    method: str,
    path: str,
    document: Json | None,
    key: str | None,
    *,
    if_match: str | None = None,
    content_type: str = "application/json",
) -> Call:
    headers = _headers(key, None if document is None else content_type)
    if if_match is not None:
        # The service checks whether this is an ETag; here, it only has to fit into a header.
        if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", if_match):
            raise ValueError("if_match must be an ETag, with its quotes, in visible ASCII characters")
        headers["If-Match"] = if_match
    return Call(method, path, headers, None if document is None else encode(document))


def _headers(key: str | None, content_type: str | None) -> dict[str, str]:
    headers = {"Idempotency-Key": str(uuid.uuid4()) if key is None else check_key(key)}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return headers


def _quote_segment(identifier: str, what: str = "an id") -> str:
    # HTTP libraries resolve dot segments, even escaped ones: the id ".." would lead to another resource, and an
    # empty id to the collection.
    if identifier in {"", ".", ".."}:
        raise ValueError(f"{identifier!r} cannot be {what}")
    try:
        return quote(identifier, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{what} cannot have a lone surrogate") from None
