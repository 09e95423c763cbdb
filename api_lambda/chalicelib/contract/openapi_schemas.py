"""The schemas of the OpenAPI document: what a request's body may be, and what an answer's body is.

What JSON Schema cannot say (depth, digits of a number, NUL inside a text) is said in words; the rules are those of
jobpipe/domain/item_rules.py and jobpipe/domain/json_text.py.
"""

from __future__ import annotations

from typing import Any

from jobpipe.domain import json_text
from jobpipe.domain.batch import BATCH_ID, MAX_COMMANDS
from jobpipe.domain.commands import COMMANDS, OPERATIONS, Command
from jobpipe.domain.errors import (
    PROBLEM_TYPE_PREFIX,
    AttemptsSpent,
    CommandUnreadable,
    InternalError,
    InvalidRequest,
    NotFound,
    ProblemError,
    TooLarge,
    Unavailable,
)
from jobpipe.domain.item_rules import INVISIBLE, MAX_DEPTH, MAX_DOCUMENT_BYTES, MAX_ID_LENGTH, MAX_NAME_LENGTH
from jobpipe.domain.job import JOB_ID, UNFINISHED, Status

from ..http.batch_responses import COUNTS

Schema = dict[str, Any]

COMMAND_REFUSALS = tuple(dict.fromkeys(refusal for command in COMMANDS for refusal in command.refusals))
"""What a command can be refused with when it is its turn."""
JOB_PROBLEMS: tuple[type[ProblemError], ...] = (
    *COMMAND_REFUSALS,
    *(InternalError, AttemptsSpent, CommandUnreadable, Unavailable),
)
"""What can end a job, or interrupt an attempt."""
COMMAND_PROBLEMS: tuple[type[ProblemError], ...] = (InvalidRequest, TooLarge, Unavailable, InternalError, NotFound)
"""What a command of a batch may be answered with instead of a job."""

EXAMPLE_ITEM_ID = "8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a"
EXAMPLE_JOB_ID = "5b8c0f6d3e2a4b7c9d1e0f2a3b4c5d6e"
EXAMPLE_BATCH_ID = "batch-0c4de1f2a3b44c5d9e6f708192a3b4c5"
EXAMPLE_ETAG = '"0123456789abcdef"'
EXAMPLE_ITEM = {"name": "Trail tent", "description": "For two", "price": 12.95}
EXAMPLE_JOB: Schema = {
    "id": EXAMPLE_JOB_ID,
    "status": Status.QUEUED.value,
    "done": False,
    "operation": "create",
    "item_id": EXAMPLE_ITEM_ID,
    "attempts": 0,
    "retries": 0,
    "created_at": "2026-11-22T20:57:44.123Z",
    "updated_at": "2026-11-22T20:57:44.123Z",
    "links": {"self": f"/jobs/{EXAMPLE_JOB_ID}", "item": f"/items/{EXAMPLE_ITEM_ID}"},
}

_CONTROL = r"\u0000-\u001f\u007f-\u009f"
# Unicode's categories Cc, Cf, Zl and Zp, as far as both Python's and JSON Schema's expressions can say them.
_FORMAT = (
    rf"{_CONTROL}\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064"
    r"\u2066-\u206f\ufeff\ufff9-\ufffb"
)
_NO_CONTROL = f"^[^{_FORMAT}]+$"
_NOT_IN_NAMES = _CONTROL + INVISIBLE
_VISIBLE = rf"^[^{_NOT_IN_NAMES}]*[^\s{_NOT_IN_NAMES}][^{_NOT_IN_NAMES}]*$"


def ref(name: str, kind: str = "schemas") -> Schema:
    """A reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def one_of(*values: str | bool | int) -> Schema:
    """A schema for one of these values, with their type, which client generators need."""
    kind = {bool: "boolean", int: "integer"}.get(type(values[0]), "string")
    return {"type": kind} | ({"const": values[0]} if len(values) == 1 else {"enum": list(values)})


def whole(pattern: str) -> str:
    """The pattern as JSON Schema needs it, which does not anchor."""
    return f"^(?:{pattern})$"


def type_of(slug: str) -> str:
    """A problem's `type`."""
    return PROBLEM_TYPE_PREFIX + slug


def schemas(problem_slugs: list[str]) -> dict[str, Schema]:
    """All of them, by name; `problem_slugs` are those of this API and of the gateway before it."""
    return {
        **_items(),
        **_commands(),
        **_jobs(),
        **_batches(),
        "Problem": {
            **_problem(problem_slugs, {"request_id": {"type": "string", "description": "As in X-Request-Id."}}),
            "description": "RFC 9457. The `type` is stable; `status` is missing in some of the gateway's own.",
            "required": ["type", "title", "detail", "request_id"],
        },
        "JobProblem": {
            **_problem([problem.slug for problem in JOB_PROBLEMS], {}),
            "description": "The problem that a synchronous API would have answered with.",
            "required": ["type", "title", "status", "detail"],
        },
        "Index": _object(
            {
                "name": one_of("jobpipe"),
                "version": {"type": "string"},
                "description": {"type": "string"},
                "links": {
                    "type": "object",
                    "description": "Paths below the base URL.",
                    "additionalProperties": {"type": "string", "pattern": "^/"},
                    "examples": [{"items": "/items", "jobs": "/jobs"}],
                },
            }
        ),
        "Stats": _stats(),
        "Health": _object({"status": one_of("ok"), "version": {"type": "string"}}),
    }


