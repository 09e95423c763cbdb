"""The HTTP requests of one caller. They are repeated after failures, and every answer is recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import tenacity

from tests.chaos.tally import Tally

REPEATED_STATUSES = {429, 502, 503, 504}
LONGEST = 90.0  # seconds for which a request is repeated
_PROBLEM = "urn:jobpipe:problem:"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its outcome."""

    started: float
    ended: float
    request: str
    outcome: str  # the status, or the name of the exception


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request after which it is not repeated."""

    status: int
    headers: Mapping[str, str]
    document: Any
    sent: float  # when it was sent first
    received: float

    @property
    def problem(self) -> str | None:
        """The last part of the type, if the document is a problem."""
        kind = self.document.get("type", "") if isinstance(self.document, dict) else ""
        return kind.removeprefix(_PROBLEM) if kind.startswith(_PROBLEM) else None


@dataclass
class Record:
    """The requests and answers of all callers."""

    exchanges: list[Exchange] = field(default_factory=list)  # list.append is atomic
    tally: Tally = field(default_factory=Tally)
    unexpected: list[str] = field(default_factory=list)  # answers that no injected fault explains


class Sender:
    """Sends requests with one API key. Threads may share it."""

    def __init__(self, base_url: str, api_key: str, record: Record) -> None:
        self._base_url = base_url
        self.api_key = api_key
        self._record = record
        self._thread = threading.local()

    def send_once(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Send a request once; return its answer, or None if a client would repeat the request."""
        sent = time.monotonic()
        response = self._exchange(method, path, body, headers or {})
        if response is None or response.status_code in REPEATED_STATUSES:
            return None
        return self._answer(response, sent, f"{method} {path}")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        longest: float = LONGEST,
    ) -> Answer | None:
        """Send a request until it is answered; return the answer, or None after `longest` seconds."""
        sent = time.monotonic()
        retrying = tenacity.Retrying(
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
            stop=tenacity.stop_after_delay(longest),
            retry=tenacity.retry_if_result(lambda r: r is None or r.status_code in REPEATED_STATUSES),
            retry_error_callback=lambda _: None,
            before_sleep=lambda _: self._record.tally.add("requests repeated"),
        )
        response = retrying(self._exchange, method, path, body, headers or {})
        return None if response is None else self._answer(response, sent, f"{method} {path}")

    def all_pages(self, path: str) -> set[str]:
        """Return the ids of a list that has several pages."""
        found: set[str] = set()
        next_path: str | None = path
        while next_path is not None:
            answer = self.send("GET", next_path)
            if answer is None or answer.status != 200:
                self.report(f"GET {next_path} was answered {answer and answer.status}")
                break
            found |= {entry["id"] for entry in answer.document}
            link = requests.utils.parse_header_links(answer.headers.get("Link", ""))
            next_path = next((f"/{entry['url']}" for entry in link if entry.get("rel") == "next"), None)
        return found

    def report(self, answer: str) -> None:
        """Record an unexpected answer."""
        self._record.unexpected.append(answer)

    def _answer(self, response: requests.Response, sent: float, request: str) -> Answer:
        received = time.monotonic()
        try:
            document = response.json()
        except ValueError:
            document = None
        answer = Answer(response.status_code, response.headers, document, sent, received)
        if answer.status >= 500 or (answer.status >= 400 and answer.problem is None):
            self._record.unexpected.append(f"{request} was answered {answer.status} {response.text[:300]}")
        return answer

    def _exchange(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> requests.Response | None:
        started = time.monotonic()
        response = None
        try:
            response = self._session().request(
                method, self._base_url + path, json=body, headers=dict(headers), timeout=(5, 40)
            )
            outcome = str(response.status_code)
        except requests.RequestException as error:
            outcome = type(error).__name__
        self._record.exchanges.append(Exchange(started, time.monotonic(), f"{method} {path}", outcome))
        return response

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = self._thread.session = requests.Session()
            session.trust_env = False  # a proxy from the environment cannot reach this machine's loopback
            session.headers["x-api-key"] = self.api_key
        return session
