"""The HTTP contract on a loopback port, in memory, for the tests of the client."""

import copy
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from tests.client.batches import NotTaken
from tests.client.orders import CONTRACT
from tests.client.service_state import BASE, Refused, ServiceState, etag_of, moment
from tests.client.webhooks import WebhooksOfService

KEY = "the-key"


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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # with socketserver's 5 a burst of new connections waits a second for its SYN


class Service(ServiceState):
    """A running service. `canned` answers are sent first, and `seen` has every request."""

    def __init__(self, *, seed: int = 1) -> None:
        super().__init__(seed=seed)
        self.canned: deque[Canned] = deque()
        self.seen: list[Seen] = []
        self.connections: set[Any] = set()  # the client's address of each
        self.contract = copy.deepcopy(CONTRACT)
        self.webhooks: WebhooksOfService | None = WebhooksOfService()  # None without Events=on
        self.building = False  # whether the index of orders is not ready
        self.silent_for = 0.0  # seconds before each answer
        self.outage: Callable[[Seen], Canned | None] = lambda _: None  # what is answered instead
        self.role = "operator"  # of the key
        self.job_lists = True  # whether there is a list of all jobs
        self.clock_ahead = 0.0  # seconds, of the Date header
        service = self

        class Handler(_Handler):
            owner = service

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{BASE}"
        threading.Thread(target=lambda: self._server.serve_forever(0.005), daemon=True).start()

    def stop(self) -> None:
        super().stop()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    owner: Service

    def log_message(self, *_: Any) -> None: ...

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string((timestamp or time.time()) + self.owner.clock_ahead)

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
        canned = self.owner.canned.popleft() if self.owner.canned else self.owner.outage(seen)
        if canned and not canned.after_effect:
            self._answer(canned)
            return
        try:
            answer = self._route(seen, body)
        except NotTaken as refused:
            answer = Canned(refused.status, {}, refused.problem)
        self._answer(canned or answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815

    def _route(self, seen: Seen, body: bytes) -> Canned:  # noqa: C901, PLR0911, PLR0912
        owner = self.owner
        if seen.path == "/stats" and self.owner.role == "writer":
            raise Refused(
                403, "The role of this key, writer, does not allow this request: it needs an operator's key."
            )
        if seen.path == "/stats":
            waiting = sum(map(len, self.owner.pending.values()))
            queue = {"waiting": waiting, "in_flight": 0, "delayed": 0, "oldest_seconds": None}
            at = datetime.now(UTC).isoformat()
            return Canned(
                200,
                {},
                {
                    "at": at,
                    "queue": queue,
                    "paused_at": owner.paused_at,
                    "dead_letters": 0,
                    "parked": 0,
                    "scheduled": owner.scheduled,
                },
            )
        if seen.path == "/health":
            return Canned(200, {}, {"status": "ok", "version": "1"})
        if seen.path == "/openapi.json":
            return Canned(200, {}, owner.contract)
        if seen.headers.get("x-api-key") != KEY:
            raise Refused(403)
        kind, _, raw = seen.path.strip("/").partition("/")
        name = unquote(raw)
        wait = float(seen.query.get("wait", ["0"])[0])
        if kind == "webhooks":
            return self._webhooks(seen, [unquote(part) for part in raw.split("/") if part])
        if kind in owner.documents:
            return self._documents(seen, kind, *raw.split("/", 1))
        match seen.method, kind, bool(name):
            case "GET", "jobs", True:
                job = owner.ended(name, wait)
                return Canned(200, {} if job["done"] else {"Retry-After": "0.05"}, job)
            case "GET", "jobs", False:
                return self._jobs(seen)
            case "DELETE", "jobs", True:
                return Canned(200, {}, owner.cancel(name))
            case "POST", "jobs", True if name.endswith("/dismiss"):
                return Canned(200, {}, owner.dismiss(name.removesuffix("/dismiss")))
            case "POST", "jobs", True:
                job = owner.retry(name.removesuffix("/retry"), **(seen.body or {}))
                return Canned(202, {"Retry-After": "0.05"}, job)
            case "POST", "batches", False:
                with owner.batches.counted():
                    batch = owner.batches.submit(body, seen.headers.get("idempotency-key"))
                    return Canned(202, {"Retry-After": "0.05"}, batch)
            case "DELETE", "batches", True:
                return Canned(200, {}, owner.batches.change(name, owner.cancel, {"queued", "failed", "succeeded"}))
            case "POST", "batches", True:
                batch_id = name.removesuffix("/retry")
                return Canned(202, {"Retry-After": "0.05"}, owner.batches.change(batch_id, owner.retry, {"failed"}))
            case "GET", "batches", True:
                found = owner.batches.find(name)
                if found is None:
                    raise Refused(404)
                return Canned(200, {} if found["done"] else {"Retry-After": "0.05"}, found)
            case "POST", "jobs", False:
                return self._accept(seen, seen.body)
        raise Refused(404)

    def _jobs(self, seen: Seen) -> Canned:
        if not self.owner.job_lists and "status" not in seen.query:
            raise Refused(409, "It needs JobLists=on.", "job-list-off")
        statuses = seen.query.get("status")
        since, until = (seen.query.get(name, [edge])[0] for name, edge in (("since", "0"), ("until", "9")))
        found = [
            job
            for job in reversed(list(self.owner.jobs.values()))
            if (not statuses or (job["status"] in statuses and "dismissed_at" not in job))
            and moment(since) <= moment(job["created_at"]) < moment(until)
        ]
        if statuses in (["failed"], ["retrying"]):  # the last that failed or was interrupted first
            found.sort(key=lambda job: moment(job["updated_at"]), reverse=True)
        limit, start = int(seen.query.get("limit", [str(len(found))])[0]), int(seen.query.get("cursor", ["0"])[0])
        query = urlencode({**{name: each[0] for name, each in seen.query.items()}, "cursor": start + limit})
        more = {"Link": f'<jobs?{query}>; rel="next"'} if start + limit < len(found) else {}
        return Canned(200, more, found[start : start + limit])

    def _webhooks(self, seen: Seen, path: list[str]) -> Canned:  # noqa: C901, PLR0911
        webhooks, key = self.owner.webhooks, seen.headers.get("idempotency-key")
        if webhooks is None:
            raise Refused(409, "It needs Events=on.", "events-off")
        match seen.method, path:
            case "POST", []:
                made = webhooks.create(seen.body, key)
                return Canned(201, {"Location": f"webhooks/{made['id']}"}, made)
            case "GET", []:
                return Canned(200, {}, [webhooks.shown(each) for each in webhooks.rows])
            case "GET", [webhook_id]:
                return Canned(200, {}, webhooks.shown(webhook_id))
            case "PATCH", [webhook_id]:
                return Canned(200, {}, webhooks.change(webhook_id, seen.body))
            case "DELETE", [webhook_id]:
                return Canned(200, {}, webhooks.delete(webhook_id))
            case "POST", [webhook_id, "rotate"]:
                return Canned(200, {}, webhooks.rotate(webhook_id, key))
            case "POST", [webhook_id, "test"]:
                return Canned(202, {}, webhooks.test(webhook_id))
            case "POST", [webhook_id, "replay"]:
                return Canned(202, {}, webhooks.replay(webhook_id, seen.body))
            case "POST", [webhook_id, "deliveries", event, "replay"]:
                return Canned(202, {}, webhooks.replay(webhook_id, {"event": event}))
            case "GET", [webhook_id, "deliveries"]:
                webhooks.shown(webhook_id)
                limit, start = int(seen.query.get("limit", ["2"])[0]), int(seen.query.get("cursor", ["0"])[0])
                of_job = f"-{seen.query.get('job', [''])[0]}"
                found = [each for each in webhooks.deliveries[webhook_id] if of_job in each["event"]]
                following = f"deliveries?limit={limit}&cursor={start + limit}"
                more = {"Link": f'<{following}>; rel="next"'} if start + limit < len(found) else {}
                return Canned(200, more, found[start : start + limit])
        raise Refused(404)

    def _documents(self, seen: Seen, collection: str, item: str, operation: str | None = None) -> Canned:  # noqa: PLR0911
        name = unquote(item)
        of = {} if collection == "items" else {"collection": collection}
        documents = self.owner.documents[collection]
        match seen.method, bool(name), operation is not None:
            case "GET", True, False:
                if name not in documents:
                    raise Refused(404)
                return Canned(200, {"ETag": etag_of(documents[name])}, documents[name])
            case "GET", False, _:
                return self._page(seen, collection)
            case "POST", False, _:
                return self._accept(seen, {"operation": "create", **of, "item": seen.body})
            case "PUT", True, False:
                return self._accept(seen, {"operation": "update", **of, "item_id": name, "set": seen.body})
            case "PATCH", True, False:
                return self._accept(seen, {"operation": "update", **of, "item_id": name, "merge": seen.body})
            case "DELETE", True, False:
                return self._accept(seen, {"operation": "delete", **of, "item_id": name})
            case "POST", True, True:
                if operation == "ship" and collection == "orders":
                    return self._accept(seen, {"operation": operation, **of, "item_id": name, **seen.body})
        raise Refused(404)

    def _page(self, seen: Seen, collection: str) -> Canned:
        limit, start = int(seen.query.get("limit", ["2"])[0]), int(seen.query.get("cursor", ["0"])[0])
        items = list(self.owner.documents[collection].values())
        query = f"limit={limit}&cursor={start + limit}"
        for field in seen.query.keys() - {"limit", "cursor"}:
            if field not in {"items": (), "orders": ("number", "invoice", "customer")}[collection]:
                raise Refused(400)
            if field == "customer" and self.owner.building:
                raise Refused(409, "The index is being built.", "index-building")
            (value,) = seen.query[field]
            items = [each for each in items if str(each.get(field)) == value]
            query += "&" + urlencode({field: value})
        more = start + limit < len(items)
        link = {"Link": f'<{collection}?{query}>; rel="next"'} if more else {}
        page = items[start : start + limit]
        lost = [item["id"] for item in page if item["id"] in self.owner.lost]
        named = {"Unreadable-Items": ", ".join(lost)} if lost else {}
        return Canned(200, {**link, **named}, [item for item in page if item["id"] not in lost])

    def _accept(self, seen: Seen, command: dict[str, Any]) -> Canned:
        required = {"number"} if command.get("collection") == "orders" else {"name", "description"}
        if command["operation"] in {"create", "upsert"} and not required <= command["item"].keys():
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
