"""A folder of collections that changes: what `make diff`, `deploy`, `reindex` and `check` say and do."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import running_emulator
from infra.stage.stage_file import read_deployment
from jobpipe.stores.documents.dynamodb_collections import partition_key
from tests.helpers import commands
from tests.helpers.deployed import WAIT, Stage, problem
from tests.helpers.shop import SHOP, order

Run = Callable[..., commands.Done]
PLAIN = 'title = "Order"\nkey = "number"\n'


class Shop:
    """A folder with orders, whose files change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(SHOP / "orders", folder / "orders")

    def settings(self, text: str) -> None:
        (self.folder / "orders" / "collection.toml").write_text(text)

    def schema(self, change: Callable[[Any], None]) -> None:
        file = self.folder / "orders" / "schema.json"
        schema = json.loads(file.read_text())
        change(schema)
        file.write_text(json.dumps(schema))


@pytest.fixture
def folder(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop")


@pytest.fixture
def environment(tmp_path: Path, folder: Shop) -> Iterator[dict[str, str]]:
    with running_emulator(tmp_path / "state") as emulator:
        yield commands.clean_environment(
            JOBPIPE_STATE_DIR=str(emulator.state_dir),
            JOBPIPE_PORT=str(emulator.port),
            JOBPIPE_COLLECTIONS=str(folder.folder),
            COLUMNS="200",
        )


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    return lambda *arguments: commands.run(sys.executable, "-m", *arguments, env=environment)


def one_line(done: commands.Done) -> str:
    """Return the only line of an error."""
    assert (done.returncode, done.stdout.count("Traceback")) == (1, 0), done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    return str(line)


def test_a_folder_changes_while_there_are_documents(run: Run, folder: Shop, tmp_path: Path) -> None:
    folder.settings(PLAIN)
    first = run("infra.deploy", "up")
    assert first.returncode == 0, first.stdout + first.stderr
    stage = Stage(read_deployment(tmp_path / "state", "local"))
    ids = [
        stage.request("POST", "/orders", order(f"A-{n}", invoice=7), headers=WAIT).json()["id"] for n in range(1, 3)
    ]

    # New fields are built.
    folder.settings(f'{PLAIN}unique = ["invoice"]\nindexes = ["customer"]\n')
    assert "unique, indexes, access or types of shop/orders differ from" in one_line(
        run("scripts.reindex", "orders")
    )
    diff = run("infra.deploy", "diff").stdout
    for field in ("invoice", "customer"):
        assert f"  building    look-up orders by {field}" in diff
    deployed = run("infra.deploy", "up")
    line = "the look-up by invoice, customer is being built: `make reindex COLLECTION=orders` completes it"
    assert f"collection orders: {line}" in deployed.stdout, deployed.stdout + deployed.stderr
    stage = Stage(read_deployment(tmp_path / "state", "local"))
    for query in ("invoice=7", "customer=alice"):
        assert problem(stage.request("GET", f"/orders?{query}")) == "index-building"

    # Two documents with one invoice are named as a pair, and the rest is completed.
    before = stage.request("GET", f"/orders/{ids[0]}").headers["etag"]
    done = run("scripts.reindex", "orders")
    assert done.returncode == 1, done.stdout + done.stderr
    assert all(each in done.stdout for each in (*ids, "another document has the same invoice"))
    assert "building: invoice; change the documents above, and run this again" in done.stdout
    assert len(stage.request("GET", "/orders?customer=alice").json()) == 2
    assert stage.request("GET", f"/orders/{ids[0]}").headers["etag"] == before
    second = next(each for each in ids if f"invoice\t{each}" in done.stdout)
    changed = stage.request("PATCH", f"/orders/{second}", {"invoice": 8}, headers=WAIT)
    assert changed.status_code == 200, changed.text
    completed = json.loads(run("scripts.reindex", "--json", "orders").stdout)
    assert (completed["documents"], completed["changed"], completed["problems"]) == (2, 0, [])
    assert (completed["ready"], completed["building"]) == (["invoice", "customer"], [])
    assert [each["id"] for each in stage.request("GET", "/orders?invoice=8").json()] == [second]

    # What ids derive from cannot change.
    folder.settings('title = "Order"\nkey = "customer"\n')
    assert "its key cannot change from number to customer" in one_line(run("infra.deploy", "up"))
    assert "REFUSED     collection orders" in run("infra.deploy", "diff").stdout
    folder.settings(f'{PLAIN}unique = ["invoice"]\nindexes = ["customer"]\n')

    # A stricter schema names the documents that no longer fit, before it is deployed.
    assert run("scripts.check", "orders").stdout == "orders: 2 documents, 0 do not fit\n"
    folder.schema(lambda schema: schema["properties"]["invoice"].update(maximum=7))
    done = run("scripts.check", "orders")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{second}\t#/invoice\t")
    assert lines[1:] == ["orders: 2 documents, 1 do not fit"]
    checked = json.loads(run("scripts.check", "--json", "orders").stdout)
    [listed] = checked["listed"]
    assert (checked["invalid"], listed["id"], listed["errors"][0]["pointer"]) == (1, second, "#/invoice")
    folder.schema(lambda schema: schema["required"].append("note"))
    assert "only the first 1 are listed (--limit)" in run("scripts.check", "--limit", "1", "orders").stdout

    # A row that cannot be read is named, and does not end the command.
    stage.aws("dynamodb").update_item(
        TableName=stage.deployment.resources["collections_table"],
        Key={"partition": {"S": partition_key("orders", "", second)}, "item_id": {"S": second}},
        UpdateExpression="SET entries = :nested",
        ExpressionAttributeValues={":nested": {"S": "[" * 100_000}},
    )
    checked = json.loads(run("scripts.check", "--json", "orders").stdout)
    errors = {each["id"]: each["errors"][0]["detail"] for each in checked["listed"]}
    assert errors[second] == "its row cannot be read: see make audit"


def blocks(language: str) -> list[str]:
    """Return the page's blocks of this language."""
    page = (commands.ROOT / "docs" / "how-to" / "change-a-schema.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def follow(block: str, run: Callable[[str], str]) -> None:
    """Run the commands of a block, and check that their output has the lines that the page shows."""
    for part in block.removeprefix("$ ").split("\n$ "):
        command, *lines = part.strip("\n").split("\n")
        output = " ".join(run(command).split())
        for line in lines:
            pattern = re.escape(" ".join(line.split())).replace("…", ".*")
            assert re.search(re.sub(r"[0-9a-f]{8}\\?-[0-9a-f\\-]{27,31}", "[0-9a-f-]{36}", pattern), output), (
                f"{command} does not print {line!r} but {output}"
            )


def test_the_page_on_changes_says_what_happens(
    run: Run, folder: Shop, tmp_path: Path, environment: dict[str, str]
) -> None:
    folder.settings(PLAIN)
    assert run("infra.deploy", "up").returncode == 0
    stage = Stage(read_deployment(tmp_path / "state", "local"))
    ids = [
        stage.request("POST", "/orders", order(f"A-{n}", invoice=7), headers=WAIT).json()["id"] for n in range(1, 3)
    ]

    def shell(command: str) -> str:
        line = command.replace("../shop", str(folder.folder))
        done = commands.run("sh", "-c", line, env=environment)
        return done.stdout + done.stderr

    [settings] = blocks("toml")
    deployed, collision, resolved, misfit = blocks("console")
    folder.settings(settings)
    follow(deployed, shell)
    follow(collision, shell)
    stage = Stage(read_deployment(tmp_path / "state", "local"))
    holder = stage.request("GET", "/orders?customer=alice")
    assert {each["id"] for each in holder.json()} == set(ids)
    changed = stage.request("PATCH", f"/orders/{ids[0]}", {"invoice": 8}, headers=WAIT)
    assert changed.status_code == 200, changed.text
    follow(resolved, shell)
    folder.schema(lambda schema: schema["properties"]["invoice"].update(maximum=7))
    follow(misfit, shell)


def test_mistakes_are_one_line(run: Run, folder: Shop, environment: dict[str, str]) -> None:
    for target in ("reindex", "check"):
        done = commands.run("make", "-s", target, env=environment)
        assert done.stderr.startswith("make: COLLECTION=... is needed\n"), done.stderr
    for program in ("reindex", "check"):
        assert "has no collection order; did you mean orders?" in one_line(run(f"scripts.{program}", "order"))
        assert "items is built in" in one_line(run(f"scripts.{program}", "items"))
        assert "the stage 'local' is not deployed" in one_line(run(f"scripts.{program}", "orders"))
        assert "does not exist (COLLECTIONS)" in one_line(
            run(f"scripts.{program}", "--collections", str(folder.folder / "no"), "orders")
        )
