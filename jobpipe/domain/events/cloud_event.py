"""The events of an ended job, as CloudEvents 1.0 in the structured JSON format.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md; `sequence` is the extension of that name.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import quote

from jobpipe.domain import etags, json_text
from jobpipe.domain.clock import rfc3339
from jobpipe.domain.errors import InternalError
from jobpipe.domain.events.emitted_events import decode_emitted
from jobpipe.domain.events.webhook import ITEM_CHANGED, JOB_ENDED, TEST
from jobpipe.domain.jobs.job import Job, Status
from jobpipe.domain.jobs.job_json import job_json, job_without_result
from jobpipe.domain.ports import DocumentStore

MEDIA_TYPE = "application/cloudevents+json"

MAX_DATA_BYTES = 200 * 1024
"""The most bytes of an event's data; a job's result that exceeds them is left out."""

EVENT_ID = re.compile("[0-9]{17}-[0-9a-z-]{1,80}")
"""The time at which the job ended, the job's id and generation, and the kind of event. Ids sort by time."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. Whoever makes it again gives it the same id, so that a receiver can drop the repetition."""

    event_id: str
    event_type: str
    collection: str
    subject: str
    sequence: str  # grows with each event of one document
    body: str = ""  # the CloudEvent as JSON text


def stem_of(job: Job) -> str:
    """Return the text with which the ids of all events of this end of the job begin, before a `-`."""
    return f"{_digits(job.updated_at)}-{job.job_id}-{job.generation}"


def emitted_event_types(job: Job) -> list[str]:
    """Return the types of the events that the job's operation returned, each once."""
    return [*dict.fromkeys(each.event_type for each in decode_emitted(job.emitted_events, job.collection))]


@dataclass(frozen=True, slots=True)
class Source:
    """Makes the events of one stage."""

    stage: str
    documents: DocumentStore  # where the results of jobs are read

    def events_of(self, job: Job, sequence: str, types: Collection[str]) -> Iterator[Event]:
        """Yield the events of an ended job whose types are in `types`.

        Raise Unavailable if the job's result cannot be read now. A result that is too large, or lost, is left out.
        """
        stem = stem_of(job)
        changes_item = job.status is Status.SUCCEEDED and job.operation != "read"
        subject = f"{job.collection}/{quote(job.item_id, safe='')}"
        if ITEM_CHANGED in types and changes_item:
            changed = Event(f"{stem}-changed", ITEM_CHANGED, job.collection, subject, f"{sequence}a")
            yield self._with_body(changed, job.updated_at, json_text.encode(_change(job)))
        for n, emitted in enumerate(decode_emitted(job.emitted_events, job.collection)):
            if emitted.event_type in types:
                own = Event(
                    f"{stem}-emitted-{n}", emitted.event_type, job.collection, subject, f"{sequence}a{n:02}"
                )
                yield self._with_body(own, job.updated_at, emitted.data)
        if JOB_ENDED in types:
            text = self.job_with_result(job, MAX_DATA_BYTES)
            ended = Event(f"{stem}-ended", JOB_ENDED, job.collection, f"jobs/{job.job_id}", f"{sequence}b")
            whole = text is not None
            yield self._with_body(ended, job.updated_at, text or job_without_result(job), truncated=not whole)

    def test_event(self, webhook_id: str, at: datetime, token: str) -> Event:
        """Return an event that tests whether the receiver can be reached; the token makes the event's id unique."""
        event = Event(f"{_digits(rfc3339(at))}-{token}-test", TEST, "", f"webhooks/{webhook_id}", "0")
        data = json_text.encode({"webhook_id": webhook_id, "message": "This webhook works."})
        return self._with_body(event, rfc3339(at), data)

    def job_with_result(self, job: Job, most_bytes: int) -> str | None:
        """Return the job with its result, as `GET /jobs/{id}` shows it; None if it is too large, or lost.

        Raise Unavailable if its result cannot be read now.
        """
        try:
            text = job_json(job, self.documents)
        except InternalError:
            return None
        return text if len(text.encode()) <= most_bytes else None

    def _with_body(self, event: Event, time: str, data: str, *, truncated: bool = False) -> Event:
        """Return the event with its CloudEvent. The data is inserted as it is, so that its numbers stay exact."""
        members: dict[str, object] = {
            "specversion": "1.0",
            "id": event.event_id,
            "source": f"urn:jobpipe:{self.stage}",
            "type": event.event_type,
            "subject": event.subject,
            "time": time,
            "sequence": event.sequence,
            "datacontenttype": "application/json",
        }
        if truncated:
            members["truncated"] = True
        return replace(event, body=f'{json_text.encode(members)[:-1]},"data":{data}}}')


def _digits(time: str) -> str:
    """Return a time in RFC 3339 as digits, which sort by time."""
    return re.sub("[^0-9]", "", time)


def _change(job: Job) -> dict[str, str]:
    data = {
        "collection": job.collection,
        "item_id": job.item_id,
        "operation": job.operation,
        "job_id": job.job_id,
    }
    if job.result_version is not None:
        data["etag"] = etags.etag(job.result_version)
    return data