def _stats() -> Schema:
    age: Schema = {
        "type": ["number", "null"],
        "minimum": 0,
        "description": "Seconds since the oldest of these was sent; null where nobody tells, as on emulators.",
    }
    queue = {
        "waiting": _count("Ready for the worker."),
        "in_flight": _count("Being worked on, or away until they come again."),
        "delayed": _count("Not to be delivered yet."),
        "oldest_seconds": age,
    }
    return _object(
        {
            "at": ref("Time"),
            "queue": {**_object(queue), "description": "Messages on the queue of commands."},
            "dead_letters": _count("Messages that SQS has given up, and whose jobs are about to be ended."),
            "parked": _count("Messages that are no command, for a person to look at."),
        }
    )


def _object(properties: dict[str, Any], optional: dict[str, Any] | None = None) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": properties | (optional or {}),
        "required": list(properties),
        "additionalProperties": False,
    }


def _items() -> dict[str, Schema]:
    name = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_NAME_LENGTH,
        "pattern": _VISIBLE,
        "description": "Unique among the items, but for composition (NFC), joiners and variation selectors."
        " At least one visible character; no control characters, none that is invisible or turns the direction.",
    }
    fields: dict[str, Schema] = {
        "name": ref("ItemName"),
        "description": {"type": "string"},
    }
    no_id: Schema = {"not": {"required": ["id"]}}  # the service assigns it; client generators fail on "id": false
    limits = (
        f"Further members may be any JSON: up to {MAX_DEPTH} levels deep, {MAX_DOCUMENT_BYTES} bytes in all,"
        f" numbers of at most {json_text.MAX_DIGITS} significant digits between 1E{json_text.MIN_EXPONENT} and"
        f" 9.9E+{json_text.MAX_EXPONENT}, no name twice in one object, no NUL and no lone surrogate in a text."
    )
    return {
        "ItemId": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_ID_LENGTH,
            "pattern": _NO_CONTROL,
            "description": "A UUID, as the service assigns it; any other id is that of no item.",
        },
        "ItemName": name,
        "NewItem": {
            "type": "object",
            "description": limits,
            "properties": fields,
            "required": ["name", "description"],
            **no_id,
            "additionalProperties": True,
            "examples": [EXAMPLE_ITEM],
        },
        "FieldsToSet": {
            "type": "object",
            "description": f"These members are set, the others stay as they are. {limits}",
            "properties": fields,
            "minProperties": 1,
            **no_id,
            "additionalProperties": True,
            "examples": [{"price": 11.5}],
        },
        "MergePatch": {
            "type": "object",
            "description": f"RFC 7396: null removes a member, but neither name nor description. {limits}",
            "properties": fields,
            **no_id,
            "additionalProperties": True,
            "examples": [{"price": None, "size": {"width": 140}}],
        },
        "Item": {
            "type": "object",
            "description": "The item's document with its id, its numbers exactly as they came.",
            "properties": {"id": ref("ItemId"), "name": {"type": "string"}, "description": {"type": "string"}},
            "required": ["id", "name", "description"],
            "additionalProperties": True,
            "examples": [{"id": EXAMPLE_ITEM_ID, **EXAMPLE_ITEM}],
        },
        "Deleted": _object({"message": one_of("Item deleted")}),
    }


def _commands() -> dict[str, Schema]:
    commands = {_name_of(command): _command(command) for command in COMMANDS}
    return {
        **commands,
        "Command": {
            "description": "A command in its raw form.",
            "oneOf": [ref(name) for name in commands],
            "examples": [{"operation": "create", "item": EXAMPLE_ITEM}],
        },
    }


def _name_of(command: type[Command]) -> str:
    return f"{(command.distinguishing_member or command.operation).capitalize()}Command"


def _command(command: type[Command]) -> Schema:
    return _object({"operation": one_of(command.operation), **command.needs}, dict(command.may_have))


