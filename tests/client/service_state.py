"""The items, jobs and worker of the service in memory, for the tests of the client.

One worker applies the commands, of a random item at each step and each item's in order, so that a test which passes
relies on the promised order only.
"""

import hashlib
import json
import random
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.client import batches

BASE = "/_aws/execute-api/abc/local"
SLUGS = {400: "invalid-request", 403: "forbidden", 404: "not-found", 409: "name-taken", 412: "version-mismatch"}


def problem(status: int, slug: str | None = None, detail: str = "no") -> dict[str, Any]:
    return batches.problem(status, slug or SLUGS[status], detail, request_id="r")


def moment(text: str) -> str:
    """Return a time in a form that can be compared."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat("T", "microseconds") if text[1:] else text


class Refused(batches.NotTaken):
    def __init__(self, status: int, detail: str = "no", slug: str | None = None) -> None:
        self.status = status
        self.problem = problem(status, slug, detail)


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def etag_of(item: dict[str, Any]) -> str:
    return f'"{hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:16]}"'


class ServiceState:
    """The items, jobs and batches of a service, and its worker. `pause` stops the worker."""

    def __init__(self, *, seed: int = 1) -> None:
        self.documents: dict[str, dict[str, dict[str, Any]]] = {"items": {}, "orders": {}}
        self.lost: set[str] = set()  # ids of items that cannot be read
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.pending: dict[str, deque[str]] = {}  # jobs, by their items
        self.applied: list[dict[str, Any]] = []
        self.paused = False
        self.scheduled = 0  # as /stats says
        self.paused_at: str | None = None  # as /stats says, whatever the worker does
        self.changed = threading.Condition()
        self.batches = batches.Batches(lambda command, key: self.accept(command, key, None), self.jobs)
        self._effects: dict[str, Callable[[], Any]] = {}
        self._random = random.Random(seed)
        self._stopped = False
        threading.Thread(target=self._work, daemon=True).start()

    @property
    def items(self) -> dict[str, dict[str, Any]]:
        return self.documents["items"]

    @items.setter
    def items(self, items: dict[str, dict[str, Any]]) -> None:
        self.documents["items"] = items

    @property
    def orders(self) -> dict[str, dict[str, Any]]:
        return self.documents["orders"]

    def stop(self) -> None:
        with self.changed:
            self._stopped = True
            self.changed.notify_all()

    def pause(self) -> None:
        with self.changed:
            self.paused = True

    def resume(self) -> None:
        with self.changed:
            self.paused = False
            self.changed.notify_all()

    def accept(self, command: dict[str, Any], key: str | None, if_match: str | None) -> dict[str, Any]:
        with self.changed:
            if key in self.keys:
                return self.jobs[self.keys[key]]
            collection = command.get("collection", "items")
            job_id, item_id = uuid.uuid4().hex, command.get("item_id") or new_id(command)
            at = now()
            links = {"self": f"{BASE}/jobs/{job_id}", "item": f"{BASE}/{collection}/{item_id}"}
            self.jobs[job_id] = {
                "id": job_id, "status": "queued", "done": False, "operation": command["operation"],
                "collection": collection, "item_id": item_id, "attempts": 0, "retries": 0,
                "created_at": at, "updated_at": at, "links": links,
            }  # fmt: skip
            if "not_after" in command:
                self.jobs[job_id]["not_after"] = command["not_after"]
            if "not_before" in command:
                self.jobs[job_id] |= {"not_before": command["not_before"], "status": "scheduled"}
            if key:
                self.keys[key] = job_id
            self._effects[job_id] = lambda: self._apply(command, item_id, if_match or command.get("if_match"))
            if "not_before" not in command:
                self._queue(job_id)
            return self.jobs[job_id]

    def cancel(self, job_id: str) -> dict[str, Any]:
        with self.changed:
            job = self._job(job_id)
            if job["status"] not in {"scheduled", "queued", "cancelled"}:
                raise Refused(409, "It has ended.", "job-ended")
            self.jobs[job_id] = {**job, "status": "cancelled", "done": True}
            return self.jobs[job_id]

    def retry(self, job_id: str, not_after: str | None = None) -> dict[str, Any]:
        with self.changed:
            job = self._job(job_id)
            if job["status"] in {"succeeded", "cancelled"}:
                raise Refused(409, "It has ended.", "job-ended")
            if job["status"] == "failed":
                if job["error"]["type"].endswith(":too-late") and not_after is None:
                    raise Refused(409, "It needs a new time.", "too-late")
                job = job | ({} if not_after is None else {"not_after": not_after})
                again = {name: value for name, value in job.items() if name not in {"error", "dismissed_at"}}
                self.jobs[job_id] = {**again, "status": "queued", "done": False, "retries": job["retries"] + 1}
                self._queue(job_id)
            return self.jobs[job_id]

    def dismiss(self, job_id: str) -> dict[str, Any]:
        with self.changed:
            job = self._job(job_id)
            if job["status"] != "failed":
                raise Refused(409, f"The status of this job is {job['status']}.", "job-not-failed")
            self.jobs[job_id] = {"dismissed_at": now(), **job}
            return self.jobs[job_id]

    def _job(self, job_id: str) -> dict[str, Any]:
        if job_id not in self.jobs:
            raise Refused(404)
        return self.jobs[job_id]

    def _queue(self, job_id: str) -> None:
        self.pending.setdefault(self.jobs[job_id]["item_id"], deque()).append(job_id)
        self.changed.notify_all()

    def ended(self, job_id: str, seconds: float) -> dict[str, Any]:
        with self.changed:
            self._job(job_id)
            self.changed.wait_for(lambda: self.jobs[job_id]["done"], seconds)
            return dict(self.jobs[job_id])

    def _work(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._stopped or (not self.paused and any(self.pending.values())))
                if self._stopped:
                    return
                item_id = self._random.choice([ref for ref, queue in self.pending.items() if queue])
                job_id = self.pending[item_id].popleft()
                if self.jobs[job_id]["done"]:  # cancelled
                    continue
                end: dict[str, Any]
                try:
                    result = self._effects[job_id]()
                    end = {"status": "succeeded", "result": result, "etag": etag_of(result)}
                except Refused as refused:
                    end = {"status": "failed", "error": refused.problem}
                self.jobs[job_id] = {**self.jobs[job_id], **end, "done": True, "updated_at": now()}
                self.changed.notify_all()
            time.sleep(0.001)  # lets requests overtake, as a worker's own calls would

    def _apply(self, command: dict[str, Any], item_id: str, if_match: str | None) -> dict[str, Any]:
        operation, collection = command["operation"], command.get("collection", "items")
        documents = self.documents[collection]
        item = documents.get(item_id)
        self.applied.append(command)
        if operation == "upsert":
            return self._put(collection, {"id": item_id, **(item or {}), **command["item"]})
        if operation == "create":
            if item is not None:
                raise not_unique("key", item_id)
            return self._put(collection, {"id": item_id, **command["item"]})
        if item is None:
            raise Refused(404)
        if if_match and if_match != etag_of(item):
            raise Refused(412)
        if operation == "delete":
            del documents[item_id]
            return {"message": "deleted"}
        if operation == "update":
            changed = {**item, **command["set"]} if "set" in command else _merged(item, command["merge"])
            return self._put(collection, changed)
        if operation == "ship":
            if item.get("status") != "paid":
                raise Refused(409, "Only a paid order can be shipped.", "orders:not-paid")
            return self._put(collection, {**item, "status": "shipped", "carrier": command["carrier"]})
        return item

    def _put(self, collection: str, item: dict[str, Any]) -> dict[str, Any]:
        for field in {"items": ("name",), "orders": ("invoice",)}[collection]:
            for other in self.documents[collection].values():
                if field in item and other.get(field) == item[field] and other["id"] != item["id"]:
                    raise Refused(409) if collection == "items" else not_unique(field, other["id"])
        self.documents[collection][item["id"]] = item
        return item


def new_id(command: dict[str, Any]) -> str:
    """The id of a new document, which derives from the key if its collection has one."""
    number = command["item"].get("number") if command.get("collection") == "orders" else None
    return str(uuid.uuid4()) if number is None else str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def not_unique(field: str, existing: str) -> Refused:
    pointer = "#/number" if field == "key" else f"#/{field}"
    refused = Refused(409, "Another document has this value.", "not-unique")
    refused.problem |= {"errors": [{"pointer": pointer, "detail": "taken"}], "existing": existing}
    return refused


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
