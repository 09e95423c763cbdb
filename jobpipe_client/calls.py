"""Each write as the HTTP request that carries it; shared by the asynchronous and the synchronous face."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from jobpipe_client import json_text

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A request without a base URL that can always be sent again: if need be by its idempotency key."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None = None


def create(item: Json, key: str | None) -> Call:
    """POST /items."""
    return _write("POST", "/items", item, key)


def update(item_id: str, fields: Json, key: str | None, if_match: str | None) -> Call:
    """PUT /items/{id}: the given fields replace the item's."""
    return _write("PUT", item_path(item_id), fields, key, if_match=if_match)


def merge(item_id: str, patch: Json, key: str | None, if_match: str | None) -> Call:
    """PATCH /items/{id}: an RFC 7396 merge patch."""
    return _write(
        "PATCH", item_path(item_id), patch, key, if_match=if_match, content_type="application/merge-patch+json"
    )


def delete(item_id: str, key: str | None, if_match: str | None) -> Call:
    """DELETE /items/{id}."""
    return _write("DELETE", item_path(item_id), None, key, if_match=if_match)


def read(item_id: str, key: str | None) -> Call:
    """POST /jobs with a read, which sees everything accepted before it for that item."""
    return submit({"operation": "read", "item_id": item_id}, key)


def submit(command: Json, key: str | None) -> Call:
    """POST /jobs."""
    return _write("POST", "/jobs", command, key)


def submit_batch(commands: Sequence[Json], key: str | None) -> Call:
    """POST /batches."""
    return submit_encoded([encode(command) for command in commands], key)


def submit_encoded(commands: Sequence[bytes], key: str | None) -> Call:
    """POST /batches of commands that are JSON already."""
    body = b'{"commands":[' + b",".join(commands) + b"]}"
    return Call("POST", "/batches", _headers(key, "application/json"), body)


def encode(document: Json) -> bytes:
    """The JSON that a body has of `document`; ValueError if it has none."""
    # A lone surrogate goes out as its JSON escape, which the service refuses. Its bytes would not be UTF-8, and API
    # Gateway puts U+FFFD for such before the service sees them: another text would be stored.
    return json_text.encode(document).encode("utf-8", "backslashreplace")


def cancel(job_id: str) -> Call:
    """DELETE /jobs/{id}; again it is no error, so it needs no idempotency key."""
    return Call("DELETE", job_path(job_id), {})


def retry(job_id: str) -> Call:
    """POST /jobs/{id}/retry; a job can succeed only once, so it needs no idempotency key either."""
    return Call("POST", f"{job_path(job_id)}/retry", {})


def item_path(item_id: str) -> str:
    """The path of one item."""
    return f"/items/{_segment(item_id)}"


def job_path(job_id: str) -> str:
    """The path of one job."""
    return f"/jobs/{_segment(job_id)}"


def batch_path(batch_id: str) -> str:
    """The path of one batch."""
    return f"/batches/{_segment(batch_id)}"


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
        headers["If-Match"] = _entity_tags(if_match)
    return Call(method, path, headers, None if document is None else encode(document))


def _headers(key: str | None, content_type: str | None) -> dict[str, str]:
    headers = {"Idempotency-Key": str(uuid.uuid4()) if key is None else check_key(key)}
    if content_type is not None:
        headers["Content-Type"] = content_type
    return headers


def check_key(key: str, *, longest: int = 255) -> str:
    """The Idempotency-Key, or ValueError."""
    if not re.fullmatch(rf"[\x21-\x7e]{{1,{longest}}}", key):
        raise ValueError(f"idempotency_key must be 1 to {longest} visible ASCII characters")
    return key


def _entity_tags(if_match: str) -> str:
    # Only what no header can hold; whether it is an ETag is for the service to say.
    if not re.fullmatch(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", if_match):
        raise ValueError("if_match must be an ETag, with its quotes, in visible ASCII characters")
    return if_match


def _segment(identifier: str) -> str:
    # HTTP libraries resolve dot segments, escaped or not, before they send: "..", as an id, would be
    # another resource's path, and an empty one the collection's.
    if identifier in {"", ".", ".."}:
        raise ValueError(f"{identifier!r} cannot be an id")
    try:
        return quote(identifier, safe="")
    except UnicodeEncodeError:
        raise ValueError("an id cannot have a lone surrogate") from None
