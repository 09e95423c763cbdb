"""The open endpoints: what this is, whether it answers, and what it promises; and the console."""

from __future__ import annotations

from jobpipe import __version__
from jobpipe.domain import json_text

from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services

HTML = "text/html; charset=utf-8"
_KEPT_FOR_A_WHILE = {"Cache-Control": "public, max-age=300"}


def index(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """What this is and where to go on."""
    return _json(
        {
            "name": "jobpipe",
            "version": __version__,
            "description": "CRUD as asynchronous jobs: POST a command, poll its job.",
            "links": {
                "items": "/items",
                "jobs": "/jobs",
                "batches": "/batches",
                "stats": "/stats",
                "health": "/health",
                "openapi": "/openapi.json",
                "docs": "/docs",
                "console": "/console",
            },
        }
    )


def health(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Whether requests reach this Lambda; shallow, so that an outage behind it is not taken for its own."""
    return _json({"status": "ok", "version": __version__})


def openapi(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """This API as an OpenAPI 3.1 document."""
    from ..contract.openapi import document_text  # noqa: PLC0415  # only who asks for it waits for it, and no cold start

    return HttpResponse(200, document_text(services.job_retention), {"Content-Type": JSON, **_KEPT_FOR_A_WHILE})


def docs(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """The same as a page to read."""
    from ..contract.docs_page import page, security_headers  # noqa: PLC0415
    from ..contract.openapi import document  # noqa: PLC0415

    headers = {"Content-Type": HTML, **_KEPT_FOR_A_WHILE, **security_headers()}
    return HttpResponse(200, page(document(services.job_retention)), headers)


def console(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """A page to send commands and to watch over jobs."""
    from ..console.page import page, security_headers  # noqa: PLC0415

    return HttpResponse(200, page(), {"Content-Type": HTML, **_KEPT_FOR_A_WHILE, **security_headers()})


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json_text.encode(value), {"Content-Type": JSON})
