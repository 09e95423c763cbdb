"""Timed requests without retries and redirects, so that every response is measured."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from jobpipe_client.environment import http_settings

NO_ANSWER = 0
CREATED, ACCEPTED = 201, 202
_TIMEOUT = 35.0  # seconds, longer than API Gateway's


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: a status, or NO_ANSWER, and the JSON of the body. The times are from time.perf_counter."""

    status: int
    document: Any
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class HttpCalls:
    """Sends requests to a stage over open connections; threads may share it."""

    def __init__(self, base_url: str, api_key: str, connections: int = 1) -> None:
        self._base_url = base_url.rstrip("/")
        self._session = http_settings(self._base_url).new_session()
        self._session.headers.clear()
        self._session.headers.update({"x-api-key": api_key, "User-Agent": "jobpipe-load"})
        self._session.mount(self._base_url, HTTPAdapter(pool_maxsize=connections))

    def request(
        self, method: str, path: str, document: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Return the response, timed from the start of the request to the last byte of the body."""
        body = None if document is None else json.dumps(document).encode()
        sent = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}
        began = time.perf_counter()
        try:
            response = self._session.request(
                method, self._base_url + path, data=body, headers=sent, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException:
            return Answer(NO_ANSWER, None, began, time.perf_counter())
        ended = time.perf_counter()
        try:
            found = json.loads(response.content)
        except ValueError:
            found = None
        return Answer(response.status_code, found, began, ended)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
