"""The open endpoints: what this is, and whether it answers."""

from __future__ import annotations

from jobpipe import __version__, json_text

from .http import HttpRequest, HttpResponse
from .job_responses import JSON
from .services import Services


def index(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """What this is and where to go on."""
    return _json(
        {
            "name": "jobpipe",
            "version": __version__,
            "description": "CRUD as asynchronous jobs: POST a command, poll its job.",
            "links": {"items": "/items", "jobs": "/jobs", "health": "/health"},
        }
    )


def health(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """Whether requests reach this Lambda; shallow, so that an outage behind it is not taken for its own."""
    return _json({"status": "ok", "version": __version__})


def _json(value: object) -> HttpResponse:
    return HttpResponse(200, json_text.encode(value), {"Content-Type": JSON})
