"""The path and the query of a request, as gateways hand them on, held to its route."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from jobpipe.errors import InvalidRequest, NotFound

from .routes import Route

Event = dict[str, Any]

_MOST_SHOWN = 80


def to_root(event: Event, route: Route) -> str:
    """The relative reference from the request's URL to the API's root, as "../"; NotFound for a // in the path.

    Gateways take a path with empty segments for the route without them, and hand it on as it came. From one with a
    slash at its end there is a way back. From one with two in a row there is none that all would find: RFC 3986
    keeps empty segments, and Python's urljoin drops them.
    """
    path = event.get("path") or route.path
    if "//" in path:
        raise NotFound("There is no such route: its path has two slashes in a row.")
    slash_at_end = path.endswith("/") and route.path != "/"
    return "../" * (route.path.count("/") - 1 + slash_at_end)


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
