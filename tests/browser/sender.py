"""A service to which batches come at known times; its jobs end when the test says so."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.browser.shop import Document, Shop

IMPORT = "import-0123456789abcdef01234567"
TOO_LONG = "The text must have at most 64 characters."
STATES = ("scheduled", "queued", "retrying", "succeeded", "failed", "cancelled", "refused", "expired")


def moment(ago: float = 0) -> str:
    """Return the time some seconds ago, as the service writes it."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="milliseconds")[:23] + "Z"


@dataclass
class Sender(Shop):
    """A shop that is sent batches."""

    sent: dict[str, Document] = field(
        default_factory=dict
    )  # by the id of a batch: its key, its name, its jobs, its refusals

    def accept(self, count: int, *, ago: float = 0, key: str = "", refused: int = 0, name: str = "") -> str:
        """Accept the commands of one batch in one moment, and return its id."""
        batch, at = f"batch-{uuid.uuid4().hex}", moment(ago)
        jobs = {uuid.uuid4().hex: self._job(batch, at) for _ in range(count)}
        self.sent[batch] = {"key": key, "jobs": [*jobs], "refused": refused, "name": name}
        self.jobs.update({name: {"id": name, **job} for name, job in jobs.items()})
        return batch

    def end(self, batch: str, *, failed: int = 0, ago: float = 0) -> None:
        """End all jobs of a batch, of which some fail."""
        for number, name in enumerate(self.sent[batch]["jobs"]):
            problem = {"title": "No such item", "detail": "There is no such item.", "type": "t", "status": 404}
            end = {"status": "failed", "error": problem} if number < failed else {"status": "succeeded"}
            self.jobs[name] = {**self.jobs[name], **end, "done": True, "updated_at": moment(ago)}

    def schedule(self, not_before: str) -> None:
        """Accept a command that waits for its time."""
        job = {**self._job("", moment()), "id": uuid.uuid4().hex, "status": "scheduled", "not_before": not_before}
        self.jobs[str(job["id"])] = {name: value for name, value in job.items() if name != "links"}

    def _job(self, batch: str, at: str) -> Document:
        names = {"operation": "create", "collection": "items", "item_id": "x", "status": "queued"}
        times = {"created_at": at, "updated_at": at}
        return {
            **names,
            **times,
            "done": False,
            "attempts": 0,
            "retries": 0,
            "links": {"batch": f"/batches/{batch}"},
        }

    def _batch(self, name: str) -> Document:
        batch = self.sent[name]
        jobs = [self.jobs[each] for each in batch["jobs"]]
        entries = [{"job": job} for job in jobs] + [_refusal(len(jobs) + each) for each in range(batch["refused"])]
        counts = {
            **dict.fromkeys(STATES, 0),
            **Counter(job["status"] for job in jobs),
            "refused": batch["refused"],
        }
        done = all(job["done"] for job in jobs)
        size = len(entries)
        key = {"idempotency_key": batch["key"]} if batch["key"] else {}
        key |= {"name": batch["name"]} if batch["name"] else {}
        return {"id": name, "done": done, "size": size, "counts": counts, "entries": entries, **key}


def _refusal(place: int) -> Document:
    """Return the entry of a command at this place of its batch that was refused for one field."""
    errors = [{"pointer": f"#/commands/{place}/item/name", "detail": TOO_LONG}]
    kind = {"title": "The request is not valid", "type": "urn:jobpipe:problem:invalid-request", "status": 400}
    return {"problem": {**kind, "detail": TOO_LONG, "errors": errors}}
