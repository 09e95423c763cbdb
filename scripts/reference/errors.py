"""The tables of docs/reference/errors.md: every type of problem, and every exception of the client."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import jobpipe_client as client
from api_lambda.chalicelib.contract.openapi import GATEWAY_PROBLEMS, JOB_PROBLEMS
from infra.templates.gateway_responses import GATEWAY_RESPONSES
from jobpipe.domain.errors import ProblemError
from scripts.markdown import code, table

_BY_GATEWAY = {response.slug: response for response in GATEWAY_RESPONSES}


def tables() -> dict[str, str]:
    """Return the tables of the page by name."""
    problems = (
        (str(status), code(slug), title, sources, _meaning(slug), code(client_class(slug).__name__))
        for status, slug, title, sources in sorted(_problems())
    )
    others = (
        (code(each.__name__), code(each.__base__.__name__ if each.__base__ else ""), _first_line(each))
        for each in _exceptions()
        if not issubclass(each, client.ProblemError)
    )
    return {
        "problems": table(("status", "type", "title", "from", "meaning", "client raises"), problems),
        "exceptions": table(("exception", "is a", "meaning"), others),
    }


def client_class(slug: str) -> type[client.ProblemError]:
    """Return the exception that the client raises for a type of problem."""
    for each in _exceptions():
        if issubclass(each, client.ProblemError) and each.slug == slug:
            return each
    return client.ProblemError


def subclasses(base: type[ProblemError]) -> Iterator[type[ProblemError]]:
    """Yield the problems of responses: `base` and its subclasses, if they have a slug."""
    if hasattr(base, "slug"):
        yield base
    for each in base.__subclasses__():
        yield from subclasses(each)


def _problems() -> Iterator[tuple[int, str, str, str]]:
    """Yield the status, slug, title and sources of each problem."""
    of_gateway = {(refused.status, refused.slug) for refused in GATEWAY_PROBLEMS}
    of_api = {(problem.status, problem.slug): problem.title for problem in subclasses(ProblemError)}
    titles = {slug: title for (_, slug), title in of_api.items()}
    for problem in of_gateway | of_api.keys():
        status, slug = problem
        sources = {
            "api": problem in of_api,
            "job": problem in of_api and slug in JOB_PROBLEMS,
            "gateway": problem in of_gateway,
        }
        title = titles[slug] if slug in titles else _BY_GATEWAY[slug].title
        yield status, slug, title, ", ".join(name for name, answers in sources.items() if answers)


def _meaning(slug: str) -> str:
    raised = client_class(slug)
    return _BY_GATEWAY[slug].detail if raised is client.ProblemError else _first_line(raised)


def _first_line(described: type) -> str:
    return (inspect.getdoc(described) or "").partition("\n")[0]


def _exceptions() -> list[type[client.JobpipeError]]:
    classes = (each for _, each in inspect.getmembers(client, inspect.isclass))
    return [each for each in classes if issubclass(each, client.JobpipeError)]
