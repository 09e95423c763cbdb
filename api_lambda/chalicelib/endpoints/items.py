"""The endpoints under /items."""

from __future__ import annotations

from jobpipe.domain import etags
from jobpipe.domain.commands import CreateItem, DeleteItem, MergePatch, SetFields
from jobpipe.domain.item import item_json
from jobpipe.domain.item_reader import read_item
from jobpipe.domain.item_rules import check_fields_to_set, check_merge_patch, check_new_document
from jobpipe.runtime.metrics import FAULTS, UNAVAILABLE, meter

from ..http import request_fields
from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from .item_pages import read_page
from .submit_and_respond import new_item_id, submit_and_respond


def create_item(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue the creation of an item. The response contains the id of the new item."""
    request_fields.refuse_preconditions(request)
    command = CreateItem(new_item_id(), request_fields.json_body(request, check_new_document))
    return submit_and_respond(command, request, services)


def put_item(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue a command that sets the given fields of an item."""
    fields = request_fields.json_body(request, check_fields_to_set)
    command = SetFields(request_fields.item_id(request), fields, request_fields.if_match(request))
    return submit_and_respond(command, request, services)


def patch_item(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue an RFC 7396 merge patch of an item."""
    patch = request_fields.json_body(request, check_merge_patch, request_fields.JSON_OR_MERGE_PATCH)
    command = MergePatch(request_fields.item_id(request), patch, request_fields.if_match(request))
    return submit_and_respond(command, request, services)


def delete_item(request: HttpRequest, services: Services) -> HttpResponse:
    """Queue the deletion of an item."""
    command = DeleteItem(request_fields.item_id(request), request_fields.if_match(request))
    return submit_and_respond(command, request, services)


def get_item(request: HttpRequest, services: Services) -> HttpResponse:
    """Return the latest committed version of an item."""
    item, text = read_item(services.items, services.documents, request_fields.item_id(request))
    return HttpResponse(
        200,
        item_json(item.item_id, text),
        {"Content-Type": JSON, "ETag": etags.etag(item.version)},
        {"item_id": item.item_id},
    )


def list_items(request: HttpRequest, services: Services) -> HttpResponse:
    """Return a page of items in no particular order. A header lists the ids of items that cannot be read."""
    limit, after = request_fields.limit(request), request_fields.cursor(request)
    page = read_page(services.items.page(limit, after), services.documents)
    response = HttpResponse(200, page.body, {"Content-Type": JSON})
    if page.unreadable:
        meter.add(FAULTS if page.has_faults else UNAVAILABLE)
        response.headers["Unreadable-Items"] = ", ".join(page.unreadable)
    if page.next_after is not None:
        query = f"limit={limit}&cursor={request_fields.make_cursor(page.next_after)}"
        response.headers["Link"] = f'<{request.to_root}items?{query}>; rel="next"'
    return response
