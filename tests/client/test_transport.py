"""Retries, redirects, and the arguments that a request cannot have."""

import time
from email.utils import formatdate

import pytest
import requests
from tenacity import wait_random_exponential

from jobpipe_client import (
    Client,
    ConfigurationError,
    InternalError,
    InvalidResponse,
    RequestTimeout,
    TooManyRequests,
    Unavailable,
    Unreachable,
)
from jobpipe_client.http import transport
from jobpipe_client.http.responses import parse_retry_after
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_BACKOFF", wait_random_exponential(multiplier=0.01))


TENT = {"name": "Tent", "description": "For two"}


@pytest.mark.parametrize(
    "fault",
    [
        Canned(0),
        Canned(0, after_effect=True),
        Canned(429, {}, {"message": "Too Many Requests"}),
        Canned(500, {"Retry-After": "0.01"}, {"type": "urn:jobpipe:problem:internal-error"}),  # of the gateway
        Canned(502, {}, "bad gateway"),
        Canned(503, {}, problem(503, "unavailable")),
        Canned(504, {}, problem(504, "timeout"), after_effect=True),
    ],
)
def test_a_transient_fault_is_retried_with_the_same_key(client: Client, service: Service, fault: Canned) -> None:
    service.canned.append(fault)
    job = client.wait(client.create(TENT))
    assert job.succeeded
    writes = [s for s in service.seen if s.method == "POST"]
    assert len(writes) == 2
    assert writes[0].headers["idempotency-key"] == writes[1].headers["idempotency-key"]
    assert len(service.items) == 1


def test_a_fault_of_the_service_is_raised_at_once(client: Client, service: Service) -> None:
    service.canned.append(Canned(500, {}, problem(500, "internal-error")))
    with pytest.raises(InternalError):
        client.create(TENT)
    assert len(service.seen) == 1


def test_retry_after_is_honoured(client: Client, service: Service) -> None:
    service.canned.append(Canned(429, {"Retry-After": "0.4"}, problem(429, "too-many-requests")))
    started = time.monotonic()
    client.create(TENT)
    assert time.monotonic() - started >= 0.4


def test_a_long_retry_after_is_raised_at_once(client: Client, service: Service) -> None:
    service.canned.append(Canned(429, {"Retry-After": "3600"}, problem(429, "too-many-requests")))
    with pytest.raises(TooManyRequests) as caught:
        client.create(TENT)
    assert caught.value.retry_after == 3600
    assert len(service.seen) == 1


def test_retries_are_bounded(service: Service) -> None:
    service.canned.extend([Canned(503, {}, problem(503, "unavailable"))] * 9)
    with pytest.raises(Unavailable):
        Client(service.url, KEY, retries=2).create(TENT)
    assert len(service.seen) == 3


def test_a_fault_of_the_service_is_not_retried(client: Client, service: Service) -> None:
    service.canned.append(Canned(500, {}, problem(500, "internal-error")))
    with pytest.raises(InternalError):
        client.create(TENT)
    assert len(service.seen) == 1


def test_no_answer_in_time_raises_request_timeout(client: Client, service: Service) -> None:
    service.pause()
    job = client.create(TENT)
    with pytest.raises(RequestTimeout, match=r"within 0\.1 s"):  # held back for longer than announced
        Client(service.url, KEY, request_timeout=0.1, retries=0).transport.get(f"/jobs/{job.id}", {"wait": 1})
    assert not client.job(job.id).done


def test_a_refused_connection_raises_unreachable(service: Service) -> None:
    service.stop()
    with pytest.raises(Unreachable, match=f"{service.url} cannot be reached: Connection refused"):
        Client(service.url, KEY, retries=0).health()


def test_a_redirect_is_not_followed(client: Client, service: Service) -> None:
    service.canned.append(Canned(302, {"Location": "http://127.0.0.1:1/"}))
    with pytest.raises(InvalidResponse, match="redirected"):
        client.health()


@pytest.mark.parametrize("url", ["", "localhost:4566", "ftp://x/", "http://"])
def test_an_unusable_url(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        Client(url, KEY)


@pytest.mark.parametrize("key", ["", "a\nb", "ключ"])
def test_an_unusable_key(key: str) -> None:
    with pytest.raises(ConfigurationError, match="key"):
        Client("http://localhost", key)


@pytest.mark.parametrize("item_id", ["", ".", ".."])
def test_an_id_that_changes_the_path_is_refused(client: Client, item_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be an id"):
        client.delete(item_id)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256, "a\r\nX-Other: 1"])
def test_an_unusable_idempotency_key(client: Client, key: str) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        client.create(TENT, idempotency_key=key)


@pytest.mark.parametrize("etag", ["", " ", '"ü"', '"a"\r\nX-Other: 1'])
def test_an_unusable_precondition(client: Client, etag: str) -> None:
    with pytest.raises(ValueError, match="if_match"):
        client.delete("x", if_match=etag)


def test_a_list_of_etags_is_a_precondition(client: Client, service: Service) -> None:
    client.delete("x", if_match='"a", "b"')
    assert service.seen[0].headers["if-match"] == '"a", "b"'


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [(None, None, None), ("2", 2, 2), ("-1", 0, 0), ("nan", None, None), ("soon", None, None), ("", None, None)],
)
def test_retry_after_in_seconds(value: str | None, low: float | None, high: float | None) -> None:
    response = requests.Response()
    if value is not None:
        response.headers["Retry-After"] = value
    assert parse_retry_after(response) in {low, high}


def test_retry_after_as_a_date() -> None:
    response = requests.Response()
    response.headers["Retry-After"] = formatdate(time.time() + 10, usegmt=True)
    seconds = parse_retry_after(response)
    assert seconds is not None
    assert 8 < seconds <= 10
