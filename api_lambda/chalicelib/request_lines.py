"""Read the path and query of a request, in the forms in which gateways pass them on."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from jobpipe.domain.errors import InvalidRequest, NotFound

from .endpoints.routes import Route

Event = dict[str, Any]

_MAX_SHOWN_CHARACTERS = 80


def to_root(event: Event, route: Route) -> str:
    """Return the relative reference from the request's URL to the API's root, such as "../".

    Gateways ignore empty path segments when they match routes, and pass the path on unchanged. Raise NotFound if
    the path has two slashes in a row: then no reference works for all clients, since RFC 3986 keeps empty segments
    and Python's urljoin drops them.
    """
    path = event.get("path") or route.path
    if "//" in path:
        raise NotFound("There is no such route: the path has two slashes in a row.")
    trailing_slash = path.endswith("/") and route.path != "/"
    return "../" * (route.path.count("/") - 1 + trailing_slash)


def path_parameters(event: Event) -> dict[str, str]:
    """Return the parameters of the path, decoded."""
    parameters: dict[str, str] = event.get("pathParameters") or {}
    # A REST API does not decode paths. Gateways that do (HTTP APIs, and MiniStack's REST APIs) send events with a
    # version; their paths must not be decoded again.
    if "version" in event:
        return dict(parameters)
    return {name: _decode(value) for name, value in parameters.items()}


def query(event: Event, route: Route) -> dict[str, list[str]]:
    """Return the parameters of the query; raise InvalidRequest if one is unknown or repeated.

    Ignoring an unknown parameter could mislead: a misspelled filter would list everything.
    """
    given: dict[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    for name, values in given.items():
        if name not in route.query:
            raise InvalidRequest(
                f"This route has no query parameter {name[:_MAX_SHOWN_CHARACTERS]!r}; it has {_allowed(route)}."
            )
        if len(values) > 1:
            raise InvalidRequest(f"The query must not have the parameter {name} more than once.")
    return given


def _allowed(route: Route) -> str:
    if not route.query:
        return "none"
    *others, last = route.query
    return f"{', '.join(others)} and {last}" if others else last


def _decode(value: str) -> str:
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest("The path is not valid UTF-8.") from None
