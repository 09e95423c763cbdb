"""The messages on the events queue.

Most messages name the jobs of one document that ended together, in their order. A message of the second form names
a job that had already ended when its caller gave it a task token: the task is answered, and no event is sent.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import InvalidRequest, NewerMessage, UndecodableMessage
from jobpipe.domain.job_ref import JobRef

_FORM, _FORM_OF_TASKS = 1, 2


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has ended, with its document.

    The document is named so that its lines can be woken again even if the job has expired. It is None if the
    message of the command named no document.
    """

    job: JobRef
    item: ItemRef | None = None


@dataclass(frozen=True, slots=True)
class WaitingTask:
    """A request to answer the task that waits for a job, whose row has the token."""

    job_id: str


def encode_task(task: WaitingTask) -> str:
    """Return the body of the message."""
    return json.dumps({"v": _FORM_OF_TASKS, "task_of": task.job_id}, separators=(",", ":"))


def encode_ended(ended: Sequence[EndedJob]) -> str:
    """Return the body of the message. It is ASCII, since an item's id may have characters that SQS refuses."""
    items = [each.item and [each.item.collection, each.item.scope, each.item.item_id] for each in ended]
    return json.dumps({"v": _FORM, "jobs": _pairs(ended), "items": items}, separators=(",", ":"))


def deduplication_id(ended: Sequence[EndedJob]) -> str:
    """Return an id that is the same for the same jobs, so that SQS drops a repeated message."""
    return sha256(json.dumps(_pairs(ended)).encode()).hexdigest()


def decode_ended(body: str) -> list[EndedJob] | WaitingTask:
    """Return the jobs, or the task to answer.

    Raise NewerMessage if a later release sent the message, or UndecodableMessage if it is not valid. Messages of
    earlier releases have no `items`.
    """
    try:
        value = json_text.decode(body)
    except InvalidRequest as refusal:
        raise UndecodableMessage(refusal.detail) from None
    if isinstance(value, dict) and value.get("v") == _FORM_OF_TASKS:
        return WaitingTask(_task_of(value))
    if isinstance(value, dict) and isinstance(value.get("v"), int) and value["v"] != _FORM:
        raise NewerMessage(f"it has the form {value['v']}, which this release does not know")
    if not isinstance(value, dict) or value.get("v") != _FORM or not isinstance(value.get("jobs"), list):
        raise UndecodableMessage("it is not a message about ended jobs")
    jobs = value["jobs"]
    items = value.get("items", [None] * len(jobs))
    if not isinstance(items, list) or len(items) != len(jobs):
        raise UndecodableMessage("its items do not match its jobs")
    return [EndedJob(_job(pair), _item(item)) for pair, item in zip(jobs, items, strict=True)]


def _task_of(value: dict[str, object]) -> str:
    job_id = value.get("task_of")
    if not isinstance(job_id, str):
        raise UndecodableMessage("it names no job whose task waits")
    return job_id


def _pairs(ended: Sequence[EndedJob]) -> list[list[str]]:
    return [[each.job.job_id, each.job.generation] for each in ended]


def _job(pair: object) -> JobRef:
    match pair:
        case [str(job_id), str(generation)]:
            return JobRef(job_id, generation)
        case _:
            raise UndecodableMessage("one of its jobs is not a pair of texts")


def _item(texts: object) -> ItemRef | None:
    match texts:
        case [str(collection), str(scope), str(item_id)]:
            return ItemRef(collection, scope, item_id)
        case None:
            return None
        case _:
            raise UndecodableMessage("one of its items is not three texts")
