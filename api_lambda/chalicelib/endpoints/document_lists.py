"""Lists and look-ups of a collection's documents. This module is imported when one is first requested."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote

from jobpipe.domain.documents.collection import Collection
from jobpipe.domain.documents.field_values import from_query
from jobpipe.domain.documents.item import ItemPage
from jobpipe.domain.errors import IndexBuilding, InvalidRequest
from jobpipe.domain.ports import CollectionStore
from jobpipe.runtime.metrics import FAULTS, UNAVAILABLE, meter

from ..http import request_fields
from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from .item_pages import Page, read_page


def list_documents(collection: Collection, request: HttpRequest, services: Services) -> HttpResponse:
    """Return a page of documents in no particular order; a header names the unreadable ones."""
    items = services.items_of(collection.name, collection.scope(request.owner))
    field = _look_up_field(collection, request)
    if field is not None:
        return _look_up(collection, field, cast("CollectionStore", items), request, services)
    limit, after = request_fields.limit(request), request_fields.cursor(request)
    page = read_page(items.page(limit, after), services.documents)
    return _response(collection, page, f"limit={limit}", request)


def _look_up_field(collection: Collection, request: HttpRequest) -> str | None:
    """Return the field by which the query looks documents up, if there is one."""
    fields = [name for name in collection.look_ups if name in request.query]
    if len(fields) > 1:
        raise InvalidRequest(f"The query must have one of {' and '.join(fields)}, not both.")
    return fields[0] if fields else None


def _look_up(
    collection: Collection, field: str, items: CollectionStore, request: HttpRequest, services: Services
) -> HttpResponse:
    given = request.query[field][0]
    try:
        value = from_query(given, collection.types[field])
        key = collection.key_of(field, value, collection.scope(request.owner))
    except InvalidRequest as refusal:
        raise InvalidRequest(f"The query parameter {field}: {refusal.detail}") from None
    if field == collection.key:
        request_fields.refuse_paging(request, field)
        item = items.get(str(collection.derived_id({field: value}, collection.scope(request.owner))))
        page = read_page(ItemPage([item] if item else [], None), services.documents)
        return _response(collection, page, "", request)
    if field not in services.index_states().ready(collection.name):
        raise IndexBuilding(
            f"The look-up of {collection.name} by {field} is being built; `make reindex` completes it."
        )
    if field in collection.unique:
        request_fields.refuse_paging(request, field)
        holder = items.holder(key)
        item = items.get(holder) if holder else None
        found = [item] if item is not None and key in item.locks.values() else []
        return _response(collection, read_page(ItemPage([*found], None), services.documents), "", request)
    limit = request_fields.limit(request)
    stored = items.list_with_value(key, limit, request_fields.index_cursor(request))
    page = read_page(ItemPage([*stored.items], None), services.documents)
    if page.truncated:
        last = stored.items[page.shown - 1]
        page.next_after = f"{last.updated_at}#{last.item_id}"
    else:
        page.next_after = stored.next_after
    query = f"{quote(field, safe='')}={quote(given, safe='')}&limit={limit}"
    return _response(collection, page, query, request)


def _response(collection: Collection, page: Page, query: str, request: HttpRequest) -> HttpResponse:
    response = HttpResponse(200, page.body, {"Content-Type": JSON})
    if page.unreadable:
        meter.add(FAULTS if page.has_faults else UNAVAILABLE)
        response.headers["Unreadable-Items"] = ", ".join(page.unreadable)
    if page.next_after is not None:
        query = f"{query}&cursor={request_fields.make_cursor(page.next_after)}"
        response.headers["Link"] = f'<{request.to_root}{collection.name}?{query}>; rel="next"'
    return response
