"""One request to one answer: a session per thread, retries of what is transient, problems as errors."""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_attempt,
    stop_any,
    stop_before_delay,
    stop_when_event_set,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from jobpipe_client import json_text
from jobpipe_client.exceptions import (
    BadAnswer,
    ConfigurationError,
    ProblemError,
    TimedOut,
    TransportError,
    Unreachable,
    error_for,
)
from jobpipe_client.problem import Problem

if TYPE_CHECKING:
    from jobpipe_client.calls import Call
    from jobpipe_client.settings import Connection

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
LONGEST_RETRY_AFTER = 30.0  # seconds; who is asked to stay away for longer is told at once
_BACKOFF = wait_random_exponential(multiplier=0.2, max=5)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    query: Mapping[str, Any] | None = None


class Transport:
    """Sends requests to one deployment. Safe to share between threads."""

    def __init__(self, connection: Connection, *, timeout: float, retries: int, pool_size: int) -> None:
        parts = urlsplit(connection.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(f"{connection.base_url!r} is not an http(s) URL")
        if not connection.api_key or not (connection.api_key.isascii() and connection.api_key.isprintable()):
            raise ConfigurationError("the API key is empty or has characters that no header can hold")
        self.base_url = connection.base_url.rstrip("/")
        self._origin = (parts.scheme, parts.netloc)
        self._loopback = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        self.api_key = connection.api_key
        self._timeout = timeout
        self.attempts = retries + 1  # of one request
        self._pool_size = pool_size
        self._thread = threading.local()
        self._sessions: weakref.WeakSet[requests.Session] = weakref.WeakSet()
        self._lock = threading.Lock()

    def get(self, path: str, query: Mapping[str, Any] | None = None, **how: Any) -> requests.Response:
        """The answer to a GET of a path or of an absolute URL of the same origin."""
        return self._retried(_Request("GET", self._url(path), query=query), **how)

    def send(self, call: Call, headers: Mapping[str, str] | None = None, **how: Any) -> requests.Response:
        """The answer to a write, sent again with the same key while its failure is transient."""
        merged = {**call.headers, **(headers or {})}
        return self._retried(_Request(call.method, self._url(call.path), merged, call.body), **how)

    def resolve(self, response: requests.Response, link: str) -> str:
        """The URL of a link in an answer; BadAnswer if it leads away from the deployment, with the key."""
        url = urljoin(response.url, link)
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != self._origin:
            raise BadAnswer(f"the answer links to another host: {url}")
        return url

    def close(self) -> None:
        """Closes the connections of all threads."""
        with self._lock:
            for session in list(self._sessions):
                session.close()

    def _url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else self.base_url + path

    def _retried(
        self,
        request: _Request,
        *,
        wait: int = 0,
        deadline: float | None = None,
        stopped: threading.Event | None = None,
    ) -> requests.Response:
        """`wait` is how long the service may hold the answer back.

        After `deadline`, and once `stopped` is set, nothing is retried.
        """
        remaining = math.inf if deadline is None else max(0.0, deadline - time.monotonic())
        stopped = stopped or threading.Event()
        retrying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_any(
                stop_after_attempt(self.attempts),
                stop_before_delay(remaining),
                stop_when_event_set(stopped),
                _AskedToStayAway(),
            ),
            sleep=sleep_using_event(stopped),
            wait=lambda state: (_asked_pause(state) or 0.0) + _BACKOFF(state),
            reraise=True,
        )

        def attempt() -> requests.Response:
            if stopped.is_set():
                raise TransportError("given up")
            patience = self._timeout + wait
            if deadline is not None:  # one second of grace for an answer that uses all of its `wait`
                patience = min(patience, max(0.0, deadline - time.monotonic()) + 1)
            return self._once(request, patience)

        return retrying(attempt)

    def _once(self, request: _Request, patience: float) -> requests.Response:
        try:
            response = self._session().request(
                request.method,
                request.url,
                params=request.query,
                data=request.body,
                headers=request.headers,
                timeout=(min(self._timeout, patience), patience),
                allow_redirects=False,  # a redirect would take the key along to wherever it points
            )
        except requests.Timeout as error:
            raise TimedOut(f"no answer from {self.base_url} within {patience:g} s") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            raise Unreachable(f"{self.base_url} cannot be reached: {_root_cause(error)}") from error
        except requests.RequestException as error:
            raise TransportError(f"{request.method} {request.url} cannot be sent: {error}") from error
        if response.ok and not response.is_redirect:
            return response
        if response.status_code < 400:  # noqa: PLR2004
            raise BadAnswer(
                f"{request.method} {request.url} was redirected; the base URL is not the deployment's own"
            )
        problem = Problem.of(_said(response), status=response.status_code, title=response.reason or "")
        ended = "Preference-Applied" in response.headers  # it was waited for, and this is its answer
        raise error_for(problem, retry_after=retry_after(response), ended=ended)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._thread, "session", None)
        if session is None:
            session = requests.Session()
            session.headers.update({"x-api-key": self.api_key, "User-Agent": "jobpipe-client"})
            session.trust_env = not self._loopback  # no proxy can reach this machine's own loopback
            adapter = HTTPAdapter(pool_connections=1, pool_maxsize=self._pool_size)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._thread.session = session
            with self._lock:
                self._sessions.add(session)
        return session


def document(response: requests.Response) -> Any:
    """The JSON of an answer, its numbers exactly as they are; BadAnswer if it is none."""
    try:
        return json_text.decode(response.content)
    except ValueError as error:
        raise BadAnswer(f"{response.url} answered {response.status_code} with something else than JSON") from error


def retry_after(response: requests.Response) -> float | None:
    """The seconds of a Retry-After header, which may also be a date; None without a usable one."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
        except ValueError:
            return None
        if then.tzinfo is None:
            then = then.replace(tzinfo=UTC)
        seconds = (then - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _said(response: requests.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return response.text


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, ProblemError):
        return error.status in TRANSIENT_STATUSES
    # A certificate that is not trusted now will not be in a second.
    broken = isinstance(error, Unreachable | TimedOut)
    return broken and not isinstance(error.__cause__, requests.exceptions.SSLError)


def _asked_pause(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ProblemError) else None


class _AskedToStayAway(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        return (_asked_pause(retry_state) or 0.0) > LONGEST_RETRY_AFTER


def _root_cause(error: BaseException) -> str:
    """What the operating system said, out of the layers that requests and urllib3 wrap around it."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or seen.__cause__ or (seen.args[0] if seen.args else None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return str(seen).rsplit(": ", 1)[-1] or type(seen).__name__
