"""How `Client.wait` polls a job."""

import threading
import time

import pytest

from jobpipe_client import (
    Client,
    WaitTimeout,
)
from tests.client.service import Canned, Service

TENT = {"name": "Fjällro tent", "description": "For two", "price": 12.95, "stock": {"Łódź": 3, "Lyon": 1}}


def test_wait_returns_as_soon_as_the_job_ends(client: Client, service: Service) -> None:
    service.pause()
    job = client.create(TENT)
    threading.Timer(0.15, service.resume).start()
    started = time.monotonic()
    assert client.wait(job).succeeded
    assert time.monotonic() - started < 1
    polls = [s for s in service.seen if s.path.startswith("/jobs/")]
    assert len(polls) == 1
    assert polls[0].query["wait"] == ["1"]


def test_only_the_first_poll_is_held_back(client: Client, service: Service) -> None:
    """A job that has not ended by then takes longer, and polls are cheaper than held requests."""
    job = client.create(TENT)
    service.canned.extend(Canned(200, {"Retry-After": "0.01"}, job.raw) for _ in range(3))
    assert client.wait(job, long_poll=2).succeeded
    polls = [s for s in service.seen if s.path.startswith("/jobs/")]
    assert [poll.query.get("wait") for poll in polls] == [["2"], None, None, None]


def test_a_poll_that_is_answered_at_once_is_followed_by_the_requested_pause(
    client: Client, service: Service
) -> None:
    """Under a backlog the service answers at once: the client must not poll without a pause."""
    service.pause()
    job = client.create(TENT)
    service.canned.extend(Canned(200, {"Retry-After": "0.2"}, job.raw) for _ in range(50))
    with pytest.raises(WaitTimeout):
        client.wait(job, timeout=1.0)
    polls = [s for s in service.seen if s.path.startswith("/jobs/")]
    assert 2 <= len(polls) <= 6  # one at the deadline


def test_pauses_that_the_service_does_not_ask_for_are_random(
    client: Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else clients that began to wait together would poll together."""
    bounds: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        bounds.append((low, high))
        return low

    monkeypatch.setattr("random.uniform", lowest)
    job = client.create(TENT)
    service.canned.extend(Canned(200, {}, job.raw) for _ in range(8))
    assert client.wait(job).succeeded
    assert bounds == [(0, high) for high in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0)]


def test_wait_without_a_long_poll_polls(client: Client, service: Service) -> None:
    service.pause()
    job = client.create(TENT)
    threading.Timer(0.15, service.resume).start()
    assert client.wait(job, long_poll=0).succeeded
    polls = [s for s in service.seen if s.path.startswith("/jobs/")]
    assert len(polls) > 1
    assert all("wait" not in s.query for s in polls)


def test_wait_honours_retry_after_and_its_own_deadline(client: Client, service: Service) -> None:
    service.pause()
    job = client.create(TENT)
    service.canned.append(Canned(200, {"Retry-After": "9"}, job.raw))
    started = time.monotonic()
    with pytest.raises(WaitTimeout, match="still queued") as caught:
        client.wait(job, timeout=0.3)
    assert 0.25 < time.monotonic() - started < 1
    assert caught.value.job.id == job.id
    assert len(service.seen) == 3  # the create, the first poll, and the last poll at the deadline


def test_an_ended_job_is_not_polled(client: Client, service: Service) -> None:
    ended = client.wait(client.create(TENT))
    before = len(service.seen)
    assert client.wait(ended) is ended
    assert len(service.seen) == before