def _jobs() -> dict[str, Schema]:
    always: Schema = {
        "id": ref("JobId"),
        "status": one_of(*(status.value for status in Status)),
        "done": {"type": "boolean", "description": "Whether it has ended."},
        "operation": one_of(*OPERATIONS),
        "item_id": ref("ItemId"),
        "attempts": _count("How many the worker has made; outages of AWS are not counted."),
        "retries": _count("How often it was queued again after it had failed."),
        "created_at": ref("Time"),
        "updated_at": ref("Time"),
        "links": {
            **_object(
                {
                    "self": {"type": "string", "pattern": f"^/jobs/{JOB_ID.pattern}$"},
                    "item": {"type": "string", "pattern": "^/items/[A-Za-z0-9._~%-]+$"},
                }
            ),
            "description": "Paths below the base URL.",
        },
    }
    sometimes: Schema = {
        "error": {
            **ref("JobProblem"),
            "description": "Of a failed job: why. Of a retrying one: what interrupted the last attempt.",
        },
        "etag": {**ref("EntityTag"), "description": "Of the item in the result."},
        "result": {
            "oneOf": [ref("Item"), ref("Deleted")],
            "description": "Of a job that succeeded: the item as the command left or read it.",
        },
    }
    return {
        "JobId": {"type": "string", "pattern": whole(JOB_ID.pattern), "description": "It cannot be guessed."},
        "Time": {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
            "description": "RFC 3339 in UTC.",
            "examples": [EXAMPLE_JOB["created_at"]],
        },
        "EntityTag": {"type": "string", "pattern": '^"[0-9a-f]+"$'},
        "Job": {
            **_object(always, sometimes),
            "description": "What became of one accepted command.",
            "allOf": [
                _when("done", True, "status", one_of(*(s.value for s in Status if s.done))),
                _when("done", False, "status", one_of(*(s.value for s in UNFINISHED))),
                _members(Status.QUEUED, (), absent=("error", "etag", "result")),
                _members(Status.RETRYING, ("error",), absent=("etag", "result")),
                _members(Status.SUCCEEDED, ("result",), absent=("error",)),
                _members(Status.FAILED, ("error",), absent=("etag", "result")),
                _members(Status.CANCELLED, (), absent=("error", "etag", "result")),
            ],
            "examples": [EXAMPLE_JOB],
        },
    }


def _batches() -> dict[str, Schema]:
    job = _jobs()["Job"]["properties"]
    members = ("id", "status", "done", "operation", "item_id", "links")
    example_job = {name: EXAMPLE_JOB[name] for name in members}
    batch = _object(
        {
            "id": ref("BatchId"),
            "done": {"type": "boolean", "description": "Whether all of its jobs have ended."},
            "size": {"type": "integer", "minimum": 1, "maximum": MAX_COMMANDS},
            "counts": {
                **_object({name: {"type": "integer", "minimum": 0, "maximum": MAX_COMMANDS} for name in COUNTS}),
                "description": "Of its commands, by what they are: jobs by their status, jobs that have expired,"
                " and commands that were refused or could not be queued.",
            },
            "created_at": ref("Time"),
            "entries": {
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_COMMANDS,
                "items": {
                    "oneOf": [_object({"job": ref("BatchJob")}), _object({"problem": ref("CommandProblem")})]
                },
                "description": "In the order of the commands.",
            },
            "links": _object({"self": {"type": "string", "pattern": f"^/batches/{BATCH_ID.pattern}$"}}),
        }
    )
    return {
        "BatchId": {"type": "string", "pattern": whole(BATCH_ID.pattern), "description": "It cannot be guessed."},
        "NewBatch": {
            **_object(
                {
                    "commands": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": MAX_COMMANDS,
                        "items": ref("Command"),
                        "description": "Each in its raw form. One that is not valid is refused by itself.",
                    }
                }
            ),
            "examples": [{"commands": [{"operation": "create", "item": EXAMPLE_ITEM}]}],
        },
        "BatchJob": {
            **_object({name: job[name] for name in members}, {"error": job["error"]}),
            "description": "A job without its result, which stands under its own id.",
        },
        "CommandProblem": {
            **_problem([problem.slug for problem in COMMAND_PROBLEMS], {}),
            "description": "Why there is no job: 400 or 413 of a command that is refused, 503 or 500 of one that"
            " could not be queued, 404 of one whose job has expired.",
            "required": ["type", "title", "status", "detail"],
        },
        "Batch": {
            **batch,
            "description": "What became of the commands of one request.",
            "examples": [
                {
                    "id": EXAMPLE_BATCH_ID,
                    "done": False,
                    "size": 1,
                    "counts": {name: int(name == Status.QUEUED.value) for name in COUNTS},
                    "created_at": EXAMPLE_JOB["created_at"],
                    "entries": [{"job": example_job}],
                    "links": {"self": f"/batches/{EXAMPLE_BATCH_ID}"},
                }
            ],
        },
    }


def _count(description: str) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description}


def _when(member: str, value: Any, other: str, schema: Schema) -> Schema:
    return {"if": {"properties": {member: one_of(value)}}, "then": {"properties": {other: schema}}}


def _members(status: Status, present: tuple[str, ...], absent: tuple[str, ...]) -> Schema:
    then: Schema = {"properties": dict.fromkeys(absent, False)}
    if present:
        then["required"] = list(present)
    return {"if": {"properties": {"status": one_of(status.value)}}, "then": then}


def _problem(slugs: list[str], extra: Schema) -> Schema:
    errors = {
        "type": "array",
        "minItems": 1,
        "items": _object({"pointer": {"type": "string", "pattern": "^#"}, "detail": {"type": "string"}}),
        "description": "The errors in the body, up to 20 (in a batch, for each command), each with a JSON Pointer"
        " as a URI fragment (RFC 6901).",
    }
    properties: Schema = {
        "type": one_of(*(type_of(slug) for slug in sorted(slugs))),
        "title": {"type": "string", "minLength": 1},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "minLength": 1},
        "errors": errors,
        **extra,
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}
