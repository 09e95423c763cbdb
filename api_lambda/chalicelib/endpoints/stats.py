"""The endpoint under /stats."""

from __future__ import annotations

from jobpipe.domain import json_text
from jobpipe.domain.clock import now, rfc3339

from ..http.job_responses import JSON
from ..http.request_and_response import HttpRequest, HttpResponse
from ..services import Services


def get_stats(request: HttpRequest, services: Services) -> HttpResponse:  # noqa: ARG001
    """How much work waits, of all callers together."""
    backlog = services.backlog.read()
    said = {
        "at": rfc3339(now()),
        "queue": {
            "waiting": backlog.waiting,
            "in_flight": backlog.in_flight,
            "delayed": backlog.delayed,
            "oldest_seconds": backlog.oldest_seconds,
        },
        "dead_letters": backlog.dead_letters,
        "parked": backlog.parked,
    }
    return HttpResponse(200, json_text.encode(said), {"Content-Type": JSON})
