"""A small service with collections, whose commands take effect at once.

It serves the console and what the page asks for. The collections are those of shop.json.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from jsonschema import Draft202012Validator

from api_lambda.chalicelib.console.page import headers, page
from api_lambda.chalicelib.contract.openapi import document_text
from jobpipe.domain import json_text

KEY = "alice" + "0" * 32
READER = "bobR" + "0" * 32
COLLECTIONS = Path(__file__).with_name("shop.json").read_text(encoding="utf-8")
STATS: dict[str, Any] = {
    "queue": {"waiting": 0, "delayed": 0, "in_flight": 0, "oldest_seconds": 0},
    "dead_letters": 0,
    "parked": 0,
}
PROBLEM = "urn:jobpipe:problem:"

Document = dict[str, Any]


class Refusal(Exception):
    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.problem = {"type": PROBLEM + kind, "title": kind, "status": status, "detail": detail, **more}


@dataclass
class Shop:
    """The documents and jobs, and the requests that change something."""

    collections: dict[str, Any] = field(default_factory=lambda: json.loads(COLLECTIONS, parse_float=Decimal))
    documents: dict[str, dict[str, Document]] = field(default_factory=lambda: {"orders": {}, "subscriptions": {}})
    jobs: dict[str, Document] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)  # job ids by idempotency keys
    writes: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, body
    scheduled: int = 0  # as /stats says
    paused_at: str | None = None  # when the stage was paused
    job_lists: bool = True  # whether it lists all jobs
    deployment: Any = None

    def add(self, collection: str, document: Document) -> str:
        """Store a document, and return its id."""
        key = self.collections[collection]["key"]
        name = f"{collection}-{document[key]}" if key else uuid.uuid4().hex
        self.documents[collection][name] = document
        return name

    def openapi(self) -> str:
        served = json.loads(document_text(timedelta(days=30)))
        listed = json.loads(COLLECTIONS)
        for name, each in listed.items():
            served["components"]["schemas"][name.title()] = each["schema"]
            each["schema"] = {"$ref": f"#/components/schemas/{name.title()}"}
        served["x-jobpipe-collections"] = {"items": {"title": "Item", "key": None, "unique": ["name"]}, **listed}
        return json.dumps(served)

    def answer(self, method: str, target: str, body: str, sent: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Return the status, the body and further headers of the answer; raise Refusal."""
        parts = urlsplit(target)
        path = [unquote(each) for each in parts.path.strip("/").split("/")]
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if sent.get("x-api-key") not in {KEY, READER}:
            raise Refusal(403, "forbidden", "The key is not valid.")
        if sent["x-api-key"] == READER and (method != "GET" or path == ["stats"]):
            raise Refusal(403, "forbidden", "The role of this key, reader, does not allow this request.")
        if method != "GET":
            self.writes.append((method, target, body))
        if method != "GET":
            return 202, json_text.encode(self._accept(method, path, body, sent)), {}
        if path == ["jobs"]:
            return self._listed(query)
        if path[0] in self.collections:
            return self._page(path[0], query) if len(path) == 1 else self._document(*path)
        answers: dict[str, Callable[[], Any]] = {
            "stats": lambda: {**STATS, "at": _now(), "paused_at": self.paused_at, "scheduled": self.scheduled},
            "items": list,
            "jobs": lambda: self._ended(path[1]),
            "webhooks": list,
            "batches": lambda: self._batch(path[1]),
        }
        return 200, json_text.encode(answers[path[0]]()), {}

    def _listed(self, query: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Return a page of jobs, the newest first."""
        if "status" not in query and not self.job_lists:
            raise Refusal(409, "job-list-off", "This stage keeps no list of all jobs.")
        since, until = query.get("since", ""), query.get("until", "9")
        jobs = [
            {name: job[name] for name in job.keys() - {"end", "result"}}
            for job in reversed(self.jobs.values())
            if query.get("status") in {None, job["status"]} and since <= job["created_at"] < until
        ]
        return 200, *_some(jobs, "jobs", query)

    def _batch(self, name: str) -> Document:
        """Return a batch that has every job."""
        entries = [{"job": self._ended(each)} for each in self.jobs]
        counts = Counter(entry["job"]["status"] for entry in entries)
        return {"id": name, "done": True, "size": len(entries), "counts": counts, "entries": entries}

    def _document(self, collection: str, name: str) -> tuple[int, str, dict[str, str]]:
        document = self._find(collection, name)
        return 200, json_text.encode({"id": name, **document}), {"ETag": _etag(document)}

    def _page(self, collection: str, query: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        everything = [{"id": name, **each} for name, each in self.documents[collection].items()]
        field_names = set(query) - {"limit", "cursor"}
        for name in field_names:
            everything = [each for each in everything if str(each.get(name)) == query[name]]
        return 200, *_some(everything, collection, query)

    def _find(self, collection: str, name: str) -> Document:
        if name not in self.documents[collection]:
            raise Refusal(404, "not-found", "There is no document with this id.")
        return self.documents[collection][name]

    def _accept(self, method: str, path: list[str], body: str, sent: dict[str, str]) -> Document:
        command = json.loads(body, parse_float=Decimal) if body else {}
        if path == ["jobs"]:
            operation, collection = command.pop("operation"), command.pop("collection")
            name, given = command.get("item_id"), command.get("item", {})
        else:
            collection, name = path[0], path[1] if len(path) > 1 else None
            operation = (
                path[2]
                if len(path) > 2
                else {"POST": "create", "PUT": "set", "PATCH": "merge"}.get(method, "delete")
            )
            given = command
        known = self.keys.get(sent.get("idempotency-key", ""))
        if known:
            return self.jobs[known]
        if operation in {"create", "upsert"}:
            self._check(collection, given, "#/item" if operation == "upsert" else "#")
        elif operation in self.collections[collection]["operations"]:
            takes = self.collections[collection]["operations"][operation]
            members = {**takes["takes"], **takes["optional"]}
            _validate({"type": "object", "required": [*takes["takes"]], "properties": members}, given, "#")
        job_id = uuid.uuid4().hex
        self.keys[sent.get("idempotency-key", "")] = job_id
        self.jobs[job_id] = job = {
            "id": job_id,
            "operation": operation,
            "collection": collection,
            "item_id": name or "",
            "status": "queued",
            "done": False,
            "attempts": 0,
            "retries": 0,
            "created_at": _now(),
            "updated_at": _now(),
        }
        try:
            changed = self._run(operation, collection, name, given, sent.get("if-match"))
            end = {"status": "succeeded", "result": changed, "item_id": name or changed["id"]}
        except Refusal as refusal:
            end = {"status": "failed", "error": refusal.problem, "item_id": name or "none"}
        job["item_id"] = end["item_id"]
        job["end"] = {**end, "done": True, "attempts": 1}
        return {each: value for each, value in job.items() if each != "end"}

    def _ended(self, name: str) -> Document:
        if name not in self.jobs:
            raise Refusal(404, "not-found", "There is no job with this id.")
        job = self.jobs[name]
        job.update(job.pop("end", {}))
        return job

    def _run(
        self, operation: str, collection: str, name: str | None, given: Document, if_match: str | None
    ) -> Document:
        before = self._find(collection, name) if name else {}
        if name and if_match not in {None, _etag(before)}:
            raise Refusal(412, "version-mismatch", "The document has changed meanwhile.")
        if operation == "delete":
            del self.documents[collection][str(name)]
            return {"message": "Deleted"}
        if operation == "ship" and before["status"] != "paid":
            raise Refusal(409, "orders:not-paid", "Only a paid order can be shipped.")
        by_operation: dict[str, Document] = {
            "ship": {"carrier": given.get("carrier"), "status": "shipped"},
            "cancel": {"note": "cancelled"},
            "pause": {"paused": given.get("until")},
            "read": {},
        }
        changes = by_operation.get(operation, given)
        after = _merge(before, changes) if operation == "merge" else {**before, **changes}
        self._check(collection, after, "#")
        for unique in self.collections[collection]["unique"]:
            for other, each in self.documents[collection].items():
                if other != name and after.get(unique) is not None and each.get(unique) == after[unique]:
                    errors = [
                        {"pointer": f"#/{unique}", "detail": f"Another document has the {unique} {after[unique]}."}
                    ]
                    raise Refusal(409, "not-unique", errors[0]["detail"], errors=errors, existing=other)
        name = name or self.add(collection, after)
        self.documents[collection][name] = after
        return {"id": name, **after}

    def _check(self, collection: str, document: Document, place: str) -> None:
        _validate(self.collections[collection]["schema"], document, place)


def _validate(schema: Any, document: Document, place: str) -> None:
    found = [
        {
            "pointer": "/".join([place, *map(str, each.absolute_path)]),
            "detail": re.sub(
                "^'(.*)' is (a required property|a dependency of).*", r"`\1` is required.", each.message
            ),
        }
        for each in Draft202012Validator(schema).iter_errors(document)
    ]
    if found:
        raise Refusal(400, "invalid-request", "The document does not fit its schema.", errors=found)


def _merge(before: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


def _some(everything: list[Document], path: str, query: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Return the text of the page that the query asks for, and the header with the next one."""
    start, limit = int(query.get("cursor", 0)), int(query.get("limit", 100))
    following = urlencode({**query, "cursor": start + limit})
    more = {"Link": f'<{path}?{following}>; rel="next"'} if start + limit < len(everything) else {}
    return json_text.encode(everything[start : start + limit]), more


def _etag(document: Document) -> str:
    return f'"{uuid.uuid5(uuid.NAMESPACE_OID, json_text.encode(document)).hex[:8]}"'


def _now() -> str:
    return re.sub(r"\+00:00$", "Z", datetime.now(UTC).isoformat(timespec="milliseconds"))


@contextmanager
def serving(shop: Shop) -> Iterator[None]:
    """Serve the shop during the block, and set its deployment."""
    lock = Lock()
    pages = {
        "/console": ("text/html; charset=utf-8", page(), headers()),
        "/openapi.json": ("application/json", shop.openapi(), {}),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path in pages and self.command == "GET":
                kind, text, more = pages[self.path]
                return self._send(200, kind, text, more)
            sent = {name.lower(): value for name, value in self.headers.items()}
            try:
                with lock:
                    status, text, more = shop.answer(self.command, self.path, body, sent)
                self._send(status, "application/json", text, more)
            except Refusal as refusal:
                self._send(refusal.problem["status"], "application/problem+json", json.dumps(refusal.problem), {})

        def _send(self, status: int, kind: str, text: str, more: dict[str, str]) -> None:
            sent = text.encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(sent)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: Any) -> None:
            pass

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{method}", Handler.do_GET)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    shop.deployment = SimpleNamespace(base_url=f"http://127.0.0.1:{server.server_port}", api_key=KEY)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
