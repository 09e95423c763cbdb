"""What each endpoint takes and answers, by the name of its function; written by hand, and tested against it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobpipe.domain import etags
from jobpipe.domain.errors import (
    IdempotencyKeyReused,
    JobEndedAlready,
    NameTaken,
    NotFound,
    ProblemError,
    TooLarge,
    UnsupportedMediaType,
    VersionMismatch,
)
from jobpipe.domain.limits import MAX_ATTEMPTS

from ..http import request_fields
from ..http.request_fields import DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS
from .openapi_answers import ENDED, KEYED, answer, public
from .openapi_examples import EXAMPLE_FAILED_JOB, EXAMPLE_SHOWN_ITEM
from .openapi_schemas import COMMAND_REFUSALS, EXAMPLE_BATCH_ID, EXAMPLE_JOB_ID, Schema, one_of, ref, whole

Problems = tuple[type[ProblemError], ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; paths, methods and keys are those of its route."""

    tag: str
    answers: dict[int, Schema]
    problems: Problems = ()
    description: str = ""
    parameters: tuple[str, ...] = ()
    body: str | None = None  # a schema
    media_types: tuple[str, ...] = field(default=request_fields.JSON)


def parameters() -> dict[str, Schema]:
    """All parameters, by the name of their component."""

    def parameter(name: str, place: str, description: str, schema: Schema, **more: Any) -> Schema:
        return {"name": name, "in": place, "description": description, "schema": schema} | more

    whole_seconds: Schema = {"type": "integer", "minimum": 0, "maximum": request_fields.MAX_WAIT_SECONDS}
    return {
        "item_id": parameter("item_id", "path", "The item's id.", ref("ItemId"), required=True),
        "job_id": parameter(
            "job_id",
            "path",
            "The job's id. Another caller's job is a 404.",
            ref("JobId"),
            required=True,
            example=EXAMPLE_JOB_ID,
        ),
        "batch_id": parameter(
            "batch_id",
            "path",
            "The batch's id. Another caller's batch is a 404.",
            ref("BatchId"),
            required=True,
            example=EXAMPLE_BATCH_ID,
        ),
        "idempotency_key": parameter(
            "Idempotency-Key",
            "header",
            "The same key with the same command is the same job; with another command it is a 422. Keys are per"
            " caller, and free again when their job expires.",
            {"type": "string", "pattern": whole(request_fields.IDEMPOTENCY_KEY.pattern)},
        ),
        "if_match": parameter(
            "If-Match",
            "header",
            "`*` or a list of entity tags. If it is not met the job fails with 412.",
            {"type": "string", "maxLength": etags.MAX_IF_MATCH_LENGTH, "pattern": whole(etags.IF_MATCH.pattern)},
        ),
        "prefer": parameter(
            "Prefer",
            "header",
            f"`wait=N` (RFC 7240), N from 0 to {MAX_WAIT_SECONDS} seconds: if the job ends in that time,"
            " the answer is the one that a synchronous API would have given, else the 202. While jobs take too"
            " long for it nobody is held back, and the 202 comes at once. Other preferences are ignored.",
            {"type": "string", "maxLength": request_fields.MAX_PREFER_LENGTH},
            example="wait=10",
        ),
        "wait": parameter(
            "wait",
            "query",
            "Seconds to wait at most for the job to end or to be between two attempts; without a number"
            f" {DEFAULT_WAIT_SECONDS}, for which waiting costs less than another request. While jobs take too"
            " long for it, nobody is held back; Retry-After tells when to ask again.",
            {"oneOf": [whole_seconds, one_of("")], "default": 0},
            allowEmptyValue=True,
        ),
        "limit": parameter(
            "limit",
            "query",
            "How many a page has at most.",
            {
                "type": "integer",
                "minimum": 1,
                "maximum": request_fields.MAX_PAGE,
                "default": request_fields.DEFAULT_PAGE,
            },
        ),
        "item_cursor": _cursor(parameter, "item-cursor"),
        "job_cursor": _cursor(parameter, "job-cursor"),
        "status": parameter(
            "status", "query", "Which jobs to list.", one_of(*request_fields.LISTED_STATUSES), required=True
        ),
    }


