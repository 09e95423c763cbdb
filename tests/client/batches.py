"""Batches of the in-memory service: refusals of a whole batch, entries, replays by key, unqueued commands."""

import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

Command = dict[str, Any]
Entry = dict[str, Any]
STATUSES = ("scheduled", "queued", "retrying", "succeeded", "failed", "cancelled", "expired", "refused")
MAX_BODY = 1024 * 1024
# Digits of a number: with more, the service cannot read the body.
_TOO_LONG = re.compile(rb"[0-9]{39,}")


class NotTaken(Exception):
    """Raised to answer the whole request with this status and document."""

    def __init__(self, status: int, slug: str, detail: str, errors: list[dict[str, str]] | None = None) -> None:
        self.status = status
        self.problem = problem(status, slug, detail, **({"errors": errors} if errors else {}))


def problem(status: int, slug: str, detail: str, **more: Any) -> dict[str, Any]:
    kind = f"urn:jobpipe:problem:{slug}"
    return {"type": kind, "title": slug, "status": status, "detail": detail, **more}


class Batches:
    """The batches of a service. `accept` makes a job of a command, once for each key, and `jobs` has the jobs."""

    def __init__(self, accept: Callable[[Command, str | None], Entry], jobs: dict[str, Entry]) -> None:
        self._accept = accept
        self._jobs = jobs
        self._lock = threading.Lock()
        self._ids: dict[str, tuple[str, bytes]] = {}  # by their keys, each with the body of its request
        self._batches: dict[str, Entry] = {}
        self.cannot_queue: Callable[[Command], bool] = lambda _: False
        self.not_queued = (503, "unavailable")  # the problem of a command that is not queued
        self.knows_names = True  # as older services do not
        self.open = threading.Event()  # while it is not set, no request is answered
        self.open.set()
        self.under_way = 0
        self.most_under_way = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            self.open.wait(10)
            yield
        finally:
            with self._lock:
                self.under_way -= 1

    def submit(self, body: bytes, key: str | None) -> Entry:
        if len(body) > MAX_BODY:
            raise NotTaken(413, "too-large", "A body must have at most 1048576 bytes.")
        if _TOO_LONG.search(body):
            raise NotTaken(400, "invalid-request", "A number has more than 38 significant digits.")
        commands, name = (found := json.loads(body))["commands"], found.get("name")
        if name is not None and not self.knows_names:
            detail = "A batch must not have a member 'name'."
            raise NotTaken(400, "invalid-request", detail, [{"pointer": "#", "detail": detail}])
        if not 1 <= len(commands) <= 100:
            raise NotTaken(400, "invalid-request", "A batch needs commands, an array of 1 to 100.")
        refused = {place: why for place, command in enumerate(commands) if (why := _error(place, command))}
        if len(refused) == len(commands):
            raise NotTaken(400, "invalid-request", "None of the commands is valid.", list(refused.values()))
        with self._lock:
            batch_id, earlier = self._ids.get(key or "", (f"batch-{uuid.uuid4().hex}", body))
            if earlier != body:
                raise NotTaken(
                    422, "idempotency-key-reused", "This Idempotency-Key came before with another batch."
                )
            if key:
                self._ids[key] = batch_id, body
        entries = self._queued(batch_id, commands, refused)
        if all(each.get("problem", {}).get("status") == 503 for each in entries):
            raise NotTaken(503, "unavailable", "Nothing could be queued.")
        self._batches[batch_id] = {
            "created_at": datetime.now(UTC).isoformat(),
            **({"idempotency_key": key} if key else {}),
            **({"name": name} if name else {}),
            "entries": [{"job_id": e["job"]["id"]} if "job" in e else e for e in entries],
        }
        return self._document(batch_id, entries)

    def forget(self) -> None:
        """Forget all batches, as a newly deployed stage."""
        self._batches.clear()

    def find(self, batch_id: str) -> Entry | None:
        """Return the batch with the current state of its jobs. A job that no longer exists has expired."""
        if batch_id not in self._batches:
            return None
        entries: list[Entry] = []
        for entry in self._batches[batch_id]["entries"]:
            if "problem" in entry:
                entries.append(entry)
            elif entry["job_id"] in self._jobs:
                entries.append({"job": self._jobs[entry["job_id"]]})
            else:
                entries.append({"problem": problem(404, "not-found", "The job has expired.")})
        return self._document(batch_id, entries)

    def change(self, batch_id: str, change: Callable[[str], Entry], statuses: set[str]) -> Entry:
        """Call a function for each job that has one of these statuses; the entry has the problem that it raises."""
        before = self.find(batch_id)
        if before is None:
            raise NotTaken(404, "not-found", "There is no such batch.")
        problems: dict[int, Any] = {}
        for place, entry in enumerate(before["entries"]):
            if "job" in entry and entry["job"]["status"] in statuses:
                try:
                    change(entry["job"]["id"])
                except NotTaken as refused:
                    problems[place] = refused.problem
        after = self.find(batch_id)
        assert after is not None
        for place, why in problems.items():
            after["entries"][place]["unchanged"] = why
        return after

    def _queued(self, batch_id: str, commands: list[Command], refused: dict[int, dict[str, str]]) -> list[Entry]:
        entries: list[Entry] = []
        stopped: set[str] = set()
        for place, command in enumerate(commands):
            if place in refused:
                why = refused[place]
                entries.append({"problem": problem(400, "invalid-request", why["detail"], errors=[why])})
                continue
            item_id = command.get("item_id")
            if item_id in stopped or self.cannot_queue(command):
                stopped |= {item_id} if item_id else set()
                entries.append({"problem": problem(*self.not_queued, "It could not be queued.")})
                continue
            job = self._accept(command, f"{batch_id}:{place}")
            job["links"]["batch"] = f"/batches/{batch_id}"
            entries.append({"job": job})
            time.sleep(0)  # let other requests run
        return entries

    def _document(self, batch_id: str, entries: list[Entry]) -> Entry:
        counts = Counter(dict.fromkeys(STATUSES, 0))
        shown: list[Entry] = []
        for entry in entries:
            if "problem" in entry:
                counts["expired" if entry["problem"]["status"] == 404 else "refused"] += 1
                shown.append(entry)
            else:
                counts[entry["job"]["status"]] += 1
                shown.append({"job": {name: value for name, value in entry["job"].items() if name != "result"}})
        batch = self._batches[batch_id]
        return {
            "id": batch_id,
            "done": not any(counts[each] for each in ("scheduled", "queued", "retrying")),
            "size": len(entries),
            "counts": counts,
            **{name: batch[name] for name in ("created_at", "idempotency_key", "name") if name in batch},
            "entries": shown,
        }


