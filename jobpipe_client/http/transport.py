"""Sending requests, with retries after transient failures, and an exception for every problem response."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
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
    wait_exponential,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from jobpipe_client import json_text
from jobpipe_client.calls import Call
from jobpipe_client.environment import check_key, check_url, http_settings
from jobpipe_client.exceptions import ConfigurationError, InvalidResponse, ProblemError, TransportError, error_for
from jobpipe_client.http import http_errors
from jobpipe_client.http.responses import parse_date, parse_retry_after
from jobpipe_client.http.sessions import Sessions
from jobpipe_client.problem import Problem

if TYPE_CHECKING:
    from jobpipe_client.settings import Connection

TRANSIENT_STATUSES = frozenset({429, 502, 503, 504})
_SERVER_ERROR = 500
LONGEST_RETRY_AFTER = 30.0  # seconds; an error with a longer Retry-After is raised at once
_DATE_PRECISION = timedelta(seconds=1.5)  # the Date header has whole seconds
# Half of each pause is fixed, so that four retries take at least 1.5 s and outlast a restart of the service.
_BACKOFF = wait_exponential(multiplier=0.1, max=2.5) + wait_random_exponential(multiplier=0.1, max=2.5)


class Transport:
    """Sends requests to one deployment. Safe to share between threads, and across a fork.

    `get` and `send` raise ProblemError, TransportError or InvalidResponse, and take these options:

    - `hold`: the seconds for which the service may delay its response, in addition to `request_timeout`
    - `deadline`: the time (`time.monotonic()`) after which nothing is retried
    - `stopped`: an event; once it is set, nothing is sent again
    """

    def __init__(self, connection: Connection, *, request_timeout: float, retries: int, pool_size: int) -> None:
        # The message quotes neither value: the URL may contain a password, or be the API key by mistake.
        checks = (("base URL", check_url, connection.base_url), ("API key", check_key, connection.api_key))
        for what, check, value in checks:
            if why := _validation_error(check, value):
                raise ConfigurationError(f"the {what} cannot be used: {why}")
        self.base_url = connection.base_url.rstrip("/")
        self.api_key = connection.api_key
        parts = urlsplit(self.base_url)
        self._origin = (parts.scheme, parts.netloc)
        self._request_timeout = request_timeout
        self.attempts = retries + 1  # for each request
        self._clock_lead = timedelta()  # how far this machine's clock is ahead of the service's clock
        headers = {"x-api-key": self.api_key, "User-Agent": "jobpipe-client"}
        self._sessions = Sessions(http_settings(self.base_url), headers, pool_size=pool_size)

    def __reduce__(self) -> NoReturn:
        # A pickle would store the key in a task queue's broker or a cache.
        raise TypeError("a client cannot be pickled, since it has an API key: create one in each process, or fork")

    def get(self, path: str, query: Mapping[str, Any] | None = None, **options: Any) -> requests.Response:
        """Return the response to a GET of a path or of an absolute URL of the same origin."""
        return self._send_with_retries(Call("GET", path, {}), query, **options)

    def send(self, call: Call, headers: Mapping[str, str] | None = None, **options: Any) -> requests.Response:
        """Return the response to a write, which is retried with the same idempotency key."""
        call = replace(call, headers={**call.headers, **(headers or {})})
        return self._send_with_retries(call, None, **options)

    def resolve(self, response: requests.Response, link: str) -> str:
        """Return the URL of a link in a response. Raise InvalidResponse if the link leads to another host."""
        url = urljoin(response.url, link)
        parts = urlsplit(url)
        if (parts.scheme, parts.netloc) != self._origin:
            raise InvalidResponse(f"the response links to another host: {parts.scheme}://{parts.hostname}")
        return url

    def service_time(self) -> datetime:
        """Return the current time by the service's clock, as estimated from its responses."""
        return datetime.now(UTC) - self._clock_lead

    def close(self) -> None:
        """Close the connections of all threads."""
        self._sessions.close()

    def _send_with_retries(
        self,
        call: Call,
        query: Mapping[str, Any] | None,
        *,
        hold: int = 0,
        deadline: float = math.inf,
        stopped: threading.Event | None = None,
    ) -> requests.Response:
        stopped = stopped or threading.Event()
        retrying = Retrying(
            retry=retry_if_exception(is_transient),
            stop=stop_any(
                stop_after_attempt(self.attempts),
                stop_before_delay(max(0.0, deadline - time.monotonic())),
                stop_when_event_set(stopped),
                _StopAtLongRetryAfter(),
            ),
            sleep=sleep_using_event(stopped),
            wait=lambda state: (_retry_after_of(state) or 0.0) + _BACKOFF(state),
            reraise=True,
        )

        def attempt() -> requests.Response:
            if stopped.is_set():
                raise TransportError("the request was abandoned")
            # One second after the deadline, for a response that the service delays until the deadline.
            timeout = min(self._request_timeout + hold, max(0.0, deadline - time.monotonic()) + 1)
            return self._send_once(call, query, timeout)

        return retrying(attempt)

    def _send_once(self, call: Call, query: Mapping[str, Any] | None, timeout: float) -> requests.Response:
        url = call.path if call.path.startswith(("http://", "https://")) else self.base_url + call.path
        session = self._sessions.current()
        try:
            response = session.request(
                call.method,
                url,
                params=query,
                data=call.body,
                headers=call.headers,
                timeout=(min(self._request_timeout, timeout), timeout),
                allow_redirects=False,  # a redirect would send the key to another host
            )
        except http_errors.LIBRARY_ERRORS as error:
            failure = http_errors.transport_error(error, self.base_url, timeout)
        else:
            self._note_time(response)
            return self._check(response)
        raise failure  # outside the except clause, so that the library's error is not its context

    def _note_time(self, response: requests.Response) -> None:
        date = parse_date(response)
        if date is not None and abs(self.service_time() - date) > _DATE_PRECISION:
            self._clock_lead = datetime.now(UTC) - date

    def _check(self, response: requests.Response) -> requests.Response:
        """Return a successful response. For any other response, raise the error that it describes."""
        if response.ok and not response.is_redirect:
            return response
        if response.status_code < 400:  # noqa: PLR2004
            raise InvalidResponse(f"{response.url} was redirected: the base URL is not the deployment's URL")
        title = self._remove_key(response.reason or "")
        problem = Problem.of(self._problem_document(response), status=response.status_code, title=title)
        ended = "Preference-Applied" in response.headers  # the request waited for its job, which ended with this
        raise error_for(problem, retry_after=parse_retry_after(response), ended=ended)

    def _problem_document(self, response: requests.Response) -> object:
        """Return the body as JSON or text, without the API key, which a proxy or gateway may have quoted."""
        text = self._remove_key(response.content.decode("utf-8", "replace"))
        try:
            return json_text.decode(text)
        except ValueError:
            return text

    def _remove_key(self, text: str) -> str:
        for key in (self.api_key, json.dumps(self.api_key)[1:-1]):
            text = text.replace(key, "<the API key>")
        return text


def _validation_error(check: Callable[[object], str], value: object) -> str | None:
    try:
        check(value)
    except ValueError as error:
        return str(error)
    return None


def is_transient(error: BaseException) -> bool:
    """Return whether the client sends a request again after this error."""
    if isinstance(error, ProblemError):
        # If Lambda had no free execution, API Gateway responds with a 500 and Retry-After.
        is_throttled = error.status == _SERVER_ERROR and error.retry_after is not None
        return error.status in TRANSIENT_STATUSES or is_throttled
    return isinstance(error, TransportError) and error.is_transient


def _retry_after_of(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.retry_after if isinstance(error, ProblemError) else None


class _StopAtLongRetryAfter(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        return (_retry_after_of(retry_state) or 0.0) > LONGEST_RETRY_AFTER
