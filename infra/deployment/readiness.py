"""Waits until a stage is healthy, and until the gateway accepts or refuses an API key."""

from collections.abc import Callable

import requests
import tenacity

from infra.cli import http_calls
from infra.errors import OperatorError
from jobpipe_client.http.http_errors import reason

HEALTH_SECONDS = 60
KEY_SECONDS = 60
KEY_RESPONSES = 3  # in a row, since a change of a key reaches the gateway's machines one after the other


def is_healthy(base_url: str) -> bool:
    """Whether the API is healthy now."""
    try:
        return http_calls.get(f"{base_url}/health", timeout=5).ok
    except requests.RequestException:
        return False


def wait_until_healthy(base_url: str) -> None:
    """Wait until GET /health returns 200; raise OperatorError after a minute."""
    url = f"{base_url}/health"
    last = "no response"

    def returns_200() -> bool:
        nonlocal last
        try:
            response = http_calls.get(url, timeout=35)
        except requests.RequestException as error:
            last = reason(error)
            return False
        last = f"{response.status_code} {response.text[:200]}"
        return bool(response.ok)

    if not _becomes_true(returns_200, HEALTH_SECONDS):
        raise OperatorError(f"{url} does not return 200 but {last}")


def wait_for_key(base_url: str, api_key: str, *, accepted: bool, seconds: float = KEY_SECONDS) -> bool:
    """Wait until the gateway accepts the key, or refuses it if not `accepted`. Return whether it did in time.

    One response is not enough, because on AWS a change takes up to a minute to reach all machines.
    """
    return _becomes_true(
        lambda: all(_is_accepted(base_url, api_key) is accepted for _ in range(KEY_RESPONSES)),
        seconds,
    )


def _becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    retrying = tenacity.Retrying(
        wait=tenacity.wait_exponential(multiplier=0.05, max=1),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_result(lambda result: not result),
        retry_error_callback=lambda _: False,
    )
    return bool(retrying(condition))


def _is_accepted(base_url: str, api_key: str) -> bool | None:
    """Whether the gateway accepts the key, on a new connection; None if the response does not tell."""
    url, headers = f"{base_url}/items?limit=1", {"x-api-key": api_key}
    try:
        status = http_calls.get(url, headers=headers, timeout=35, allow_redirects=False).status_code
    except requests.RequestException:
        return None
    if status == requests.codes.forbidden:
        return False
    accepted = requests.codes.ok <= status < requests.codes.multiple_choices
    return True if accepted or status == requests.codes.too_many_requests else None