def _error(place: int, command: Any) -> dict[str, str] | None:
    """Return the reason for which a command is refused, if it is."""
    operation = command.get("operation") if isinstance(command, dict) else None
    if isinstance(command, dict) and command.get("collection", "items") != "items":
        return _error_in_orders(place, command)
    if operation not in {"create", "read", "update", "delete"}:
        return {"pointer": f"#/commands/{place}/operation", "detail": "There is no such operation."}
    if operation == "create" and not {"name", "description"} <= command.get("item", {}).keys():
        return {"pointer": f"#/commands/{place}/item/name", "detail": "An item needs a name."}
    if operation != "create" and not command.get("item_id"):
        return {"pointer": f"#/commands/{place}", "detail": "item_id is needed."}
    return None


def _error_in_orders(place: int, command: Any) -> dict[str, str] | None:
    if command["collection"] != "orders":
        return {"pointer": f"#/commands/{place}/collection", "detail": "There is no such collection."}
    if command["operation"] not in {"create", "upsert", "read", "update", "delete", "ship"}:
        return {"pointer": f"#/commands/{place}/operation", "detail": "There is no such operation."}
    if command["operation"] in {"create", "upsert"}:
        if "number" not in command.get("item", {}):
            return {"pointer": f"#/commands/{place}/item/number", "detail": "An order needs a number."}
    elif not command.get("item_id"):
        return {"pointer": f"#/commands/{place}/item_id", "detail": "item_id is needed."}
    return None
