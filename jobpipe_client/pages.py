"""The lists of the API, fetched page by page, and the items that a page leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from jobpipe_client.exceptions import InvalidResponse, ItemsUnreadable
from jobpipe_client.http.responses import parse_item, parse_json
from jobpipe_client.http.transport import Transport
from jobpipe_client.models import Item

_UNREADABLE_HEADER = "Unreadable-Items"


def fetch_entries(transport: Transport, path: str, query: Mapping[str, Any] | None) -> Iterator[Any]:
    """Yield the entries of a list. Each page is fetched when its first entry is needed."""
    for _, page in _fetch_pages(transport, path, query):
        yield from page


def fetch_items(
    transport: Transport,
    page_size: int | None,
    on_unreadable: Callable[[str], object] | None,
    *,
    path: str = "/items",
    query: Mapping[str, Any] | None = None,
) -> Iterator[Item]:
    """Yield the readable items. Call `on_unreadable` with the id of each other item, or raise ItemsUnreadable."""
    missing: list[str] = []
    report = on_unreadable or missing.append
    query = {**(query or {}), **({"limit": page_size} if page_size else {})}
    for response, page in _fetch_pages(transport, path, query or None):
        for item_id in _unreadable_ids(response):
            report(item_id)
        yield from map(parse_item, page)
    if missing:
        raise ItemsUnreadable(missing)


def _fetch_pages(
    transport: Transport, path: str, query: Mapping[str, Any] | None
) -> Iterator[tuple[requests.Response, list[Any]]]:
    response = transport.get(path, query)
    while True:
        page = parse_json(response)
        if not isinstance(page, list):
            raise InvalidResponse(f"the list at {path} is not an array")
        yield response, page
        next_link = response.links.get("next")
        if next_link is None:
            return
        response = transport.get(transport.resolve(response, next_link["url"]))


def _unreadable_ids(response: requests.Response) -> list[str]:
    ids = response.headers.get(_UNREADABLE_HEADER, "").split(",")
    return [each.strip() for each in ids if each.strip()]
