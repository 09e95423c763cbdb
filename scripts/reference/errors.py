"""docs/reference/errors.md: every type of problem, and every exception of the client."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import jobpipe_client.exceptions as client
from api_lambda.chalicelib.contract.openapi import GATEWAY_PROBLEMS, JOB_PROBLEMS
from infra.templates.gateway_responses import GATEWAY_RESPONSES
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, ProblemError
from scripts.reference.tables import code, table


def page() -> str:
    """The page."""
    rows = [
        (str(status), code(slug), title, who, _meaning(slug), code(client_class(slug).__name__))
        for status, slug, title, who in sorted(_problems())
    ]
    others = [
        (code(each.__name__), code(each.__base__.__name__ if each.__base__ else ""), _first_line(each))
        for each in _exceptions()
        if not issubclass(each, client.ProblemError)
    ]
    return f"""\
# Errors

Made by `make reference` from `jobpipe/domain/errors.py`, `infra/templates/gateway_responses.py` and
`jobpipe_client/exceptions.py`; a test holds it true.

## Problems

An error is an RFC 9457 problem document (`application/problem+json`). Its `type` is `{PROBLEM_TYPE_PREFIX}` and the
word of this table. `type` is stable; `detail` is for people. `errors[].pointer` says where in the body it is.

*From*: `api` answers a request with it. `job` is what a job can end with, in its `error`; with `Prefer: wait` it is
the answer. `gateway` is API Gateway, before anything of jobpipe runs.

{table(("status", "type", "title", "from", "meaning", "client raises"), rows)}
In a job's `error` a problem is the same as in an answer, without `request_id`. In the client, `client.sync` and
whatever is refused raise the class of this table; `raise_for_failure()` of a job raises `JobFailed`, which has it
as `problem`. A type that the client does not know is a plain `ProblemError`.

## Other exceptions of the client

{table(("exception", "is a", "meaning"), others)}"""


def client_class(slug: str) -> type[client.ProblemError]:
    """What the client raises for a type of problem."""
    found = [each for each in _exceptions() if issubclass(each, client.ProblemError) and each.slug == slug]
    return found[0] if found else client.ProblemError


def _meaning(slug: str) -> str:
    ours = client_class(slug)
    if ours is not client.ProblemError:
        return _first_line(ours)
    return next(response.detail for response in GATEWAY_RESPONSES if response.slug == slug)


def _first_line(described: type) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0]


def _problems() -> Iterator[tuple[int, str, str, str]]:
    of_gateway = {(refused.status, refused.slug) for refused in GATEWAY_PROBLEMS}
    of_us = {(problem.status, problem.slug): problem.title for problem in subclasses(ProblemError)}
    titles = {response.slug: response.title for response in GATEWAY_RESPONSES} | {
        slug: title for (_, slug), title in of_us.items()
    }
    for status, slug in of_gateway | of_us.keys():
        who = {
            "api": (status, slug) in of_us,
            "job": (status, slug) in of_us and slug in JOB_PROBLEMS,
            "gateway": (status, slug) in of_gateway,
        }
        yield status, slug, titles[slug], ", ".join(name for name, may in who.items() if may)


def subclasses(base: type[ProblemError]) -> Iterator[type[ProblemError]]:
    """Those that can be answered with, `base` itself too if it can be."""
    if hasattr(base, "slug"):
        yield base
    for each in base.__subclasses__():
        yield from subclasses(each)


def _exceptions() -> list[type[client.JobpipeError]]:
    classes = (
        each for _, each in inspect.getmembers(client, inspect.isclass) if each.__module__ == client.__name__
    )
    return [each for each in classes if issubclass(each, client.JobpipeError)]
