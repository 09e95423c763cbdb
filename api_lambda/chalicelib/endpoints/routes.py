"""Every route of the API, with its endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..http.callers import Right
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services
from . import batches, items, jobs, service

Endpoint = Callable[[HttpRequest, Services], HttpResponse]


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path; an `open` route needs no API key, and `query` has the allowed query parameters.

    Each other route needs a `right` of its key: by default GET needs that to read, and all else that to change.
    """

    method: str
    path: str
    endpoint: Endpoint
    open: bool = False
    query: tuple[str, ...] = ()
    right: Right | None = None

    @property
    def needed(self) -> Right:
        """The right that the key must have."""
        return self.right or (Right.READ if self.method == "GET" else Right.CHANGE)


_JOB_LIST = ("status", "collection", "since", "until", "owner", "limit", "cursor")

ROUTES = (
    Route("GET", "/", service.index, open=True),
    Route("GET", "/health", service.health, open=True),
    Route("GET", "/openapi.json", service.openapi, open=True),
    Route("GET", "/docs", service.docs, open=True),
    Route("GET", "/console", service.console, open=True),
    Route("POST", "/items", items.create_item),
    Route("GET", "/items", items.list_items, query=("limit", "cursor")),
    Route("GET", "/items/{item_id}", items.get_item),
    Route("PUT", "/items/{item_id}", items.put_item),
    Route("PATCH", "/items/{item_id}", items.patch_item),
    Route("DELETE", "/items/{item_id}", items.delete_item),
    Route("POST", "/jobs", jobs.submit_job),
    Route("GET", "/jobs", jobs.list_jobs, query=_JOB_LIST),
    Route("GET", "/jobs/{job_id}", jobs.get_job, query=("wait",)),
    Route("DELETE", "/jobs/{job_id}", jobs.cancel_job),
    Route("POST", "/jobs/{job_id}/retry", jobs.retry_job),
    Route("POST", "/batches", batches.submit_batch),
    Route("GET", "/batches/{batch_id}", batches.get_batch),
    Route("GET", "/stats", service.get_stats, right=Right.SEE_STATS),
)
