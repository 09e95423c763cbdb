"""The client and `jobpipe` on a stage that serves the collections of tests/collections/shop."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from infra.stage.stage_file import write_deployment
from jobpipe_client import Collection, NotUnique, OperationRefused, VersionMismatch
from tests.helpers import commands
from tests.helpers.deployed import Stage, unique
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP, order, subscription

pytestmark = pytest.mark.slow

JOBPIPE = (sys.executable, "-m", "jobpipe_client.cli")
ORDERS = ("--collection", "orders")
UPSERT = (*ORDERS, "--upsert")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage of its own, on the embedded emulator."""
    with embedded(tmp_path_factory.mktemp("shop")) as (target, here):
        deployer = Deployer(target, LOCAL_STAGE, replace(here, collections=SHOP), Progress(), {})
        stage = Stage(deployer.deploy())
        stage.client.wait(stage.client.read("warm-up"), timeout=120)
        yield stage


@pytest.fixture
def environment(shop: Stage, tmp_path: Path) -> dict[str, str]:
    write_deployment(tmp_path / "state", shop.deployment)
    return commands.clean_environment(JOBPIPE_STATE_DIR=str(tmp_path / "state"), COLUMNS="200")


@pytest.fixture
def orders(shop: Stage) -> Collection:
    return shop.client.collection("orders")


def jobpipe(env: dict[str, str], *arguments: str) -> commands.Done:
    return commands.run(*JOBPIPE, *arguments, env=env)


