"""Lists of the API, fetched page by page, and the items that a page leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests

from jobpipe_client.exceptions import BadAnswer, ItemsUnreadable
from jobpipe_client.http.responses import document, item_of
from jobpipe_client.http.transport import Transport
from jobpipe_client.models import Item

_UNREADABLE = "Unreadable-Items"


def entries(transport: Transport, path: str, query: Mapping[str, Any] | None) -> Iterator[Any]:
    """Yield the entries of a list, and fetch its pages meanwhile."""
    for _, page in _pages(transport, path, query):
        yield from page


def items(
    transport: Transport,
    page_size: int | None,
    on_unreadable: Callable[[str], object] | None,
    *,
    path: str = "/items",
    query: Mapping[str, Any] | None = None,
) -> Iterator[Item]:
    """Yield the readable items. Call `on_unreadable` with the ids of the others, or raise ItemsUnreadable."""
    missing: list[str] = []
    report = on_unreadable or missing.append
    query = {**(query or {}), **({"limit": page_size} if page_size else {})}
    for response, page in _pages(transport, path, query or None):
        for item_id in _unreadable(response):
            report(item_id)
        yield from map(item_of, page)
    if missing:
        raise ItemsUnreadable(missing)


def _pages(
    transport: Transport, path: str, query: Mapping[str, Any] | None
) -> Iterator[tuple[requests.Response, list[Any]]]:
    response = transport.get(path, query)
    while True:
        page = document(response)
        if not isinstance(page, list):
            raise BadAnswer(f"the list at {path} is not an array")
        yield response, page
        following = response.links.get("next")
        if following is None:
            return
        response = transport.get(transport.resolve(response, following["url"]))


def _unreadable(response: requests.Response) -> list[str]:
    named = response.headers.get(_UNREADABLE, "").split(",")
    return [each.strip() for each in named if each.strip()]
