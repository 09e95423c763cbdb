"""Complete openapi.yaml to the OpenAPI 3.1 document that `GET /openapi.json` and `GET /docs` serve."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jobpipe import __version__
from jobpipe.domain import etags, json_text
from jobpipe.domain.commands.command import COMMANDS, COMMON_MEMBERS, NOT_AFTER, OPERATION_NAME, OPERATIONS, Command
from jobpipe.domain.commands.label import MAX_LABEL_LENGTH
from jobpipe.domain.documents.collection import ONLY_ITEMS, Registry
from jobpipe.domain.documents.item_ref import COLLECTION_NAME, ITEMS
from jobpipe.domain.documents.item_rules import (
    INVISIBLE,
    MAX_DEPTH,
    MAX_DOCUMENT_BYTES,
    MAX_ID_LENGTH,
    MAX_NAME_LENGTH,
)
from jobpipe.domain.errors import (
    OPERATION_REFUSED,
    PROBLEM_TYPE_PREFIX,
    AttemptsSpent,
    CommandTooLate,
    CommandUnreadable,
    IndexBuilding,
    InternalError,
    InvalidRequest,
    NotUnique,
    OperationRefused,
    ProblemError,
    Unavailable,
)
from jobpipe.domain.events.cloud_event import EVENT_ID
from jobpipe.domain.events.delivery import DeliveryState
from jobpipe.domain.events.receiver_url import MAX_URL_LENGTH
from jobpipe.domain.events.schedule import EVENT_RETENTION
from jobpipe.domain.events.webhook import EVENT_TYPES, MAX_STAGE_WEBHOOKS, MAX_WEBHOOKS, WEBHOOK_ID
from jobpipe.domain.events.webhook_form import MAX_COLLECTIONS, MAX_EVENT_TYPES
from jobpipe.domain.jobs.batch import BATCH_ID, MAX_BATCH_NAME, MAX_COMMANDS
from jobpipe.domain.jobs.job import JOB_ID
from jobpipe.domain.jobs.scheduled import MOST_COUNTED
from jobpipe.domain.limits import MAX_ATTEMPTS
from jobpipe.operation import EVENT_TYPE

from ..http import request_fields
from ..http.callers import OWNER, UNNAMED_OWNER
from ..http.job_responses import JSON, PROBLEM
from .collections import (
    STORED,
    add_collections,
    command_schemas,
    declared_collections,
    describe_collections,
    refusal_pattern,
)

Node = dict[str, Any]

COMMON_HEADERS = ("X-Request-Id", "Cache-Control", "X-Content-Type-Options")
"""Headers of every response."""


@dataclass(frozen=True, slots=True)
class KnownProblem:
    """One type of problem with one status."""

    status: int
    slug: str
    title: str
    says_status: bool = True


def _read_source() -> Node:
    packaged = Path(__file__).with_name("openapi.json")  # infra/packaging/package.py converts the YAML
    if packaged.exists():
        return dict(json.loads(packaged.read_text(encoding="utf-8")))
    import yaml  # noqa: PLC0415  # only in a checkout: it is not part of the Lambda

    return dict(yaml.safe_load(packaged.with_suffix(".yaml").read_text(encoding="utf-8")))


_SOURCE = _read_source()
_GATEWAY = {
    group: [KnownProblem(**each) for each in problems] for group, problems in _SOURCE["x-gateway-problems"].items()
}
GATEWAY_PROBLEMS = tuple(problem for group in _GATEWAY.values() for problem in group)
"""The problems that API Gateway returns by itself."""
_COMMAND_REFUSALS = tuple(dict.fromkeys(refusal.slug for command in COMMANDS for refusal in command.refusals))
COLLECTION_PROBLEMS = (NotUnique.slug, IndexBuilding.slug)
"""The slugs of the problems that no request about items can cause."""
JOB_PROBLEMS = {
    *_COMMAND_REFUSALS,
    *(problem.slug for problem in (CommandTooLate, InternalError, AttemptsSpent, CommandUnreadable, Unavailable)),
}
"""The slugs of the problems that can end a job or interrupt an attempt."""


def _with_slug(base: type[ProblemError]) -> Iterator[type[ProblemError]]:
    if "slug" in vars(base):
        yield base
    for each in base.__subclasses__():
        yield from _with_slug(each)


_OUR_PROBLEMS = {each.slug: KnownProblem(each.status, each.slug, each.title) for each in _with_slug(ProblemError)}


@cache
def document(retention: timedelta, registry: Registry = ONLY_ITEMS) -> Node:
    """Return the document of a stage that has these collections and keeps ended jobs for `retention`."""
    values = _values(registry) | {"RETENTION_DAYS": f"{retention / timedelta(days=1):g}"}
    return _Completion(_fill_in(add_collections(_SOURCE, registry), values), registry).document()


@cache
def document_text(retention: timedelta, registry: Registry = ONLY_ITEMS) -> str:
    """Return the document as JSON."""
    return json_text.encode(document(retention, registry))


def _values(registry: Registry) -> Node:
    """Return the values for the placeholders of openapi.yaml, except RETENTION_DAYS."""
    further = declared_collections(registry)
    job_problems, refusals = set(JOB_PROBLEMS), list(_COMMAND_REFUSALS)
    if further:
        job_problems |= {InvalidRequest.slug, NotUnique.slug}
        refusals += [InvalidRequest.slug, NotUnique.slug, OPERATION_REFUSED]
    stored = STORED if further else "Item"
    return {
        "VERSION": __version__,
        "STORED": stored,
        "RESULTS": [_ref(stored), _ref("Deleted")],
        "COMMANDS": [*(_ref(_schema_name(each)) for each in COMMANDS), *map(_ref, command_schemas(registry))],
        # Jobs of operations and collections that the release no longer has can still be read.
        "OPERATION": {"type": "string", "pattern": f"^(?:{OPERATION_NAME.pattern})$"}
        if further
        else {"type": "string", "enum": list(OPERATIONS)},
        "COMMAND_REFUSALS": refusals,
        "NOT_AFTER": NOT_AFTER,
        "JOB_PROBLEM_TYPES": _type_schema(_types(job_problems), registry),
        "PROBLEM_TYPES": _type_schema(_types(_problems_of(registry)), registry),
        "COLLECTION": COLLECTION_NAME.pattern,
        "OWNER": OWNER.pattern,
        "UNNAMED_OWNER": UNNAMED_OWNER.pattern,
        "JOB_ID": JOB_ID.pattern,
        "BATCH_ID": BATCH_ID.pattern,
        "COLLECTION_NAMES": registry.names,
        "WEBHOOK_ID": WEBHOOK_ID.pattern,
        "EVENT_ID": EVENT_ID.pattern,
        "EVENT_TYPE": _event_type(registry),
        "MAX_EVENT_TYPES": MAX_EVENT_TYPES,
        "EVENT_DAYS": EVENT_RETENTION.days,
        "DELIVERY_STATES": [state.value for state in DeliveryState],
        "MAX_URL_LENGTH": MAX_URL_LENGTH,
        "MAX_WEBHOOKS": MAX_WEBHOOKS,
        "MAX_STAGE_WEBHOOKS": MAX_STAGE_WEBHOOKS,
        "MAX_WEBHOOK_COLLECTIONS": MAX_COLLECTIONS,
        "IDEMPOTENCY_KEY": request_fields.IDEMPOTENCY_KEY.pattern,
        "IF_MATCH": etags.IF_MATCH.pattern,
        "NOT_IN_NAMES": r"\u0000-\u001f\u007f-\u009f" + INVISIBLE,
        "MAX_ATTEMPTS": MAX_ATTEMPTS,
        "MAX_BATCH_NAME": MAX_BATCH_NAME,
        "MAX_COMMANDS": MAX_COMMANDS,
        "MOST_COUNTED": MOST_COUNTED,
        "MAX_DEPTH": MAX_DEPTH,
        "MAX_DIGITS": json_text.MAX_DIGITS,
        "MAX_DOCUMENT_BYTES": MAX_DOCUMENT_BYTES,
        "MAX_EXPONENT": json_text.MAX_EXPONENT,
        "MIN_EXPONENT": json_text.MIN_EXPONENT,
        "MAX_ID_LENGTH": MAX_ID_LENGTH,
        "MAX_IF_MATCH_LENGTH": etags.MAX_IF_MATCH_LENGTH,
        "MAX_LABEL_LENGTH": MAX_LABEL_LENGTH,
        "MAX_NAME_LENGTH": MAX_NAME_LENGTH,
        "MAX_PAGE": request_fields.MAX_PAGE,
        "DEFAULT_PAGE": request_fields.DEFAULT_PAGE,
        "MAX_PREFER_LENGTH": request_fields.MAX_PREFER_LENGTH,
        "MAX_WAIT_SECONDS": request_fields.MAX_WAIT_SECONDS,
        "DEFAULT_WAIT_SECONDS": request_fields.DEFAULT_WAIT_SECONDS,
    }


def _problems_of(registry: Registry) -> set[str]:
    slugs = {*_OUR_PROBLEMS, *(problem.slug for problem in GATEWAY_PROBLEMS)}
    return slugs if declared_collections(registry) else slugs - set(COLLECTION_PROBLEMS)


def _fill_in(node: Any, values: Node) -> Any:
    """Fill in the placeholders of the node; a string that is only a placeholder becomes a value of any type."""
    if isinstance(node, dict):
        return {name: _fill_in(each, values) for name, each in node.items()}
    if isinstance(node, list):
        return [_fill_in(each, values) for each in node]
    if not isinstance(node, str):
        return node
    whole = re.fullmatch(r"\$\{(\w+)\}", node)
    return values[whole[1]] if whole else re.sub(r"\$\{(\w+)\}", lambda found: str(values[found[1]]), node)


class _Completion:
    """Expands the short forms of openapi.yaml, and collects the headers and responses that they use."""

    def __init__(self, source: Node, registry: Registry) -> None:
        self._source = source
        self._collections = registry
        self._headers: Node = {}
        self._responses: Node = {}

    def document(self) -> Node:
        paths = {
            path: {method: self._operation(operation) for method, operation in methods.items()}
            for path, methods in self._source["paths"].items()
        }
        components = self._source["components"]
        return {
            **{name: part for name, part in self._source.items() if not name.startswith("x-")},
            "paths": paths,
            "components": {
                **components,
                "headers": self._headers,
                "responses": dict(sorted(self._responses.items())),
                "schemas": components["schemas"]
                | {_schema_name(each): _schema(each) for each in COMMANDS}
                | command_schemas(self._collections),
            },
            "x-jobpipe-collections": describe_collections(self._collections),
        }

    def _operation(self, short: Node) -> Node:
        responses = {status: self._response(each) for status, each in short["responses"].items()}
        operation = {**short, "responses": responses}
        gateway = list(_GATEWAY["any"])
        if "security" not in short:
            gateway += _GATEWAY["keyed"]
        if "parameters" in short:
            operation["parameters"] = [_ref(name, "parameters") for name in short["parameters"]]
        if "requestBody" in short:
            gateway += _GATEWAY["body"]
            media_types = operation.pop("media_types", [JSON])
            content = {media_type: {"schema": _ref(short["requestBody"])} for media_type in media_types}
            operation["requestBody"] = {"required": operation.pop("body_required", True), "content": content}
        # The query or path of any request can be invalid.
        slugs = ["invalid-request", "not-found", *_flatten(operation.pop("problems", []))]
        refused = OPERATION_REFUSED in slugs
        problems = [*(_OUR_PROBLEMS[slug] for slug in slugs if slug != OPERATION_REFUSED), *gateway]
        for status in sorted({problem.status for problem in problems}):
            of_status = [each for each in problems if each.status == status]
            responses[str(status)] = self._problem(of_status, refused=refused and status == OperationRefused.status)
        return operation

    def _response(self, short: Node) -> Node:
        schema = _ref(short["schema"]) if isinstance(short["schema"], str) else short["schema"]
        example = {"example": short["example"]} if "example" in short else {}
        headers = {name: self._header(name) for name in COMMON_HEADERS}
        if short.get("public"):
            headers["Cache-Control"] = self._header("Public-Cache-Control")
        headers |= {name.removesuffix("?"): self._header(name) for name in short.get("headers", [])}
        return {
            "description": short["description"],
            "headers": headers,
            "content": {short.get("media_type", JSON): {"schema": schema} | example},
        } | ({"links": short["links"]} if "links" in short else {})

    def _header(self, name: str) -> Node:
        required, name = not name.endswith("?"), name.removesuffix("?")
        component = name if required else f"Optional{name}"
        self._headers[component] = {**self._source["components"]["headers"][name], "required": required}
        return _ref(component, "headers")

    def _problem(self, problems: list[KnownProblem], *, refused: bool) -> Node:
        """Return a reference to the response for these problems, which share a status.

        `refused` says whether an operation's own refusal is among them.
        """
        status, slugs = problems[0].status, sorted({problem.slug for problem in problems})
        short = self._source["x-problem-responses"][str(status)]
        schema: Node = {
            "allOf": [_ref("Problem")],
            "properties": {
                "type": _type_schema(_types(slugs), self._collections if refused else ONLY_ITEMS),
                "status": {"type": "integer", "const": status},
            },
        }
        if all(problem.says_status for problem in problems):
            schema["required"] = ["status"]
        example = {
            "type": PROBLEM_TYPE_PREFIX + problems[0].slug,
            "title": problems[0].title,
            "status": status,
            "detail": short["description"],
            "request_id": self._source["components"]["headers"]["X-Request-Id"]["example"],
        }
        named = [*slugs, *([OPERATION_REFUSED] if refused else [])]
        component = f"{'Or'.join(slug.title().replace('-', '') for slug in named)}{status}"
        self._responses[component] = self._response(
            {**short, "schema": schema, "media_type": PROBLEM, "example": example}
        )
        return _ref(component, "responses")


def _ref(name: str, kind: str = "schemas") -> Node:
    return {"$ref": f"#/components/{kind}/{name}"}


def _schema_name(command: type[Command]) -> str:
    return f"{(command.distinguishing_member or command.operation).capitalize()}Command"


def _schema(command: type[Command]) -> Node:
    operation = {"type": "string", "const": command.operation}
    return {
        "type": "object",
        "properties": {
            "operation": operation,
            "collection": {"type": "string", "const": ITEMS},
            **command.needs,
            **command.may_have,
            **COMMON_MEMBERS,
        },
        "required": ["operation", *command.needs],
        "additionalProperties": False,
    }


def _event_type(registry: Registry) -> Node:
    """Return the schema of the event types that a webhook can name: of the service, or of operations."""
    names = [each.name for each in declared_collections(registry)]
    if not names:
        return {"type": "string", "enum": list(EVENT_TYPES)}
    emitted = rf"^(?:{'|'.join(names)})\.{EVENT_TYPE.pattern}$"
    return {"type": "string", "anyOf": [{"enum": list(EVENT_TYPES)}, {"pattern": emitted}]}


def _type_schema(types: list[str], registry: Registry) -> Node:
    """Return the schema of a problem's type: one of these types, or a refusal by an operation."""
    if not any(each.operations for each in declared_collections(registry)):
        return {"type": "string", "enum": types}
    return {"type": "string", "anyOf": [{"enum": types}, {"pattern": refusal_pattern(registry)}]}


def _types(slugs: Iterable[str]) -> list[str]:
    return [PROBLEM_TYPE_PREFIX + slug for slug in sorted(slugs)]


def _flatten(names: list[Any]) -> Iterator[str]:
    for each in names:
        yield from _flatten(each) if isinstance(each, list) else [each]
