"""Bind the routes to Chalice, turn errors into problem documents, and log each request."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from chalice.app import Chalice, Request, Response

from jobpipe.domain.documents.collection import ONLY_ITEMS, Registry
from jobpipe.domain.errors import (
    InternalError,
    InvalidRequest,
    ProblemError,
    Refusal,
    TooManyRequests,
    Unavailable,
)
from jobpipe.runtime.metrics import FAULTS, REQUEST_TIME, UNAVAILABLE, meter
from jobpipe.runtime.telemetry import begin_invocation, logger

from .endpoints.routes import Route, routes_of
from .http.callers import Caller, caller_of
from .http.job_responses import problem_response
from .http.request_and_response import HttpRequest, HttpResponse
from .request_lines import path_parameters, query, to_root
from .services import Services

_ACCEPTED = 202
_WITH_BODY = ("POST", "PUT", "PATCH")


def build_app(name: str, services: Callable[[], Services], registry: Registry = ONLY_ITEMS) -> Chalice:
    """Return the Chalice app for these collections; each request calls `services`, which should be cached."""
    app = Chalice(app_name=name)
    for route in routes_of(registry):
        app.route(
            route.path,
            methods=[route.method],
            name=route.name,
            api_key_required=not route.open,
            content_types=["*/*"],  # request_fields checks them, so that a refusal is a problem document
        )(_view(app, route, services))
    return app


def _view(app: Chalice, route: Route, services: Callable[[], Services]) -> Callable[..., Response]:
    def view(**_: str) -> Response:
        started = time.perf_counter()
        current: Any = app.current_request
        begin_invocation(current.lambda_context)
        request_id = str(current.context.get("requestId", ""))
        waits: list[float] = []
        response = _respond(current, request_id, route, services, waits)
        response.headers["X-Request-Id"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        # RFC 9111 forbids shared caches to store responses to requests with Authorization, but not with x-api-key.
        response.headers.setdefault("Cache-Control", "no-store")
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        logger.log(
            # The audit needs a line for each 202, whatever the log level.
            max(logging.INFO, logger.level) if response.status == _ACCEPTED else logging.INFO,
            "request",
            extra={
                "request_id": request_id,
                "method": route.method,
                "route": route.path,
                "status": response.status,
                "duration_ms": milliseconds,
                **response.log,
            },
        )
        if not route.open:
            meter.add(REQUEST_TIME, max(0.0, milliseconds - sum(waits) * 1000))
        meter.write()
        return Response(response.body, dict(response.headers), response.status)

    view.__doc__ = route.endpoint.__doc__  # Chalice uses it as the summary in API Gateway's definition
    return view


def _respond(
    current: Request, request_id: str, route: Route, services: Callable[[], Services], waits: list[float]
) -> HttpResponse:
    try:
        return route.endpoint(_request(current, request_id, route, waits), services())
    except Unavailable as outage:
        meter.add(UNAVAILABLE)
        logger.warning("unavailable; the response is a 503", exc_info=True, extra={"request_id": request_id})
        response = problem_response(outage.to_problem(), request_id)
        response.headers["Retry-After"] = "1"
        return response
    except TooManyRequests as refusal:
        response = problem_response(refusal.to_problem(), request_id)
        response.headers["Retry-After"] = str(refusal.retry_after)
        return response
    except Refusal as refusal:
        return problem_response(refusal.to_problem(), request_id)
    except Exception as error:  # noqa: BLE001  # the caller needs a problem document
        meter.add(FAULTS)
        logger.exception("unexpected error; the response is a 500", extra={"request_id": request_id})
        if not isinstance(error, ProblemError):
            error = InternalError("The service failed. The request id finds the error in its logs.")
        return problem_response(error.to_problem(), request_id)


def _request(current: Request, request_id: str, route: Route, waits: list[float]) -> HttpRequest:
    event: dict[str, Any] = current.to_original_event()
    headers = _headers(event)
    caller = Caller("")
    if not route.open:
        caller = caller_of(_api_key(event, headers))
        caller.check(route.needed)  # before the body is read
    context: Any = current.lambda_context
    return HttpRequest(
        method=current.method,
        headers=headers,
        owner=caller.owner,
        query=query(event, route),
        path_parameters=path_parameters(event),
        to_root=to_root(event, route),
        body=_body(current) if route.method in _WITH_BODY else b"",
        request_id=request_id,
        remaining_seconds=lambda: float(context.get_remaining_time_in_millis()) / 1000,
        waits=waits,
        caller=caller,
    )


def _api_key(event: dict[str, Any], headers: dict[str, str]) -> str:
    """Return the API key that the gateway has checked, or the header, since MiniStack does not pass the key on."""
    identity = event["requestContext"].get("identity") or {}
    return identity.get("apiKey") or headers.get("x-api-key", "")


def _headers(event: dict[str, Any]) -> dict[str, str]:
    """Return the headers by lower-case name; join the values of a repeated header (RFC 9110, section 5.3)."""
    values_by_name = event.get("multiValueHeaders") or {
        name: [v] for name, v in (event.get("headers") or {}).items()
    }
    headers: dict[str, str] = {}
    for original, values in values_by_name.items():
        name = original.lower()  # names that differ only in case are one header
        headers[name] = ", ".join([headers[name], *values] if name in headers else values)
    return headers


def _body(current: Request) -> bytes:
    try:
        body = current.raw_body
    except ValueError:  # lone surrogates in the text, or invalid base64
        raise InvalidRequest("The body is not valid UTF-8.") from None
    return body.encode() if isinstance(body, str) else body