def does(env: dict[str, str], *arguments: str) -> list[Any]:
    done = jobpipe(env, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def report(env: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    done = jobpipe(env, "import", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


_numbers = iter(range(10_000_000, 99_999_999, 1_000))


def number() -> str:
    return f"A-{next(_numbers)}"


def test_the_catalogue_is_that_of_the_folder(shop: Stage) -> None:
    found = shop.client.collections()
    assert set(found) == {"items", "orders", "subscriptions"}
    info = found["orders"]
    assert (info.key, info.unique, info.indexes, info.access) == ("number", ("invoice",), ("customer",), "shared")
    assert set(info.operations) == {"pay", "ship", "add-line"}
    line = info.resolved(info.schema["properties"]["lines"]["items"])
    assert isinstance(line, dict)
    assert line["required"] == ["sku", "quantity", "price"]
    assert found["subscriptions"].access == "own"


def test_an_order_is_written_looked_up_and_shipped(orders: Collection) -> None:
    one = number()
    made = orders.sync.create(order(one, total=Decimal("0.10")))
    with pytest.raises(NotUnique) as taken:
        orders.sync.create(order(one))
    assert (taken.value.pointer, taken.value.existing) == ("#/number", made.id)
    with pytest.raises(OperationRefused) as refused:
        orders.sync.run("ship", made.id, carrier="dhl")
    assert (refused.value.collection, refused.value.slug) == ("orders", "not-paid")
    before = orders.get_item(made.id)
    orders.sync.run("pay", made.id, invoice=next(_numbers), if_match=before.etag)
    with pytest.raises(VersionMismatch):
        orders.sync.run("ship", made.id, carrier="dhl", if_match=before.etag)
    shipped = orders.sync.run("ship", made.id, carrier="dhl", idempotency_key=f"ship-{one}")
    assert orders.sync.run("ship", made.id, carrier="dhl", idempotency_key=f"ship-{one}") == shipped
    found = orders.find(number=one)
    assert found is not None
    assert (found["status"], found["carrier"]) == ("shipped", "dhl")
    assert orders.find(number=number()) is None
    again = orders.sync.upsert(order(one, note="twice"))
    assert (again.id, again["note"]) == (made.id, "twice")
    orders.sync.delete(made.id)
    assert orders.find(number=one) is None


def test_orders_are_found_by_their_unique_and_indexed_fields(
    orders: Collection, environment: dict[str, str]
) -> None:
    customer, invoices = unique("o'bob & café"), [next(_numbers) for _ in range(3)]
    for invoice in invoices:
        orders.sync.create(order(number(), invoice=invoice, customer=customer))
    found = orders.find(invoice=invoices[1])
    assert found is not None
    assert (found["invoice"], found["customer"]) == (invoices[1], customer)
    assert [each["invoice"] for each in orders.where(customer=customer, page_size=2)] == invoices[::-1]
    assert [each["id"] for each in does(environment, "find", f"invoice={invoices[1]}", *ORDERS)] == [found.id]
    assert len(does(environment, "find", f"customer={customer}", *ORDERS)) == 3
    assert jobpipe(environment, "find", f"invoice={next(_numbers)}", *ORDERS).returncode == 1
    with pytest.raises(ValueError, match="use where"):
        orders.find(customer=customer)


def test_commands_of_batches_and_jobs_name_their_collection(shop: Stage, orders: Collection) -> None:
    numbers = [number() for _ in range(120)]
    rows = [{"operation": "upsert", "item": order(each, note=str(n))} for n in range(2) for each in numbers]
    ended = list(shop.client.outcomes(orders.submit_many(rows, batch_size=50), timeout=120))
    assert {entry.status for _, entry in ended} == {"succeeded"}
    assert {entry.collection for _, entry in ended} == {"orders"}
    assert {entry.operation for _, entry in ended} == {"upsert"}
    ids = {submission.item_id for submission, _ in ended}
    assert len(ids) == 120
    assert {orders.get_item(str(each))["note"] for each in list(ids)[:10]} == {"1"}, "the later of two upserts"
    job = shop.client.job(str(ended[0][0].job_id))
    assert (job.collection, job.links["item"].endswith(f"/orders/{job.item_id}")) == ("orders", True)


def test_documents_on_the_command_line(environment: dict[str, str]) -> None:
    one = number()
    fields = (f"number={one}", "customer=007", "status=open", "total=0.60")
    lines = 'lines=[{"sku": "001", "quantity": 2, "price": 0.30}]'
    (made,) = does(environment, "items", "create", *fields, lines, *ORDERS)
    assert (made["customer"], made["total"]) == ("007", 0.6)
    (added,) = does(environment, "run", "add-line", made["id"], "sku=002", "quantity=1", "price=0.10", *ORDERS)
    assert (added["total"], added["lines"][1]["sku"]) == (0.7, "002")
    refused = jobpipe(environment, "run", "ship", made["id"], "carrier=dhl", *ORDERS)
    assert (refused.returncode, refused.stderr) == (
        3, "jobpipe: 409 orders:not-paid: Only a paid order can be shipped.\n"
    )  # fmt: skip
    does(environment, "items", "set", made["id"], "note=5", *ORDERS)
    (found,) = does(environment, "find", f"number={one}", *ORDERS)
    assert (found["id"], found["note"]) == (made["id"], "5")
    wrong = jobpipe(environment, "items", "set", made["id"], "total=0.123", *ORDERS)
    assert wrong.returncode == 3
    assert "#/total" in wrong.stderr
    missing = jobpipe(environment, "items", "list", "--collection", "ordres")
    assert (missing.returncode, missing.stderr) == (
        2, "jobpipe: There is no collection 'ordres': did you mean orders?\n"
    )  # fmt: skip


def test_an_export_is_imported_again(shop: Stage, environment: dict[str, str], tmp_path: Path) -> None:
    seats = shop.client.collection("subscriptions")
    run = unique("seat")
    paid = {"kind": "card", "last_four": "0042"}
    made = seats.sync.create(
        subscription(f"{run} é", plan="team", payment=paid, tags=["x"], address={"country": "FR"})
    )
    whole = tmp_path / "all.csv"
    assert jobpipe(environment, "export", str(whole), "--collection", "subscriptions").returncode == 0
    with whole.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:6] == ["id", "seat", "plan", "starts_on", "renewals:number", "active:boolean"]
    with (tmp_path / "one.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *(row for row in rows if row[0] == made.id)])
    seats.sync.delete(made.id)
    options = ("--collection", "subscriptions", "--ignore", "id")
    assert report(environment, str(tmp_path / "one.csv"), *options, "--dry-run")[0] == 0
    status, result = report(environment, str(tmp_path / "one.csv"), *options)
    assert (status, result["succeeded"]) == (0, 1), result
    again = [each for each in seats.iter_items() if each["seat"] == made["seat"]]
    assert [{**each, "id": made.id} for each in again] == [dict(made)]
    refused = jobpipe(environment, "import", str(tmp_path / "one.csv"), *options, "--upsert")
    assert refused.returncode == 2
    assert "--upsert needs a collection with a key, and subscriptions has none" in refused.stderr


def wait_until_a_batch_ended(journal: Path, running: subprocess.Popen[bytes]) -> None:
    """Wait until the import has begun anew and a batch has ended, or until it has ended itself."""
    text = '{"finished"'
    while running.poll() is None and ('{"done"' not in text or '{"finished"' in text):
        time.sleep(0.02)
        text = journal.read_text()


def test_a_changed_file_is_imported_again_although_it_is_killed(
    orders: Collection, environment: dict[str, str], tmp_path: Path
) -> None:
    numbers = [number() for _ in range(60)]
    path = tmp_path / "orders.jsonl"

    def write(total: str) -> None:
        rows = [order(each, note=f"{total}-{n}") for n in range(2) for each in numbers]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write("a")
    assert report(environment, str(path), *UPSERT)[1]["succeeded"] == 120
    write("b")  # as large as before
    command = (*JOBPIPE, "import", str(path), *UPSERT, "--batch-size", "10", "--concurrency", "2")
    for signal_number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen(command, cwd=commands.ROOT, env=environment, stderr=subprocess.DEVNULL) as running:
            wait_until_a_batch_ended(tmp_path / "orders.jsonl.jobpipe-import", running)
            running.send_signal(signal_number)
    status, result = report(environment, str(path), *UPSERT, "--batch-size", "10")
    assert (status, result["succeeded"], result["failed"]) == (0, 120, 0)
    notes = {each["number"]: each.get("note") for each in orders.iter_items(page_size=100)}
    assert {notes[each] for each in numbers} == {"b-1"}, "of two rows with one key the later counts"


def test_rows_that_the_service_refuses_are_repaired(
    orders: Collection, environment: dict[str, str], tmp_path: Path
) -> None:
    good, bad = number(), number()
    path = tmp_path / "orders.csv"
    lines = '"[{""sku"": ""a"", ""quantity"": 1, ""price"": 1.50}]"'
    path.write_text(
        f"number,customer,status,total,lines\n{good},alice,open,1.50,{lines}\n{bad},alice,open,1.505,{lines}\n"
    )
    status, result = report(environment, str(path), *UPSERT)
    assert (status, result["reasons"]) == (3, {"invalid-request": 1})
    assert "#/total" in result["first_failures"][0]["error"]
    failed = tmp_path / "orders.failed.csv"
    failed.write_text(failed.read_text().replace("1.505", "1.51"))
    assert report(environment, str(failed), *UPSERT)[0] == 0
    repaired = orders.find(number=bad)
    assert repaired is not None
    assert repaired["total"] == 1.51
