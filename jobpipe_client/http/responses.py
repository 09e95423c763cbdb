"""Reading an HTTP response: its JSON, its Retry-After header, and the job, batch or item that it describes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from requests import Response

from jobpipe_client import json_text
from jobpipe_client.batch_models import Batch
from jobpipe_client.exceptions import BadAnswer
from jobpipe_client.models import Item, Job


def job_of(response: Response) -> Job:
    """Return the job that the response describes, or raise BadAnswer."""
    return Job.of(document(response), retry_after=retry_after(response))


def batch_of(response: Response) -> Batch:
    """Return the batch that the response describes, or raise BadAnswer."""
    return Batch.of(document(response), retry_after=retry_after(response))


def item_of(document: object, etag: str | None = None) -> Item:
    """Return the item that a JSON document describes, or raise BadAnswer."""
    if not isinstance(document, dict):
        raise BadAnswer("the answer is not an item")
    return Item(document, etag)


def document(response: Response) -> Any:
    """Return the JSON of the response, its numbers exactly as they are written, or raise BadAnswer."""
    try:
        return json_text.decode(response.content)
    except ValueError:
        pass  # its message quotes the body
    raise BadAnswer(f"{response.url} answered {response.status_code} with something else than JSON")


def date_of(response: Response) -> datetime | None:
    """Return the time in the Date header; None without a usable one."""
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def retry_after(response: Response) -> float | None:
    """Return the seconds of a Retry-After header, which may also be a date; None without a usable one."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return None
        if then.tzinfo is None:
            then = then.replace(tzinfo=UTC)
        seconds = (then - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