def _cursor(parameter: Any, form: str) -> Schema:
    text = (
        "Where the page starts: take it from the Link of the previous page. A cursor is not signed: another one in"
        " the same form starts the same list at another place; one in another form or of another list is a 400."
    )
    schema: Schema = parameter("cursor", "query", text, {"type": "string", "format": form})
    return schema


_ACCEPTED = answer(
    "The command is queued. With an Idempotency-Key that came before: its job as it is now.",
    ref("Job"),
    *("Location", "Retry-After?"),
    links={
        "job": {"operationId": "getJob", "parameters": {"job_id": "$response.body#/id"}},
        "cancel": {"operationId": "cancelJob", "parameters": {"job_id": "$response.body#/id"}},
        "retry": {"operationId": "retryJob", "parameters": {"job_id": "$response.body#/id"}},
    },
)
_CREATED = answer(
    "The item was created (with `Prefer: wait`).",
    ref("Item"),
    *("Location", "ETag", "Preference-Applied"),
    links={
        name: {"operationId": f"{name}Item", "parameters": {"item_id": "$response.body#/id"}}
        for name in ("get", "put", "patch", "delete")
    },
)
_CHANGED = answer("The item as it is now (with `Prefer: wait`).", ref("Item"), "ETag", "Preference-Applied")
_DELETED = answer("The item is deleted (with `Prefer: wait`).", ref("Deleted"), "Preference-Applied")
_DONE = answer(
    "The result of the command (with `Prefer: wait`).",
    {"oneOf": [ref("Item"), ref("Deleted")]},
    *("ETag?", "Preference-Applied"),
)
_JOB = answer("The job; Retry-After while it has not ended.", ref("Job"), "Retry-After?")

_WRITE: Problems = (*KEYED, *ENDED, IdempotencyKeyReused)
_BODY: Problems = (TooLarge, UnsupportedMediaType)
_ON_WRITE = ("idempotency_key", "prefer")
_ON_CHANGE = (*_ON_WRITE, "if_match")


def _page(of: str, example: Any, *names: str) -> Schema:
    return answer(
        "A page, and a Link to the next one unless it is the last.",
        {"type": "array", "items": ref(of), "maxItems": request_fields.MAX_PAGE},
        *("Link?", *names),
        example=[example],
    )


