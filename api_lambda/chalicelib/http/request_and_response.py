"""A request and an answer, free of Chalice, so that endpoints can be called by a test as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What an endpoint may know of a request."""

    method: str
    headers: Mapping[str, str]  # by lower-case name
    query: Mapping[str, list[str]]
    path_parameters: Mapping[str, str]  # decoded
    to_root: str  # from the request's URL to the API's root, for links that are relative to it
    body: bytes
    owner: str  # the caller that the API key stands for; empty on the open routes
    request_id: str
    remaining_seconds: Callable[[], float]  # until Lambda ends this invocation
    waits: list[float] = field(default_factory=list)  # seconds that were spent on waiting for a job


@dataclass(slots=True)
class HttpResponse:
    """What goes back; `log` holds the ids that the request's log line is to show."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    log: dict[str, object] = field(default_factory=dict)
