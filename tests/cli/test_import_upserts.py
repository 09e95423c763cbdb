"""`jobpipe import --upsert`: a changed file is imported again, interrupted at any moment."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Jobpipe
from tests.cli.importing import lines, report, write
from tests.cli.running import until
from tests.cli.test_import_killed import Kill, Running, killed, kills
from tests.client.service import Canned, Service

pytestmark = pytest.mark.slow

UPSERT = ("--collection", "orders", "--upsert")


def totals(service: Service) -> dict[str, Any]:
    return {order["number"]: order.get("total") for order in service.orders.values()}


def test_a_second_import_of_a_changed_file_updates(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", "number,total,customer\n001,1,alice\n002,2,bob\n")
    assert report(jobpipe, "orders.csv", *UPSERT)[1]["succeeded"] == 2
    before = {order["number"]: order["id"] for order in service.orders.values()}
    service.orders[before["001"]]["note"] = "kept"
    write("orders.csv", "number,total,customer\n001,10,alice\n003,3,carol\n")
    status, result = report(jobpipe, "orders.csv", *UPSERT)
    assert (status, result["rows"], result["succeeded"]) == (0, 2, 2)
    assert totals(service) == {"001": 10, "002": 2, "003": 3}
    assert service.orders[before["001"]]["note"] == "kept", "fields that the file has not stay"


def test_a_file_of_the_same_size_counts_as_changed(jobpipe: Jobpipe, service: Service) -> None:
    for total in (1, 2):
        write("orders.csv", f"number,total\n001,{total}\n")
        assert report(jobpipe, "orders.csv", *UPSERT)[0] == 0
    assert totals(service) == {"001": 2}


def test_an_unchanged_file_is_not_sent_again(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", "number,total\n001,1\n")
    report(jobpipe, "orders.csv", *UPSERT)
    done = jobpipe("import", "orders.csv", *UPSERT)
    assert "was already imported" in done.stderr
    assert "rows whose number exists change that document, and none is created twice" in done.stderr
    assert len(service.applied) == 1


def test_a_file_that_changed_before_its_import_had_ended_is_refused(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", "number,total\n" + "".join(f"{n},1\n" for n in range(10)))
    service.canned += [Canned(200, {}, service.contract), Canned(500)] + [Canned(403)] * 9
    jobpipe("import", "orders.csv", *UPSERT, "--batch-size", "5")
    service.canned.clear()
    write("orders.csv", "number,total\n1,2\n")
    assert "has changed since its import began; --restart" in jobpipe.fails(
        1, "import", "orders.csv", *UPSERT, "--batch-size", "5"
    )


def test_creates_are_not_continued_as_upserts_or_of_another_collection(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.jsonl", lines({"number": "1"}))
    report(jobpipe, "orders.jsonl", "--collection", "orders")
    service.canned += [Canned(200, {}, service.contract), Canned(500)] + [Canned(403)] * 9
    write("others.jsonl", lines(*({"number": f"{n}"} for n in range(10, 20))))
    jobpipe("import", "others.jsonl", "--collection", "orders", "--batch-size", "5")
    service.canned.clear()
    why = jobpipe.fails(1, "import", "others.jsonl", *UPSERT, "--batch-size", "5")
    assert "begun with upsert False, not True; --restart sends all rows again" in why
    assert "begun with collection 'orders', not 'items'" in jobpipe.fails(1, "import", "orders.jsonl")
    write("items.jsonl", lines({"name": "Tent", "description": "d"}))
    report(jobpipe, "items.jsonl")
    why = jobpipe.fails(1, "import", "items.jsonl", "--collection", "orders")
    assert "begun with collection 'items', not 'orders'" in why


def test_creates_are_not_sent_again_although_they_have_finished(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.jsonl", lines({"number": "1"}))
    jobpipe.does("import", "orders.jsonl", "--collection", "orders")
    write("orders.jsonl", lines({"number": "1", "total": 5}, {"number": "2"}))
    assert jobpipe.fails(1, "import", "orders.jsonl", "--collection", "orders").endswith(
        "orders.jsonl has changed since its import began; --upsert sets the fields of the rows whose number exists"
        ", and creates the others; --restart sends all rows again, and rows that exist are refused"
    )
    jobpipe.does("import", "orders.jsonl", *UPSERT)
    assert totals(service) == {"1": 5, "2": None}, "what the error says helps"


def test_a_schema_that_reads_cells_otherwise_ends_an_import(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", "number,total\n" + "".join(f"{n},1\n" for n in range(10)))
    service.canned += [Canned(200, {}, service.contract)] + [Canned(403)] * 9
    jobpipe("import", "orders.csv", *UPSERT)
    service.canned.clear()
    service.contract["components"]["schemas"]["Order"]["properties"]["total"]["type"] = "string"
    why = jobpipe.fails(1, "import", "orders.csv", *UPSERT)
    assert "the schema of the collection has changed since the import began; --restart" in why


def test_of_two_rows_with_one_key_the_later_counts(jobpipe: Jobpipe, service: Service) -> None:
    write("orders.csv", "number,total\n" + "".join(f"{n % 7},{n}\n" for n in range(200)))
    assert report(jobpipe, "orders.csv", *UPSERT, "--batch-size", "3")[0] == 0
    assert totals(service) == {str(n % 7): n for n in range(200)}


def test_a_batch_is_sent_after_the_one_before_was_accepted(tmp_path: Path) -> None:
    service = Service()
    service.batches.open.clear()
    path = tmp_path / "orders.csv"
    path.write_text(file_of("csv", 30, 3, 0))
    running = Running(service, str(path), *UPSERT, "--batch-size", "3")
    until(lambda: service.batches.under_way > 0)
    time.sleep(0.5)  # in which a second batch would come
    service.batches.open.set()
    status, _, errors = running.ended()
    service.stop()
    assert (status, service.batches.most_under_way) == (0, 1), errors


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(
    first=kills,
    second=kills,
    rows=st.integers(1, 60),
    keys=st.integers(1, 20),
    batch_size=st.integers(1, 12),
    concurrency=st.integers(1, 4),
    form=st.sampled_from(["csv", "jsonl"]),
)
def test_every_row_takes_effect_once_and_in_the_order_of_the_file(
    first: list[Kill], second: list[Kill], rows: int, keys: int, batch_size: int, concurrency: int, form: str
) -> None:
    """The file is imported, changed and imported again, and both imports are killed at any moments."""
    service = Service()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"orders.{form}"
        size = ("--batch-size", str(batch_size), "--concurrency", str(concurrency))
        for number, kills_of_import in enumerate((first, second)):
            path.write_text(file_of(form, rows, keys, number))
            for kill in kills_of_import:
                killed(Running(service, str(path), *UPSERT, *size), service, kill)
            status, output, errors = Running(service, str(path), *UPSERT, *size, "--json").ended()
            assert status == 0, output + errors
            assert json.loads(output)["succeeded"] == rows
    service.stop()
    assert totals(service) == {str(n % keys): rows + n for n in range(rows)}
    applied: dict[str, list[int]] = {}
    for command in service.applied:
        applied.setdefault(command["item"]["number"], []).append(command["item"]["total"])
    assert sum(map(len, applied.values())) == 2 * rows, "no row took effect twice"
    assert all(a < b for found in applied.values() for a, b in pairwise(found))


def file_of(form: str, rows: int, keys: int, number: int) -> str:
    found = [{"number": str(n % keys), "total": number * rows + n} for n in range(rows)]
    if form == "jsonl":
        return "".join(json.dumps(each) + "\n" for each in found)
    return "number,total\n" + "".join(f"{each['number']},{each['total']}\n" for each in found)


def test_ctrl_c_says_how_to_continue(tmp_path: Path) -> None:
    service = Service()
    service.pause()
    path = tmp_path / "orders.csv"
    path.write_text(file_of("csv", 30, 30, 0))
    running = Running(service, str(path), *UPSERT, "--batch-size", "5")
    killed_by = Kill(3, 0.0, signal.SIGINT)
    killed(running, service, killed_by)
    service.resume()
    status, output, errors = Running(service, str(path), *UPSERT, "--batch-size", "5").ended()
    assert (status, output.splitlines()[0]) == (0, "30 rows: 30 succeeded, 0 failed"), errors
    service.stop()
