"""One request to one answer: a session per thread, retries of what is transient, problems as errors."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

import requests
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

from jobpipe_client import http_errors, json_text
from jobpipe_client.environment import check_key, check_url, http_settings
from jobpipe_client.exceptions import BadAnswer, ConfigurationError, ProblemError, TransportError, error_for
from jobpipe_client.problem import Problem
from jobpipe_client.sessions import Sessions

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
    """Sends requests to one deployment. Safe to share between threads, and across a fork."""

    def __init__(self, connection: Connection, *, timeout: float, retries: int, pool_size: int) -> None:
        # Neither value is quoted: the URL may have a password, or the key may be in its place.
        why = _unusable(check_url, connection.base_url)
        if why is not None:
            raise ConfigurationError(f"the base URL cannot be used: {why}")
        why = _unusable(check_key, connection.api_key)
        if why is not None:
            raise ConfigurationError(f"the API key cannot be used: {why}")
        self.base_url = connection.base_url.rstrip("/")
        self.api_key = connection.api_key
        parts = urlsplit(self.base_url)
        self._origin = (parts.scheme, parts.netloc)
        self._timeout = timeout
        self.attempts = retries + 1  # of one request
        headers = {"x-api-key": self.api_key, "User-Agent": "jobpipe-client"}
        self._sessions = Sessions(http_settings(self.base_url), headers, pool_size=pool_size)

    def __reduce__(self) -> NoReturn:
        # A pickle would carry the key to a task queue's broker or a cache.
        raise TypeError("a client cannot be pickled, since it has an API key: create one in each process, or fork")

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
            raise BadAnswer(f"the answer links to another host: {parts.scheme}://{parts.hostname}")
        return url

    def close(self) -> None:
        """Closes the connections of all threads."""
        self._sessions.close()

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
        session = self._sessions.current()
        try:
            response = session.request(
                request.method,
                request.url,
                params=request.query,
                data=request.body,
                headers=request.headers,
                timeout=(min(self._timeout, patience), patience),
                allow_redirects=False,  # a redirect would take the key along to wherever it points
            )
        except http_errors.LIBRARY_ERRORS as error:
            failure = http_errors.failure(error, self.base_url, patience)
        else:
            return self._answered(request, response)
        raise failure  # outside the except clause, so that the library's error is not its context

    def _answered(self, request: _Request, response: requests.Response) -> requests.Response:
        if response.ok and not response.is_redirect:
            return response
        if response.status_code < 400:  # noqa: PLR2004
            raise BadAnswer(
                f"{request.method} {request.url} was redirected; the base URL is not the deployment's own"
            )
        title = self._without_key(response.reason or "")
        problem = Problem.of(self._refusal(response), status=response.status_code, title=title)
        ended = "Preference-Applied" in response.headers  # it was waited for, and this is its answer
        raise error_for(problem, retry_after=retry_after(response), ended=ended)

    def _refusal(self, response: requests.Response) -> object:
        """The body of a refusal, without the key, which an intermediary may have quoted."""
        text = self._without_key(response.content.decode("utf-8", "replace"))
        try:
            return json_text.decode(text)
        except ValueError:
            return text

    def _without_key(self, text: str) -> str:
        for key in (self.api_key, json.dumps(self.api_key)[1:-1]):
            text = text.replace(key, "<the API key>")
        return text


def _unusable(check: Callable[[object], str], value: object) -> str | None:
    try:
        check(value)
    except ValueError as error:
        return str(error)
    return None


def document(response: requests.Response) -> Any:
    """The JSON of an answer, its numbers exactly as they are; BadAnswer if it is none."""
    try:
        return json_text.decode(response.content)
    except ValueError:
        pass  # its error quotes the body
    raise BadAnswer(f"{response.url} answered {response.status_code} with something else than JSON")


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


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, ProblemError):
        return error.status in TRANSIENT_STATUSES
    return isinstance(error, TransportError) and error.is_transient


def _asked_pause(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ProblemError) else None


class _AskedToStayAway(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        return (_asked_pause(retry_state) or 0.0) > LONGEST_RETRY_AFTER
