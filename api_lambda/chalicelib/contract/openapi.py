"""The OpenAPI 3.1 document of this API: its routes, and what is written down of each."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

from jobpipe import __version__
from jobpipe.domain import json_text

from ..endpoints.routes import ROUTES, Route
from .openapi_answers import ANY, BODY_FROM_GATEWAY, FROM_GATEWAY, NO_KEY, headers, problem_responses, slugs
from .openapi_operations import OPERATIONS, Operation, parameters
from .openapi_schemas import Schema, ref, schemas

_DESCRIPTION = """\
Every write is answered with 202 and a job; the job ends with exactly the answer that a synchronous API would have \
given. Poll it, or send `Prefer: wait=10` to be given that answer at once if the job ends in time. Commands for \
one item take effect in the order of their 202s. An ended job can be read for {days:g} days. \
A path or method that is not listed here is a 404; a query parameter that is not listed or is repeated is a 400."""

_TAGS = (
    ("items", "Documents with unique names."),
    ("jobs", "What became of commands."),
    ("batches", "Many commands in one request."),
    ("service", "Open to everybody."),
)


@cache
def document(retention: timedelta) -> Schema:
    """The whole document, for a stage that keeps its ended jobs for so long."""
    responses: dict[str, Schema] = {}
    paths: dict[str, Any] = {}
    for route in ROUTES:
        operation = OPERATIONS[route.endpoint.__name__]
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation, responses)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "jobpipe",
            "version": __version__,
            "summary": "CRUD as asynchronous jobs.",
            "description": _DESCRIPTION.format(days=retention / timedelta(days=1)),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": ".", "description": "The base URL of this document."}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "parameters": parameters(),
            "headers": headers(),
            "responses": dict(sorted(responses.items())),
            "schemas": schemas(list(slugs())),
        },
    }


@cache
def document_text(retention: timedelta) -> str:
    """The same as it is sent."""
    return json_text.encode(document(retention))


def _operation(route: Route, operation: Operation, responses: dict[str, Schema]) -> Schema:
    """One operation; the responses that it shares with others are added to `responses`."""
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    described: Schema = {
        "operationId": _camel_case(route.endpoint.__name__),
        "summary": (route.endpoint.__doc__ or "").strip().removesuffix("."),
        "tags": [operation.tag],
    }
    if operation.description:
        described["description"] = operation.description
    if route.open:
        described["security"] = []
    if in_path or operation.parameters:
        described["parameters"] = [ref(name, "parameters") for name in (*in_path, *operation.parameters)]
    if operation.body:
        schema = ref(operation.body)
        described["requestBody"] = {
            "required": True,
            "content": {media_type: {"schema": schema} for media_type in operation.media_types},
        }
    gateway = FROM_GATEWAY
    if not route.open:
        gateway += (NO_KEY,)
    if operation.body:
        gateway += BODY_FROM_GATEWAY
    answers = {str(status): answer for status, answer in operation.answers.items()}
    for status, (name, response) in problem_responses((*ANY, *operation.problems), gateway).items():
        responses[name] = response
        answers[str(status)] = ref(name, "responses")
    described["responses"] = answers
    return described


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
