"""When the batches of an import are asked for: in their order, and not while the first of them is unfinished."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jobpipe_client.cli.importing import poll_order
from jobpipe_client.cli.importing.poll_order import PollOrder
from tests.cli.conftest import Jobpipe
from tests.cli.running import until
from tests.client.service import Service


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def order() -> PollOrder:
    return PollOrder(threading.Event())


def test_a_batch_is_asked_for_when_those_before_it_have_ended(order: PollOrder, pool: ThreadPoolExecutor) -> None:
    for number in range(3):
        order.begin(number)
    order.wait(0)
    waits = [pool.submit(order.wait, number) for number in (1, 2)]
    assert not any(each.done() for each in waits)
    order.end(0)
    waits[0].result(10)
    assert not waits[1].done()
    order.end(1)
    waits[1].result(10)


def test_a_batch_does_not_wait_for_one_that_takes_long(order: PollOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one before may have a job that is tried again for hours."""
    monkeypatch.setattr(poll_order, "_PATIENCE", 0.01)
    order.begin(0)
    order.begin(1)
    order.wait(1)


def test_an_import_that_stops_waits_for_nothing(order: PollOrder, pool: ThreadPoolExecutor) -> None:
    order.begin(0)
    order.begin(1)
    order.stopped.set()
    order.wait(1)


def test_an_import_polls_no_batch_while_the_first_is_unfinished(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poll_order, "_PATIENCE", 600.0)
    Path("a.jsonl").write_text("".join(json.dumps({"name": f"N{n}", "description": "d"}) + "\n" for n in range(8)))
    service.pause()
    with ThreadPoolExecutor(1) as background:
        running = background.submit(jobpipe.does, "import", "a.jsonl", "--batch-size", "2", "--concurrency", "4")
        until(lambda: len(polled_batches(service)) > 2)
        assert len(set(polled_batches(service))) == 1, "only the first of four"
        service.resume()
        assert running.result(30).startswith("8 rows: 8 succeeded")
    assert len(set(polled_batches(service))) == 4


def polled_batches(service: Service) -> list[str]:
    return [seen.path for seen in list(service.seen) if seen.method == "GET" and "/batches/" in seen.path]
