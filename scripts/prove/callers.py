"""Sends requests as a careful caller does: with an Idempotency-Key, and again after 429, 5xx and lost responses."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import requests
import tenacity
from requests.adapters import HTTPAdapter

from jobpipe_client.environment import http_settings
from scripts.prove.expenses import ACCEPT, BATCH, GET, JOB, POLL, Tally

NO_ANSWER = 0
OK, ACCEPTED, THROTTLED, SERVER_ERROR = 200, 202, 429, 500
_CLIENT_ERROR, _NOT_FOUND = 400, 404
_TIMEOUT = 35.0  # seconds, longer than API Gateway's
_PATIENCE = 90.0  # seconds for which a request is repeated
_LONGEST_PAUSE = 15.0
_HOLD = 10  # seconds for which the service may delay the response to a poll
_DROPPED_AFTER = 0.001  # seconds until the connection of a dropped request is closed
_BACKOFF = tenacity.wait_random_exponential(multiplier=0.2, max=5)

Json = Mapping[str, Any]


class StoppedError(Exception):
    """The run was interrupted, so no more requests are sent."""


class OutOfTimeError(Exception):
    """The time of a check is over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a status, or NO_ANSWER, and the JSON of the body. The times are from time.perf_counter."""

    status: int
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    @property
    def problem(self) -> str:
        """The last part of the type of a problem document, or an empty string."""
        kind = self.document.get("type") if isinstance(self.document, dict) else None
        return kind.rpartition(":")[2] if isinstance(kind, str) else ""

    def __str__(self) -> str:
        if self.status == NO_ANSWER:
            return "no answer"
        return f"{self.status} {self.problem}".rstrip()


class UnexpectedAnswerError(Exception):
    """The stage did not respond as it should."""

    def __init__(self, what: str, answer: Answer | None = None) -> None:
        super().__init__(what, answer)  # pickle and copy call the class with these
        # An outage or an exceeded limit says nothing about a promise, but the refusal of a valid request does.
        status = NO_ANSWER if answer is None else answer.status
        self.is_refusal = _CLIENT_ERROR <= status < SERVER_ERROR and status != THROTTLED

    def __str__(self) -> str:
        what, answer = self.args
        return str(what) if answer is None else f"{what}: {answer}"


@dataclass
class Pace:
    """Limits what all threads send to `rate` commands a second, so that the stage's limits are kept."""

    rate: float
    _next: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self, stopped: threading.Event, commands: int = 1) -> None:
        """Wait until this number of commands may be sent."""
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + commands / self.rate
        stopped.wait(max(0.0, at - time.monotonic()))


@dataclass
class Shared:
    """The state that all callers of a run share."""

    base_url: str
    pace: Pace
    tally: Tally = field(default_factory=Tally)
    stopped: threading.Event = field(default_factory=threading.Event)


