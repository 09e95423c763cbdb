"""Reading an HTTP response: its JSON, its Retry-After header, and the job, batch or item that it describes."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from requests import Response

from jobpipe_client import json_text
from jobpipe_client.batch_models import Batch
from jobpipe_client.exceptions import InvalidResponse
from jobpipe_client.models import Item, Job


def parse_job(response: Response) -> Job:
    """Return the job that the response describes, or raise InvalidResponse."""
    return Job.of(parse_json(response), retry_after=parse_retry_after(response))


def parse_batch(response: Response) -> Batch:
    """Return the batch that the response describes, or raise InvalidResponse."""
    return Batch.of(parse_json(response), retry_after=parse_retry_after(response))


def parse_item(document: object, etag: str | None = None) -> Item:
    """Return the item that a JSON document describes, or raise InvalidResponse."""
    if not isinstance(document, dict):
        raise InvalidResponse("the response is not an item")
    return Item(document, etag)


def parse_json(response: Response) -> Any:
    """Return the JSON body of the response, with exact numbers, or raise InvalidResponse."""
    try:
        return json_text.decode(response.content)
    except ValueError:
        pass  # the error's message quotes the body
    raise InvalidResponse(f"the response from {response.url} ({response.status_code}) is not JSON")


def parse_date(response: Response) -> datetime | None:
    """Return the time in the Date header, or None if there is no valid one."""
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def parse_retry_after(response: Response) -> float | None:
    """Return the Retry-After header in seconds, even if it is a date, or None if there is no valid one."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        seconds = (date - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
