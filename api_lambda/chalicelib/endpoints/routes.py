"""Every route of the API, with its endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass, field
from functools import partial
from importlib import import_module

from jobpipe.domain.documents.collection import ONLY_ITEMS, Collection, Registry

from ..http.callers import Right
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from . import jobs, service
from .documents import CollectionEndpoints

Endpoint = Callable[[HttpRequest, Services], HttpResponse]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; an `open` route needs no API key, and `query` has the allowed query parameters.

    On any other route the key needs a `right`: by default the right to read for GET, and to change otherwise.
    """

    method: str
    path: str
    endpoint: Endpoint
    open: bool = False
    query: tuple[str, ...] = ()
    right: InitVar[Right | None] = None
    needed: Right = field(init=False)  # the right that the key must have

    def __post_init__(self, right: Right | None) -> None:
        object.__setattr__(self, "needed", right or (Right.READ if self.method == "GET" else Right.CHANGE))

    @property
    def name(self) -> str:
        """Return a name that no other route has."""
        return f"{self.method} {self.path}"


def _lazy(module: str, name: str, summary: str) -> Endpoint:
    """Return an endpoint whose module is imported when it is first requested, so that cold starts stay short."""

    def endpoint(request: HttpRequest, services: Services) -> HttpResponse:
        found: Endpoint = getattr(import_module(f".{module}", __package__), name)
        return found(request, services)

    endpoint.__doc__ = summary
    return endpoint


_batches, _webhooks = partial(_lazy, "batches"), partial(_lazy, "webhooks")
_JOB_LIST = ("status", "collection", "since", "until", "owner", "limit", "cursor")
_PAGE = ("limit", "cursor")
_WEBHOOK = "/webhooks/{webhook_id}"

_BEFORE_COLLECTIONS = (
    Route("GET", "/", service.index, open=True),
    Route("GET", "/health", service.health, open=True),
    Route("GET", "/openapi.json", service.openapi, open=True),
    Route("GET", "/docs", service.docs, open=True),
    Route("GET", "/console", service.console, open=True),
)
_AFTER_COLLECTIONS = (
    Route("POST", "/jobs", jobs.submit_job),
    Route("GET", "/jobs", jobs.list_jobs, query=_JOB_LIST),
    Route("GET", "/jobs/{job_id}", jobs.get_job, query=("wait",)),
    Route("DELETE", "/jobs/{job_id}", jobs.cancel_job),
    Route("POST", "/jobs/{job_id}/retry", jobs.retry_job),
    Route("POST", "/jobs/{job_id}/dismiss", jobs.dismiss_job),
    Route("POST", "/batches", _batches("submit_batch", "Queue up to 100 commands.")),
    Route("GET", "/batches/{batch_id}", _batches("get_batch", "Return a batch.")),
    Route("DELETE", "/batches/{batch_id}", _batches("cancel_batch", "Cancel the jobs of a batch.")),
    Route("POST", "/batches/{batch_id}/retry", _batches("retry_batch", "Queue the failed jobs of a batch again.")),
    Route("POST", "/webhooks", _webhooks("create_webhook", "Create a webhook.")),
    Route("GET", "/webhooks", _webhooks("list_webhooks", "List the caller's webhooks.")),
    Route("GET", _WEBHOOK, _webhooks("get_webhook", "Return a webhook.")),
    Route("PATCH", _WEBHOOK, _webhooks("change_webhook", "Change, pause or resume a webhook.")),
    Route("DELETE", _WEBHOOK, _webhooks("delete_webhook", "Delete a webhook.")),
    Route("POST", f"{_WEBHOOK}/rotate", _webhooks("rotate_secret", "Give a webhook a new secret.")),
    Route("POST", f"{_WEBHOOK}/test", _webhooks("test_webhook", "Send a test event to a webhook.")),
    Route("POST", f"{_WEBHOOK}/replay", _webhooks("replay_deliveries", "Deliver all events since a time again.")),
    Route(
        "GET",
        f"{_WEBHOOK}/deliveries",
        _webhooks("list_deliveries", "List a webhook's deliveries."),
        query=(*_PAGE, "job"),
    ),
    Route(
        "POST",
        f"{_WEBHOOK}/deliveries/{{event_id}}/replay",
        _webhooks("replay_delivery", "Deliver an event again."),
    ),
    Route("GET", "/stats", service.get_stats, right=Right.SEE_STATS),
)


def routes_of(registry: Registry) -> tuple[Route, ...]:
    """Return all routes of a stage with these collections."""
    collection_routes = (route for collection in registry for route in _routes_of_collection(collection))
    return (*_BEFORE_COLLECTIONS, *collection_routes, *_AFTER_COLLECTIONS)


def _routes_of_collection(collection: Collection) -> Iterator[Route]:
    endpoints, path = CollectionEndpoints(collection), f"/{collection.name}"
    yield Route("POST", path, endpoints.create)
    yield Route("GET", path, endpoints.list, query=("limit", "cursor", *collection.look_ups))
    yield Route("GET", f"{path}/{{item_id}}", endpoints.get)
    yield Route("PUT", f"{path}/{{item_id}}", endpoints.put)
    yield Route("PATCH", f"{path}/{{item_id}}", endpoints.patch)
    yield Route("DELETE", f"{path}/{{item_id}}", endpoints.delete)
    if collection.operations:
        yield Route("POST", f"{path}/{{item_id}}/{{operation}}", endpoints.run)


ROUTES = routes_of(ONLY_ITEMS)
"""The routes of a stage that has only the built-in collection."""
