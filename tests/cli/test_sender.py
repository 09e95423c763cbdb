"""An import sends on few connections, and makes the pauses that the service asks for."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.running import INTERRUPTED, started, until
from tests.client.service import Canned, Seen, Service
from tests.client.service_state import problem

THROTTLED = Canned(429, {"Retry-After": "0.05"}, problem(429, "too-many-requests"))
FAR = Canned(503, {"Retry-After": "31"}, problem(503, "unavailable"))


def unanswered(status: int) -> Canned:
    return Canned(status, {}, problem(503, "unavailable"))


def write(path: Path, n: int) -> None:
    path.write_text("".join(json.dumps({"name": f"N{each}", "description": "d"}) + "\n" for each in range(n)))


def keys(service: Service) -> set[str]:
    return {
        seen.headers["idempotency-key"].partition("-")[2][24:] for seen in service.seen if seen.method == "POST"
    }


def test_batches_share_connections_and_their_keys_are_numbered(jobpipe: Jobpipe, service: Service) -> None:
    write(Path("a.jsonl"), 60)
    jobpipe.does("import", "a.jsonl", "--batch-size", "2", "--concurrency", "2")
    assert keys(service) == {f"-{number}-0" for number in range(30)}
    assert len(service.connections) <= 2


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._JITTER", 0.0)


@pytest.mark.usefixtures("_at_once")
def test_the_import_makes_requested_pauses_and_reports_the_first(jobpipe: Jobpipe, service: Service) -> None:
    """The pauses are more than the retries of a request."""
    write(Path("a.jsonl"), 20)
    service.canned.extend([THROTTLED] * 60)
    done = jobpipe("import", "a.jsonl", "--batch-size", "10")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("20 rows: 20 succeeded")
    assert len(done.stderr.splitlines()) == 1
    assert "asks for pauses (429 too-many-requests" in done.stderr
    assert len(service.items) == 20


@pytest.mark.usefixtures("_at_once")
def test_the_import_makes_requested_pauses_while_it_polls(jobpipe: Jobpipe, service: Service) -> None:
    write(Path("a.jsonl"), 3)
    real = service.batches.find

    def find(batch_id: str) -> Any:
        service.batches.find = real  # type: ignore[method-assign]
        service.canned.extend([THROTTLED] * 20)
        return real(batch_id)

    service.pause()
    service.batches.find = find  # type: ignore[method-assign]
    with_pause = jobpipe_in_background(jobpipe)
    until(lambda: not service.canned and len(service.seen) > 20)
    service.resume()
    assert with_pause().startswith("3 rows: 3 succeeded")


def jobpipe_in_background(jobpipe: Jobpipe) -> Any:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    pool = ThreadPoolExecutor(1)
    running = pool.submit(jobpipe.does, "import", "a.jsonl")
    return lambda: running.result(30)


@pytest.mark.usefixtures("_at_once")
def test_a_503_without_retry_after_ends_the_import(jobpipe: Jobpipe, service: Service) -> None:
    write(Path("a.jsonl"), 1)
    service.canned.extend([Canned(503, {}, problem(503, "unavailable"))] * 5)
    assert "503 unavailable" in jobpipe.fails(1, "import", "a.jsonl")


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("status", [0, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_an_outage_in_the_middle_does_not_end_the_import(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch, method: str, status: int
) -> None:
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE_PAUSE", 0.02)
    write(Path("a.jsonl"), 40)
    down = iter(range(30))

    def outage(seen: Seen) -> Canned | None:
        is_down = len(service.items) >= 10 and seen.method == method and next(down, None) is not None
        return unanswered(status) if is_down else None

    service.outage = outage
    done = jobpipe("import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("40 rows: 40 succeeded")
    assert not list(down), "the outage was longer than the retries of a request"
    assert len(done.stderr.splitlines()) == 1
    assert "the service does not respond" in done.stderr
    assert len(service.items) == 40


@pytest.mark.usefixtures("_at_once")
def test_an_outage_of_more_than_a_minute_ends_the_import(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE_PAUSE", 0.02)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE", 0.3)
    write(Path("a.jsonl"), 40)
    service.outage = lambda _: unanswered(502) if len(service.items) >= 10 else None
    done = jobpipe("import", "a.jsonl", "--batch-size", "10", "--concurrency", "1")
    assert done.exit_code == 1
    assert "503 unavailable" in done.stderr.splitlines()[-1]
    service.outage = lambda _: None
    assert jobpipe.does("import", "a.jsonl", "--batch-size", "10").startswith("40 rows: 40 succeeded")
    assert len(service.items) == 40


def test_ctrl_c_ends_a_pause(service: Service, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", 1)
    service.canned.extend([THROTTLED] * 5 + [FAR])
    with started(service, "import", str(tmp_path / "a.jsonl")) as running:
        assert running.stderr is not None
        assert "asks for pauses (429 too-many-requests" in running.stderr.readline()
        line = running.stderr.readline()
        assert "asks for pauses (503 unavailable" in line, "a long pause is reported, though a short one was"
        assert "pauses, now for 31 s" in line
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 130
        assert time.monotonic() - began < 5
        assert INTERRUPTED.fullmatch(running.stderr.read().strip())
