"""The endpoints about the service itself: index, health, OpenAPI document, its page, console and statistics."""

from __future__ import annotations

from jobpipe import __version__
from jobpipe.domain import json_text
from jobpipe.domain.clock import now, rfc3339

from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services

_HTML = "text/html; charset=utf-8"
_CACHED = {"Cache-Control": "public, max-age=300"}

# The contract and the console are imported on request, so that they do not slow down cold starts.


def index(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Describe the service and link to its resources."""
    return _json(
        {
            "name": "jobpipe",
            "version": __version__,
            "description": "CRUD as asynchronous jobs: POST a command, poll its job.",
            "links": {
                **{name: f"/{name}" for name in services.registry.names},
                "jobs": "/jobs",
                "batches": "/batches",
                "webhooks": "/webhooks",
                "stats": "/stats",
                "health": "/health",
                "openapi": "/openapi.json",
                "docs": "/docs",
                "console": "/console",
            },
        }
    )


def health(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Report whether requests reach this Lambda; call nothing else, whose outage would look like one here."""
    return _json({"status": "ok", "version": __version__})


def openapi(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Return this API as an OpenAPI 3.1 document."""
    from ..contract.openapi import document_text  # noqa: PLC0415

    return HttpResponse(
        200, document_text(services.job_retention, services.registry), {"Content-Type": JSON, **_CACHED}
    )


def docs(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Return the OpenAPI document as a readable page."""
    from ..contract.docs_page import headers, page  # noqa: PLC0415
    from ..contract.openapi import document  # noqa: PLC0415

    return _page(page(document(services.job_retention, services.registry)), headers())


def console(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Return a page on which to send commands and follow jobs."""
    from ..console.page import headers, page  # noqa: PLC0415

    return _page(page(), headers())


def get_stats(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Count queued messages and scheduled commands, for all callers, and say whether the stage is paused."""
    backlog, paused_at = services.backlog().read(), services.paused_at()
    return _json(
        {
            "at": rfc3339(now()),
            "paused_at": None if paused_at is None else rfc3339(paused_at),
            "queue": {
                "waiting": backlog.waiting,
                "in_flight": backlog.in_flight,
                "delayed": backlog.delayed,
                "oldest_seconds": backlog.oldest_seconds,
            },
            "dead_letters": backlog.dead_letters,
            "parked": backlog.parked,
            "scheduled": services.scheduled().read(),
        }
    )


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json_text.encode(value), {"Content-Type": JSON})


def _page(html: str, headers: dict[str, str]) -> HttpResponse:
    return HttpResponse(200, html, {"Content-Type": _HTML, **_CACHED, **headers})
