"""The message on the events queue: the jobs of one document that have ended together, in their order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from jobpipe.domain import json_text
from jobpipe.domain.documents.item_ref import ItemRef
from jobpipe.domain.errors import InvalidRequest, NewerMessage, UndecodableMessage
from jobpipe.domain.job_ref import JobRef

_FORM = 1


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job that has ended, with its document.

    The document is known when the job has expired, and its lines are to be woken again. It is None if the message
    of the command named none.
    """

    job: JobRef
    item: ItemRef | None = None


def encode_ended(ended: Sequence[EndedJob]) -> str:
    """Return the body of the message. It is ASCII, since an item's id may have characters that SQS refuses."""
    items = [each.item and [each.item.collection, each.item.scope, each.item.item_id] for each in ended]
    return json.dumps({"v": _FORM, "jobs": _pairs(ended), "items": items}, separators=(",", ":"))


def deduplication_id(ended: Sequence[EndedJob]) -> str:
    """Return an id that is the same whenever the same jobs are told, so that SQS drops a repeated message."""
    return sha256(json.dumps(_pairs(ended)).encode()).hexdigest()


def decode_ended(body: str) -> list[EndedJob]:
    """Return the jobs; raise NewerMessage for a message of a later release, or UndecodableMessage if it is none.

    A message without `items` is one of an earlier release.
    """
    try:
        value = json_text.decode(body)
    except InvalidRequest as refusal:
        raise UndecodableMessage(refusal.detail) from None
    if isinstance(value, dict) and isinstance(value.get("v"), int) and value["v"] != _FORM:
        raise NewerMessage(f"it has the form {value['v']}, which this release does not know")
    if not isinstance(value, dict) or value.get("v") != _FORM or not isinstance(value.get("jobs"), list):
        raise UndecodableMessage("it is no message of ended jobs")
    jobs = value["jobs"]
    items = value.get("items", [None] * len(jobs))
    if not isinstance(items, list) or len(items) != len(jobs):
        raise UndecodableMessage("its items are not those of its jobs")
    return [EndedJob(_job(pair), _item(item)) for pair, item in zip(jobs, items, strict=True)]


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