OPERATIONS: dict[str, Operation] = {
    "index": Operation("service", {200: answer("What this is.", ref("Index"))}),
    "health": Operation("service", {200: answer("Requests reach the Lambda.", ref("Health"))}),
    "openapi": Operation("service", {200: public(answer("An OpenAPI 3.1 document.", {"type": "object"}))}),
    "docs": Operation(
        "service",
        {
            200: public(
                answer(
                    "A page without scripts.",
                    {"type": "string"},
                    *("Content-Security-Policy", "Referrer-Policy"),
                    media_type="text/html",
                )
            )
        },
    ),
    "console": Operation(
        "service",
        {
            200: public(
                answer(
                    "A page that asks for the key and uses this API.",
                    {"type": "string"},
                    *("Content-Security-Policy", "Referrer-Policy"),
                    media_type="text/html",
                )
            )
        },
    ),
    "create_item": Operation(
        "items",
        {201: _CREATED, 202: _ACCEPTED},
        (*_WRITE, *_BODY, NameTaken),
        parameters=_ON_WRITE,
        body="NewItem",
    ),
    "list_items": Operation(
        "items",
        {200: _page("Item", EXAMPLE_SHOWN_ITEM, "Unreadable-Items?")},
        KEYED,
        "A page also ends at 1 MB. It may be short, or empty if no item can be read; the last page has no Link.",
        ("limit", "item_cursor"),
    ),
    "get_item": Operation(
        "items",
        {200: answer("The item.", ref("Item"), "ETag")},
        (*KEYED, NotFound),
        "What was accepted a moment ago may not be applied yet; a queued read sees it.",
    ),
    "put_item": Operation(
        "items",
        {200: _CHANGED, 202: _ACCEPTED},
        (*_WRITE, *_BODY, NotFound, NameTaken, VersionMismatch),
        "The other fields stay as they are.",
        _ON_CHANGE,
        "FieldsToSet",
    ),
    "patch_item": Operation(
        "items",
        {200: _CHANGED, 202: _ACCEPTED},
        (*_WRITE, *_BODY, NotFound, NameTaken, VersionMismatch),
        parameters=_ON_CHANGE,
        body="MergePatch",
        media_types=request_fields.JSON_OR_MERGE_PATCH,
    ),
    "delete_item": Operation(
        "items",
        {200: _DELETED, 202: _ACCEPTED},
        (*_WRITE, NotFound, VersionMismatch),
        parameters=_ON_CHANGE,
    ),
    "submit_job": Operation(
        "jobs",
        {200: _DONE, 201: _CREATED, 202: _ACCEPTED},
        (*_WRITE, *_BODY, *COMMAND_REFUSALS),
        "A queued read sees all that was accepted before it for its item.",
        _ON_WRITE,
        "Command",
    ),
    "list_jobs": Operation(
        "jobs",
        {200: _page("Job", EXAMPLE_FAILED_JOB)},
        KEYED,
        "It may be a moment behind: what counts is the job itself.",
        ("status", "limit", "job_cursor"),
    ),
    "get_job": Operation("jobs", {200: _JOB}, (*KEYED, NotFound), parameters=("wait",)),
    "cancel_job": Operation(
        "jobs",
        {200: _JOB},
        (*KEYED, NotFound, JobEndedAlready),
        "Either it takes effect or it is cancelled, never both. Again it is the same.",
    ),
    "retry_job": Operation(
        "jobs",
        {200: _DONE, 201: _CREATED, 202: _ACCEPTED},
        (*KEYED, *ENDED, *COMMAND_REFUSALS, JobEndedAlready),
        "It gets a new place in its item's order and its attempts begin at 0; a job that waits or runs is left as"
        f" it is. Commands are given up after {MAX_ATTEMPTS} attempts. A job takes effect once at most, however"
        " often it is retried.",
        ("prefer",),
    ),
    "submit_batch": Operation(
        "batches",
        {
            202: answer(
                "What became of each command: the jobs here are queued. With an Idempotency-Key that came before:"
                " the batch as it is now.",
                ref("Batch"),
                *("Location", "Retry-After?"),
                links={"batch": {"operationId": "getBatch", "parameters": {"batch_id": "$response.body#/id"}}},
            )
        },
        (*KEYED, IdempotencyKeyReused, *_BODY),
        "Commands of one item take effect in their order here; after one that could not be queued (503) its item's"
        " later ones are refused with 503 too. Send the same request again with the same Idempotency-Key: what is"
        " queued already is not queued twice. It is a 503 as a whole if nothing could be queued, and a 400 that"
        " stores nothing if no command is valid. Prefer is ignored.",
        ("idempotency_key",),
        "NewBatch",
    ),
    "get_batch": Operation(
        "batches",
        {200: answer("The batch; Retry-After while it has not ended.", ref("Batch"), "Retry-After?")},
        (*KEYED, NotFound),
        "The results of its jobs are under their own ids.",
    ),
    "get_stats": Operation(
        "service",
        {200: answer("What is on the queues.", ref("Stats"))},
        KEYED,
        "Of all callers together. The counts are SQS's, which are approximate, and the age is CloudWatch's, which"
        " is a minute or two behind.",
    ),
}
