"""The path and the query of a request, as gateways hand them on, held to its route."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from jobpipe.errors import InvalidRequest

from .routes import Route

Event = dict[str, Any]

_MOST_SHOWN = 80


def to_root(event: Event, route: Route) -> str:
    """The relative reference (RFC 3986) that leads from the request's URL to the API's root, as "../".

    Gateways take a path with empty segments, as /items/, for the route without them, and hand it on as it came. So
    the path counts, its empty segments too, back to where the route begins. What stands before that, for instance
    what a custom domain maps, is the root's own.
    """
    left = len([segment for segment in route.path.split("/") if segment])
    segments = (event.get("path") or route.path).split("/")[1:]
    passed = 0
    while segments and (left or not segments[-1]):
        left -= bool(segments.pop())
        passed += 1
    return "../" * (passed - 1)  # the last segment of a URL is no part of what a reference is relative to


def path_parameters(event: Event) -> dict[str, str]:
    """The parameters without percent-encoding, decoded once."""
    parameters: dict[str, str] = event.get("pathParameters") or {}
    # A REST API hands paths on as they came. The events of those that decode them (HTTP APIs, and MiniStack's REST
    # APIs) tell a version: what they decoded must not be decoded again.
    if "version" in event:
        return dict(parameters)
    return {name: _decoded(value) for name, value in parameters.items()}


def query(event: Event, route: Route) -> dict[str, list[str]]:
    """The query's parameters by name; InvalidRequest if the route does not have one of them, or one comes twice.

    A parameter that is passed over would silently not be kept: a filter, for instance, that shows other items.
    """
    given: dict[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    for name, values in given.items():
        if name not in route.query:
            raise InvalidRequest(f"There is no query parameter {name[:_MOST_SHOWN]!r} here; {_those_of(route)}.")
        if len(values) > 1:
            raise InvalidRequest(f"The query must not have {name} more than once.")
    return given


def _those_of(route: Route) -> str:
    if not route.query:
        return "there is none"
    *others, last = route.query
    return f"there are {', '.join(others)} and {last}" if others else f"there is {last}"


def _decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not valid UTF-8.") from None
