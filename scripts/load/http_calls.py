"""One request of a caller. No retries and no redirects: what is measured is what was answered."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_auth_from_url, select_proxy
from urllib3.exceptions import HTTPError

from jobpipe_client.environment import http_settings

NO_ANSWER = 0
PATIENCE = 35.0  # seconds: API Gateway gives up before

CREATED, ACCEPTED = 201, 202


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, NO_ANSWER if there was none, and the JSON that came with it."""

    status: int
    document: Any
    began: float  # time.perf_counter
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class HttpCalls:
    """Requests to one stage, over connections that stay open. Safe to share between threads."""

    def __init__(self, base_url: str, api_key: str, connections: int = 1) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"x-api-key": api_key, "User-Agent": "jobpipe-load"}
        self._pool = _pool(self._base_url, connections)

    def request(
        self, method: str, path: str, document: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """The answer, timed from the first byte sent to the last one read."""
        body = None if document is None else json.dumps(document).encode()
        sent = {**self._headers, **({"Content-Type": "application/json"} if body else {}), **(headers or {})}
        began = time.perf_counter()
        try:
            response = self._pool.request(
                method, self._base_url + path, body=body, headers=sent, redirect=False, retries=False
            )
        except HTTPError:
            return Answer(NO_ANSWER, None, began, time.perf_counter())
        ended = time.perf_counter()
        return Answer(response.status, _json(response.data), began, ended)

    def close(self) -> None:
        """Closes what is open."""
        self._pool.clear()


def _pool(url: str, connections: int) -> urllib3.PoolManager:
    """A pool of connections with the client's proxy and certificates."""
    settings = http_settings(url)
    proxy = select_proxy(url, dict(settings.proxies))
    verify = DEFAULT_CA_BUNDLE_PATH if settings.verify is True else str(settings.verify)
    store = "ca_cert_dir" if Path(verify).is_dir() else "ca_certs"
    options: dict[str, Any] = {"maxsize": connections, "retries": False, "timeout": PATIENCE, store: verify}
    if proxy is None:
        return urllib3.PoolManager(**options)
    user, password = get_auth_from_url(proxy)
    headers = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
    return urllib3.ProxyManager(proxy if "://" in proxy else f"http://{proxy}", proxy_headers=headers, **options)


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None
