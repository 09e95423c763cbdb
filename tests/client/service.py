"""The HTTP contract on a loopback port, in memory, for the tests of the client.

One worker applies the commands, of a random item at each step and each item's in order, so that whatever
passes here relies on the promised order only.
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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tests.client.batches import Batches, NotTaken

KEY = "the-key"
BASE = "/_aws/execute-api/abc/local"
TITLES = {400: "invalid-request", 403: "forbidden", 404: "not-found", 409: "name-taken", 412: "version-mismatch"}


class Canned(NamedTuple):
    """An answer given instead of the service's own; status 0 breaks the connection."""

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012
    body: Any = None
    after_effect: bool = False  # the request takes effect before the answer is lost


class Seen(NamedTuple):
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


class Refused(Exception):
    def __init__(self, status: int, detail: str = "no", slug: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.slug = slug


def problem(status: int, slug: str | None = None, detail: str = "no") -> dict[str, Any]:
    slug = slug or TITLES[status]
    return {
        "type": f"urn:jobpipe:problem:{slug}",
        "title": slug,
        "status": status,
        "detail": detail,
        "request_id": "r",
    }


def etag_of(item: dict[str, Any]) -> str:
    return f'"{hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:16]}"'


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # with socketserver's 5 a burst of new connections waits a second for its SYN


class Service:
    """A running service. `canned` answers are sent first, `seen` has every request, `pause` stops the worker."""

    def __init__(self, *, seed: int = 1) -> None:
        self.canned: deque[Canned] = deque()
        self.seen: list[Seen] = []
        self.connections: set[Any] = set()  # the client's address of each
        self.items: dict[str, dict[str, Any]] = {}
        self.lost: set[str] = set()  # ids of items that cannot be read
        self.jobs: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, str] = {}
        self.pending: dict[str, deque[str]] = {}  # jobs, by their items
        self._effects: dict[str, Callable[[], Any]] = {}
        self.applied: list[dict[str, Any]] = []
        self.paused = False
        self.silent_for = 0.0  # seconds before each answer
        self.changed = threading.Condition()
        self.batches = Batches(lambda command, key: self.accept(command, key, None), self.jobs)
        self._random = random.Random(seed)
        self._stopped = False
        service = self

        class Handler(_Handler):
            owner = service

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{BASE}"
        threading.Thread(target=lambda: self._server.serve_forever(0.005), daemon=True).start()
        threading.Thread(target=self._work, daemon=True).start()

    def stop(self) -> None:
        with self.changed:
            self._stopped = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

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
            job_id, item_id = uuid.uuid4().hex, command.get("item_id") or str(uuid.uuid4())
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            links = {"self": f"{BASE}/jobs/{job_id}", "item": f"{BASE}/items/{item_id}"}
            self.jobs[job_id] = {
                "id": job_id, "status": "queued", "done": False, "operation": command["operation"],
                "item_id": item_id, "attempts": 0, "retries": 0, "created_at": now, "updated_at": now,
                "links": links,
            }  # fmt: skip
            if key:
                self.keys[key] = job_id
            self._effects[job_id] = lambda: self._apply(command, item_id, if_match or command.get("if_match"))
            self._queue(job_id)
            return self.jobs[job_id]

    def cancel(self, job_id: str) -> dict[str, Any]:
        with self.changed:
            job = self._job(job_id)
            if job["status"] not in {"queued", "cancelled"}:
                raise Refused(409, "It has ended.", "job-ended")
            self.jobs[job_id] = {**job, "status": "cancelled", "done": True}
            return self.jobs[job_id]

    def retry(self, job_id: str) -> dict[str, Any]:
        with self.changed:
            job = self._job(job_id)
            if job["status"] in {"succeeded", "cancelled"}:
                raise Refused(409, "It has ended.", "job-ended")
            if job["status"] == "failed":
                again = {name: value for name, value in job.items() if name != "error"}
                self.jobs[job_id] = {**again, "status": "queued", "done": False, "retries": job["retries"] + 1}
                self._queue(job_id)
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
                    end = {"status": "failed", "error": problem(refused.status, refused.slug, refused.detail)}
                self.jobs[job_id] = {**self.jobs[job_id], **end, "done": True}
                self.changed.notify_all()
            time.sleep(0.001)  # lets requests overtake, as a worker's own calls would

    def _apply(self, command: dict[str, Any], item_id: str, if_match: str | None) -> dict[str, Any]:
        operation, item = command["operation"], self.items.get(item_id)
        self.applied.append(command)
        if operation == "create":
            return self._put({"id": item_id, **command["item"]})
        if item is None:
            raise Refused(404)
        if if_match and if_match != etag_of(item):
            raise Refused(412)
        if operation == "delete":
            del self.items[item_id]
            return {"message": "deleted"}
        if operation == "update":
            return self._put({**item, **command["set"]} if "set" in command else _merged(item, command["merge"]))
        return item

    def _put(self, item: dict[str, Any]) -> dict[str, Any]:
        if any(o["name"] == item["name"] and o["id"] != item["id"] for o in self.items.values()):
            raise Refused(409)
        self.items[item["id"]] = item
        return item


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    owner: Service

    def log_message(self, *_: Any) -> None: ...

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(
            self.command,
            parts.path.removeprefix(BASE),
            parse_qs(parts.query),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(body) if body else None,
        )
        self.owner.seen.append(seen)
        self.owner.connections.add(self.client_address)
        time.sleep(self.owner.silent_for)
        canned = self.owner.canned.popleft() if self.owner.canned else None
        if canned and not canned.after_effect:
            self._answer(canned)
            return
        try:
            answer = self._route(seen, body)
        except NotTaken as refused:
            answer = Canned(refused.status, {}, refused.problem)
        except Refused as refused:
            answer = Canned(refused.status, {}, problem(refused.status, refused.slug, refused.detail))
        self._answer(canned or answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _route(self, seen: Seen, body: bytes) -> Canned:  # noqa: C901, PLR0911, PLR0912
        owner = self.owner
        if seen.path == "/stats":
            waiting = sum(map(len, self.owner.pending.values()))
            queue = {"waiting": waiting, "in_flight": 0, "delayed": 0, "oldest_seconds": None}
            at = datetime.now(UTC).isoformat()
            return Canned(200, {}, {"at": at, "queue": queue, "dead_letters": 0, "parked": 0})
        if seen.path == "/health":
            return Canned(200, {}, {"status": "ok", "version": "1"})
        if seen.headers.get("x-api-key") != KEY:
            raise Refused(403)
        kind, _, raw = seen.path.strip("/").partition("/")
        name = unquote(raw)
        wait = float(seen.query.get("wait", ["0"])[0])
        match seen.method, kind, bool(name):
            case "GET", "jobs", True:
                job = owner.ended(name, wait)
                return Canned(200, {} if job["done"] else {"Retry-After": "0.05"}, job)
            case "GET", "jobs", False:
                (status,) = seen.query["status"]
                return Canned(200, {}, [job for job in reversed(owner.jobs.values()) if job["status"] == status])
            case "DELETE", "jobs", True:
                return Canned(200, {}, owner.cancel(name))
            case "POST", "jobs", True:
                return Canned(202, {"Retry-After": "0.05"}, owner.retry(name.removesuffix("/retry")))
            case "GET", "items", True:
                if name not in owner.items:
                    raise Refused(404)
                return Canned(200, {"ETag": etag_of(owner.items[name])}, owner.items[name])
            case "GET", "items", False:
                return self._page(seen)
            case "POST", "batches", False:
                with owner.batches.counted():
                    batch = owner.batches.submit(body, seen.headers.get("idempotency-key"))
                    return Canned(202, {"Retry-After": "0.05"}, batch)
            case "GET", "batches", True:
                found = owner.batches.find(name)
                if found is None:
                    raise Refused(404)
                return Canned(200, {} if found["done"] else {"Retry-After": "0.05"}, found)
            case "POST", "jobs", False:
                return self._accept(seen, seen.body)
            case "POST", "items", False:
                return self._accept(seen, {"operation": "create", "item": seen.body})
            case "PUT", "items", True:
                return self._accept(seen, {"operation": "update", "item_id": name, "set": seen.body})
            case "PATCH", "items", True:
                return self._accept(seen, {"operation": "update", "item_id": name, "merge": seen.body})
            case "DELETE", "items", True:
                return self._accept(seen, {"operation": "delete", "item_id": name})
        raise Refused(404)

    def _page(self, seen: Seen) -> Canned:
        limit, start = int(seen.query.get("limit", ["2"])[0]), int(seen.query.get("cursor", ["0"])[0])
        items = list(self.owner.items.values())
        more = start + limit < len(items)
        link = {"Link": f'<items?limit={limit}&cursor={start + limit}>; rel="next"'} if more else {}
        page = items[start : start + limit]
        lost = [item["id"] for item in page if item["id"] in self.owner.lost]
        named = {"Unreadable-Items": ", ".join(lost)} if lost else {}
        return Canned(200, {**link, **named}, [item for item in page if item["id"] not in lost])

    def _accept(self, seen: Seen, command: dict[str, Any]) -> Canned:
        if command["operation"] == "create" and not {"name", "description"} <= command["item"].keys():
            raise Refused(400)
        job = self.owner.accept(command, seen.headers.get("idempotency-key"), seen.headers.get("if-match"))
        preference = seen.headers.get("prefer", "")
        if preference.startswith("wait="):
            job = self.owner.ended(job["id"], float(preference.removeprefix("wait=")))
            if job["done"]:
                return self._final(job, preference)
        return Canned(202, {"Location": job["links"]["self"], "Retry-After": "0.05"}, job)

    def _final(self, job: dict[str, Any], preference: str) -> Canned:
        applied = {"Preference-Applied": preference}
        if job["status"] == "failed":
            return Canned(job["error"]["status"], applied, job["error"])
        status = 201 if job["operation"] == "create" else 200
        return Canned(status, {**applied, "ETag": job["etag"]}, job["result"])

    def _answer(self, canned: Canned) -> None:
        if canned.status == 0:
            self.close_connection = True
            return
        text = canned.body if isinstance(canned.body, str) else json.dumps(canned.body)
        kind = "application/problem+json" if canned.status >= 400 else "application/json"
        self.send_response(canned.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text)), **canned.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())
