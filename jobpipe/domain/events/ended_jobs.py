"""The message on the events queue: the jobs of one document that have ended together, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from jobpipe.domain import json_text
from jobpipe.domain.errors import InvalidRequest, NewerMessage, UndecodableMessage
from jobpipe.domain.job_ref import JobRef

_FORM = 1


def encode_ended(jobs: Sequence[JobRef]) -> str:
    """Return the body of the message."""
    return json_text.encode({"v": _FORM, "jobs": [[job.job_id, job.generation] for job in jobs]})


def deduplication_id(jobs: Sequence[JobRef]) -> str:
    """Return an id that is the same whenever the same jobs are told, so that SQS drops a repeated message."""
    return sha256(encode_ended(jobs).encode()).hexdigest()


def decode_ended(body: str) -> list[JobRef]:
    """Return the jobs; raise NewerMessage for a message of a later release, or UndecodableMessage if it is none."""
    try:
        value = json_text.decode(body)
    except InvalidRequest as refusal:
        raise UndecodableMessage(refusal.detail) from None
    if isinstance(value, dict) and isinstance(value.get("v"), int) and value["v"] != _FORM:
        raise NewerMessage(f"it has the form {value['v']}, which this release does not know")
    if not isinstance(value, dict) or value.get("v") != _FORM or not isinstance(value.get("jobs"), list):
        raise UndecodableMessage("it is no message of ended jobs")
    return [_job(pair) for pair in value["jobs"]]


def _job(pair: object) -> JobRef:
    match pair:
        case [str(job_id), str(generation)]:
            return JobRef(job_id, generation)
        case _:
            raise UndecodableMessage("one of its jobs is not a pair of texts")