class Caller:
    """Sends requests with an owner's key; threads may share it."""

    def __init__(self, shared: Shared, api_key: str | None, connections: int = 16) -> None:
        self._shared = shared
        self._session = http_settings(shared.base_url).new_session()
        self._session.headers.clear()
        self._session.headers["User-Agent"] = "jobpipe-prove"
        if api_key is not None:
            self._session.headers["x-api-key"] = api_key
        self._session.mount(shared.base_url, HTTPAdapter(pool_maxsize=connections))

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        kind: str,
        key: str = "",
        raw: bytes | None = None,
        timeout: tuple[float, float] = (10.0, _TIMEOUT),
    ) -> Answer:
        """Send a request and return the response; raise StoppedError if the run was interrupted."""
        if self._shared.stopped.is_set():
            raise StoppedError
        body = raw if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Idempotency-Key"] = key
        self._shared.tally.add(kind)
        url, began = self._shared.base_url + path, time.perf_counter()
        try:
            response = self._session.request(
                method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            )
        except requests.RequestException:
            return Answer(NO_ANSWER, began=began, ended=time.perf_counter())
        ended = time.perf_counter()
        if response.status_code == THROTTLED:
            self._shared.tally.add_throttled()
        return Answer(response.status_code, _json(response.content), response.headers, began, ended)

    def ask(self, method: str, path: str, document: Any = None, *, kind: str, key: str = "") -> Answer:
        """Send a request, and repeat it after a 429, a 5xx or a lost response; return the last response.

        A write needs a key, so that it takes effect once.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_result(_is_transient),
            stop=tenacity.stop_any(
                tenacity.stop_after_delay(_PATIENCE), tenacity.stop_when_event_set(self._shared.stopped)
            ),
            sleep=tenacity.sleep_using_event(self._shared.stopped),
            wait=lambda state: _asked_pause(state) + _BACKOFF(state),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else Answer(NO_ANSWER),
        )
        answer: Answer = retrying(self.send, method, path, document, kind=kind, key=key)
        return answer

    def drop(self, path: str, document: Json, key: str) -> Answer:
        """Send a write, and close the connection at once, so that the response is almost always lost."""
        return self.send("POST", path, document, kind=ACCEPT, key=key, timeout=(10.0, _DROPPED_AFTER))

    def submit(self, command: Json, key: str = "", *, at_once: bool = False) -> Json:
        """Queue a command, and return its job; `at_once` ignores the pace of the run."""
        if not at_once:
            self._shared.pace.wait(self._shared.stopped)
        return self._accepted(self.ask("POST", "/jobs", command, kind=ACCEPT, key=key or new_key()), 1)

    def submit_batch(self, commands: Sequence[Json], key: str = "") -> list[Json]:
        """Queue commands with one request, and return their jobs. Entries that were not queued are sent again."""
        self._shared.pace.wait(self._shared.stopped, len(commands))
        key, until = key or new_key(), time.monotonic() + _PATIENCE
        while True:
            answer = self.ask("POST", "/batches", {"commands": commands}, kind=BATCH, key=key)
            entries = self._accepted(answer, len(commands))["entries"]
            if all("job" in entry for entry in entries):
                return [entry["job"] for entry in entries]
            if time.monotonic() > until:
                raise UnexpectedAnswerError("commands of a batch were not queued")
            self._shared.stopped.wait(1)

    def job(self, job_id: str, hold: int = 0) -> Json:
        """Return the job; the service may delay the response until the job has ended."""
        answer = self.ask("GET", f"/jobs/{job_id}" + (f"?wait={hold}" if hold else ""), kind=POLL)
        return checked(answer, OK, "a job could not be read")

    def wait(self, job_id: str, deadline: float) -> Json:
        """Return the job when it has ended, or as it is at the deadline, a time of time.monotonic."""
        while True:
            job = self.job(job_id, hold=_HOLD)
            if job["done"] or time.monotonic() >= deadline:
                return job
            self._shared.stopped.wait(1)

    def item(self, item_id: str) -> tuple[Json, str]:
        """Return the item and its ETag, which are empty if there is no such item."""
        answer = self.ask("GET", f"/items/{item_id}", kind=GET)
        if answer.status == _NOT_FOUND:
            return {}, ""
        return checked(answer, OK, "an item could not be read"), answer.headers.get("ETag", "")

    def _accepted(self, answer: Answer, jobs: int) -> Json:
        found = checked(answer, ACCEPTED, "a command was not accepted")
        self._shared.tally.add(JOB, jobs)
        return found


def checked(answer: Answer, status: int, why: str) -> Json:
    """Return the JSON object of a response with this status; raise UnexpectedAnswerError for any other."""
    if answer.status != status:
        raise UnexpectedAnswerError(why, answer)
    if not isinstance(answer.document, dict):
        raise UnexpectedAnswerError(f"{why}: the response is not a JSON object")
    return answer.document


def new_key() -> str:
    """Return a new Idempotency-Key."""
    return f"prove-{uuid.uuid4().hex}"


def stage_time(text: str) -> datetime:
    """Parse a time in a response."""
    return datetime.fromisoformat(text)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _is_transient(answer: Answer) -> bool:
    return answer.status in {NO_ANSWER, THROTTLED} or answer.status >= SERVER_ERROR


def _asked_pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds that Retry-After asks for."""
    answer = state.outcome.result() if state.outcome else None
    text = answer.headers.get("Retry-After", "") if answer else ""
    return min(float(text), _LONGEST_PAUSE) if text.isdigit() else 0.0
