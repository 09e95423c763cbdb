"""The answers of the OpenAPI document: their headers, and one response for each kind of problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from jobpipe.domain.errors import (
    AttemptsSpent,
    CommandCancelled,
    CommandUnreadable,
    Forbidden,
    InternalError,
    InvalidRequest,
    NotFound,
    ProblemError,
    Unavailable,
)

from ..http.job_responses import JSON, PROBLEM
from .openapi_examples import EXAMPLE_REQUEST_ID, example_problem
from .openapi_schemas import EXAMPLE_ETAG, EXAMPLE_JOB_ID, Schema, one_of, ref, type_of


@dataclass(frozen=True, slots=True)
class Refused:
    """One status and type of problem."""

    status: int
    slug: str
    title: str
    says_status: bool = True  # but for a whole family of errors, whose document does not know its status


_OUR_SIDE = "Something went wrong on our side"
# The answers that API Gateway gives by itself; a test compares them with infra/templates/gateway_responses.py.
GATEWAY = (
    Refused(400, "bad-request", "Bad request", says_status=False),
    Refused(403, "forbidden", "Forbidden"),
    Refused(404, "not-found", "There is no such resource"),
    Refused(413, "too-large", "The content is too large"),
    Refused(415, "unsupported-media-type", "The content is not in a supported media type"),
    Refused(429, "too-many-requests", "Too many requests"),
    Refused(500, "internal-error", _OUR_SIDE, says_status=False),
    Refused(502, "internal-error", _OUR_SIDE, says_status=False),  # the Lambda died
    Refused(503, "unavailable", "The service cannot take this now"),  # the Lambda was not run
    Refused(504, "timeout", "Gateway time-out"),
)

_BY_STATUS = {refused.status: refused for refused in GATEWAY}
FROM_GATEWAY = tuple(_BY_STATUS[status] for status in (400, 429, 500, 502, 503, 504))
"""What any request may be answered with."""
NO_KEY = _BY_STATUS[403]
BODY_FROM_GATEWAY = tuple(_BY_STATUS[status] for status in (413, 415))

ANY: tuple[type[ProblemError], ...] = (InvalidRequest, NotFound)
"""Errors that any request may get, for its query or its path."""
KEYED: tuple[type[ProblemError], ...] = (InvalidRequest, Forbidden, InternalError, Unavailable)
"""What any request with a key may be answered with."""
ENDED: tuple[type[ProblemError], ...] = (CommandCancelled, AttemptsSpent, CommandUnreadable)
"""How any command may end, if its caller prefers to wait."""

_MEANINGS = {
    400: "The request is not valid; nothing was stored or queued.",
    403: "There is no API key, or not a good one.",
    404: "There is no such resource.",
    409: "It goes against the state that things are in.",
    412: "The item is not in the version that If-Match names.",
    413: "The content is too large.",
    415: "The content is not JSON in UTF-8.",
    422: "The Idempotency-Key came before with another command.",
    429: "Too many requests of one key.",
    500: "A fault of ours; the request id finds it in the logs. Or the command was given up.",
    502: "The service behind the gateway broke down.",
    503: "An outage; the same request may be sent again, with its Idempotency-Key without any risk.",
    504: "The gateway gave up waiting. The request may still have taken effect.",
}
_RETRY_AFTER = (429, 503, 504)
_MAY_BE_FINAL = (400, 404, 409, 412, 413, 500, 503)
"""What a command may end with."""


_TEXT: Schema = {"type": "string", "minLength": 1}
# The meaning of each, its schema, and an example, since tools cannot make a valid one from a pattern alone.
_HEADERS: dict[str, tuple[str, Schema, str | int]] = {
    "X-Request-Id": (
        "Finds the request in the logs of both Lambdas.",
        _TEXT,
        EXAMPLE_REQUEST_ID,
    ),
    "Cache-Control": ("Caches must not store it.", one_of("no-store"), "no-store"),
    "X-Content-Type-Options": ("Browsers must not guess another type.", one_of("nosniff"), "nosniff"),
    "Location": (
        "Where to poll the job or the batch, or the new item; relative to the request's URL (RFC 9110).",
        _TEXT,
        f"jobs/{EXAMPLE_JOB_ID}",
    ),
    "Retry-After": (
        "Seconds until it is worth asking again; for a job or a batch it grows with its age.",
        {"type": "integer", "minimum": 1},
        1,
    ),
    "ETag": ("The version of the item, for If-Match.", ref("EntityTag"), EXAMPLE_ETAG),
    "Link": (
        'The next page, relative to the request\'s URL: `<…>; rel="next"`.',
        {"type": "string", "pattern": '^<([.][.]/)*[a-z]+[?][^>]+>; rel="next"$'},
        '<items?limit=20&cursor=eyJhIjoxfQ>; rel="next"',
    ),
    "Unreadable-Items": (
        "Ids of items that are left out since they cannot be read; a GET of such an item is a 500 or a 503.",
        {"type": "string", "pattern": "^[0-9a-f-]{36}(, [0-9a-f-]{36})*$"},
        "6f1d6b0a-3c5e-4f8e-9a57-0c1f3f0b2d11",
    ),
    "Preference-Applied": (
        "The answer is the final one, since the job has ended in time.",
        {"type": "string", "pattern": "^wait=[0-9]{1,2}$"},
        "wait=10",
    ),
    "Content-Security-Policy": (
        "Nothing but the page's own style and script, and requests of this API.",
        _TEXT,
        "default-src 'none'",
    ),
    "Referrer-Policy": ("Links send no Referer.", one_of("no-referrer"), "no-referrer"),
}
ON_ALL = ("X-Request-Id", "Cache-Control", "X-Content-Type-Options")
"""Headers of every answer."""
_ALWAYS_OPTIONAL = ("Link", "Unreadable-Items")
_MAY_BE_MISSING = ("Retry-After", "ETag", "Link", "Preference-Applied", "Unreadable-Items")
_SOMETIMES = "Optional"
_PUBLIC = "Public-Cache-Control"


def headers() -> dict[str, Schema]:
    """The headers of answers by the name of their component, which differs for required and optional ones."""
    always = {name: _header(*header) for name, header in _HEADERS.items() if name not in _ALWAYS_OPTIONAL}
    sometimes = {_SOMETIMES + name: _header(*_HEADERS[name], required=False) for name in _MAY_BE_MISSING}
    public = _header(
        "Caches may store it for a while.",
        {"type": "string", "pattern": "^public, max-age=[0-9]+$"},
        "public, max-age=300",
    )
    return always | sometimes | {_PUBLIC: public}


def _header(description: str, schema: Schema, example: str | int, *, required: bool = True) -> Schema:
    return {"description": description, "required": required, "schema": schema, "example": example}


def public(response: Schema) -> Schema:
    """The same, but it may be kept."""
    return {**response, "headers": {**response["headers"], "Cache-Control": ref(_PUBLIC, "headers")}}


def answer(
    description: str,
    schema: Schema,
    *names: str,
    media_type: str = JSON,
    links: dict[str, Any] | None = None,
    example: Any = None,
) -> Schema:
    """A response with these headers besides those of every answer; a `?` marks a header that may be missing.

    An example is needed where one that a tool makes from the schema or from its parts' examples would not be valid.
    """
    response: Schema = {
        "description": description,
        "headers": {
            name.removesuffix("?"): ref(
                _SOMETIMES + name.removesuffix("?") if name.endswith("?") else name, "headers"
            )
            for name in (*ON_ALL, *names)
        },
        "content": {media_type: {"schema": schema} | ({} if example is None else {"example": example})},
    }
    return response | ({"links": links} if links else {})


@cache
def slugs() -> tuple[str, ...]:
    """Every type of problem that there is."""
    return tuple(sorted({refused.slug for refused in GATEWAY} | {problem.slug for problem in _all(ProblemError)}))


def _all(base: type[ProblemError]) -> list[type[ProblemError]]:
    below = [each for sub in base.__subclasses__() for each in _all(sub)]
    return ([base] if hasattr(base, "slug") else []) + below


def problem_responses(
    problems: tuple[type[ProblemError], ...], gateway: tuple[Refused, ...]
) -> dict[int, tuple[str, Schema]]:
    """By status: the name of the component that one answer of these kinds is, and the component."""
    by_status: dict[int, list[Refused]] = {}
    ours = (Refused(problem.status, problem.slug, problem.title) for problem in problems)
    for refused in (*ours, *gateway):
        by_status.setdefault(refused.status, []).append(refused)
    return {status: _problem_response(status, several) for status, several in sorted(by_status.items())}


def _problem_response(status: int, several: list[Refused]) -> tuple[str, Schema]:
    types = sorted({refused.slug for refused in several})
    schema: Schema = {
        "allOf": [ref("Problem")],
        "properties": {
            "type": {"type": "string", "enum": [type_of(slug) for slug in types]},
            "status": one_of(status),
        },
    }
    if all(refused.says_status for refused in several):
        schema["required"] = ["status"]
    names = ["Retry-After"] if status in _RETRY_AFTER else []
    if status in _MAY_BE_FINAL:
        names.append("Preference-Applied?")
    name = "Or".join("".join(word.capitalize() for word in slug.split("-")) for slug in types)
    example = example_problem(type_of(several[0].slug), several[0].title, status, _MEANINGS[status])
    return f"{name}{status}", answer(_MEANINGS[status], schema, *names, media_type=PROBLEM, example=example)
