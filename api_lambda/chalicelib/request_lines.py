"""The path and the query of a request, as gateways pass them on, checked against its route."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from jobpipe.domain.errors import InvalidRequest, NotFound

from .endpoints.routes import Route

Event = dict[str, Any]

_MOST_SHOWN = 80


def to_root(event: Event, route: Route) -> str:
    """The relative reference from the request's URL to the API's root, such as "../"; NotFound if the path has //.

    Gateways ignore empty path segments when they match routes, and pass the path on unchanged. For a path with a
    trailing slash there is a relative reference. For one with two slashes in a row no reference works for all
    clients: RFC 3986 keeps empty segments, and Python's urljoin drops them.
    """
    path = event.get("path") or route.path
    if "//" in path:
        raise NotFound("There is no such route: the path has two slashes in a row.")
    slash_at_end = path.endswith("/") and route.path != "/"
    return "../" * (route.path.count("/") - 1 + slash_at_end)


def path_parameters(event: Event) -> dict[str, str]:
    """The parameters without percent-encoding, decoded once."""
    parameters: dict[str, str] = event.get("pathParameters") or {}
    # A REST API passes paths on undecoded. The events of gateways that decode them (HTTP APIs, and MiniStack's REST
    # APIs) have a version: their paths must not be decoded again.
    if "version" in event:
        return dict(parameters)
    return {name: _decoded(value) for name, value in parameters.items()}


def query(event: Event, route: Route) -> dict[str, list[str]]:
    """The query's parameters by name; InvalidRequest if one is not the route's or is repeated.

    Ignoring a parameter could mislead: a misspelled filter, for instance, would list all items.
    """
    given: dict[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    for name, values in given.items():
        if name not in route.query:
            raise InvalidRequest(
                f"This route has no query parameter {name[:_MOST_SHOWN]!r}; it has {_known(route)}."
            )
        if len(values) > 1:
            raise InvalidRequest(f"The query must not have {name} more than once.")
    return given


def _known(route: Route) -> str:
    if not route.query:
        return "none"
    *others, last = route.query
    return f"{', '.join(others)} and {last}" if others else last


def _decoded(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not valid UTF-8.") from None
