"""`jobpipe import` while requests and answers are lost at random: each row takes effect and is counted once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.cli.conftest import Jobpipe
from tests.cli.importing import lines
from tests.client.service import Canned, Seen, Service
from tests.client.service_state import problem

pytestmark = pytest.mark.slow

ROWS, SAME = 100, 10  # rows, and those of them that have the same name


@pytest.mark.parametrize("seed", range(12))
def test_each_row_takes_effect_once(
    jobpipe: Jobpipe, service: Service, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr("jobpipe_client.http.transport._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.many._BACKOFF", lambda _: 0)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._JITTER", 0.0)
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE_PAUSE", 0.001)
    # With the shorter times the import ends, and the same command continues it.
    monkeypatch.setattr("jobpipe_client.cli.importing.sender._OUTAGE", chance.choice([0.0, 0.05, 60.0]))
    share = chance.choice([0.2, 0.5, 0.8])

    def outage(_: Seen) -> Canned | None:
        if chance.random() > share:
            return None
        headers = {"Retry-After": "0.001"} if chance.random() < 0.3 else {}
        status, is_answer_lost = chance.choice([0, 429, 500, 502, 503, 504]), chance.random() < 0.5
        return Canned(status, headers, problem(503, "unavailable"), after_effect=is_answer_lost)

    service.outage = outage
    rows = [{"name": f"N{n if n % SAME else 0}", "description": "d"} for n in range(ROWS)]
    Path("a.jsonl").write_text(lines(*rows))
    for _ in range(200):
        done = jobpipe("import", "a.jsonl", "--batch-size", "7", "--concurrency", "3")
        if done.exit_code != 1:
            break
    different = len({row["name"] for row in rows})
    assert done.exit_code == 3, done.output
    assert done.stdout.startswith(f"{ROWS} rows: {different} succeeded, {ROWS - different} failed")
    assert len(service.items) == len({item["name"] for item in service.items.values()}) == different
