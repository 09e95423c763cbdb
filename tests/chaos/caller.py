"""One caller's HTTP requests: sent again after failures as a client would, every answer noted."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import tenacity

from tests.chaos.tally import Tally

REPEATED = {429, 502, 503, 504}
PATIENCE = 90.0  # seconds that a request is repeated for
_PROBLEM = "urn:jobpipe:problem:"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it."""

    started: float
    ended: float
    request: str
    outcome: str  # the status, or the exception's name


@dataclass(frozen=True, slots=True)
class Answer:
    """The first answer that was not to be followed by a repetition."""

    status: int
    headers: Mapping[str, str]
    document: Any
    sent: float  # the first time
    received: float

    @property
    def problem(self) -> str | None:
        """The slug of a problem document."""
        kind = self.document.get("type", "") if isinstance(self.document, dict) else ""
        return kind.removeprefix(_PROBLEM) if kind.startswith(_PROBLEM) else None


@dataclass
class Record:
    """What all callers together sent and heard."""

    exchanges: list[Exchange] = field(default_factory=list)  # list.append is atomic
    tally: Tally = field(default_factory=Tally)
    surprises: list[str] = field(default_factory=list)  # answers that no fault of ours explains


class Caller:
    """Requests under one API key. Threads may share it."""

    def __init__(self, base_url: str, api_key: str, record: Record) -> None:
        self._base_url = base_url
        self.api_key = api_key
        self._record = record
        self._thread = threading.local()

    def once(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """The answer to a request that is sent once; None if there was none, or one that tells nothing."""
        sent = time.monotonic()
        response = self._exchange(method, path, body, headers or {})
        if response is None or response.status_code in REPEATED:
            return None
        return self._answer(response, sent, f"{method} {path}")

    def repeated(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        patience: float = PATIENCE,
    ) -> Answer | None:
        """The answer to a request that is sent until there is one; None if there never was."""
        sent = time.monotonic()
        retrying = tenacity.Retrying(
            wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
            stop=tenacity.stop_after_delay(patience),
            retry=tenacity.retry_if_result(lambda r: r is None or r.status_code in REPEATED),
            retry_error_callback=lambda _: None,
            before_sleep=lambda _: self._record.tally.add("requests sent again"),
        )
        response = retrying(self._exchange, method, path, body, headers or {})
        return None if response is None else self._answer(response, sent, f"{method} {path}")

    def all_pages(self, path: str) -> set[str]:
        """The ids in a list that goes over several pages."""
        found: set[str] = set()
        following: str | None = path
        while following is not None:
            answer = self.repeated("GET", following)
            if answer is None or answer.status != 200:
                self.surprise(f"GET {following} was answered {answer and answer.status}")
                break
            found |= {entry["id"] for entry in answer.document}
            link = requests.utils.parse_header_links(answer.headers.get("Link", ""))
            following = next((f"/{entry['url']}" for entry in link if entry.get("rel") == "next"), None)
        return found

    def surprise(self, what: str) -> None:
        """Notes an answer that should not be."""
        self._record.surprises.append(what)

    def _answer(self, response: requests.Response, sent: float, request: str) -> Answer:
        received = time.monotonic()
        try:
            document = response.json()
        except ValueError:
            document = None
        answer = Answer(response.status_code, response.headers, document, sent, received)
        if answer.status >= 500 or (answer.status >= 400 and answer.problem is None):
            self._record.surprises.append(f"{request} was answered {answer.status} {response.text[:300]}")
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
            session.trust_env = False  # no proxy of the environment's can reach this machine's own loopback
            session.headers["x-api-key"] = self.api_key
        return session
