"""A request and a response that do not depend on Chalice, so that tests can call the endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .callers import Caller


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """The parts of a request that endpoints use."""

    method: str
    headers: Mapping[str, str]  # by lower-case name
    query: Mapping[str, list[str]]
    path_parameters: Mapping[str, str]  # decoded
    to_root: str  # relative reference from the request's URL to the API's root
    body: bytes
    owner: str  # of the API key; empty on the open routes
    request_id: str
    remaining_seconds: Callable[[], float]  # until Lambda ends this invocation
    waits: list[float] = field(default_factory=list)  # seconds that the request has waited for a job
    caller: Caller = field(default_factory=lambda: Caller(""))  # the owner, with the key's role


@dataclass(slots=True)
class HttpResponse:
    """A response; `log` has additional fields for the request's log line."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    log: dict[str, object] = field(default_factory=dict)
