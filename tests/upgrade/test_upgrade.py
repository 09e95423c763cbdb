"""From a release without collections to this one, back, and again: in place, with commands on their way."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import tenacity
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.emulator import Emulator, running_emulator
from infra.settings import LOCAL_STAGE, Settings
from infra.targets.target import EMBEDDED, find_target
from tests.helpers import commands
from tests.helpers.deployed import WAIT, Stage
from tests.helpers.event_source import EventSourceMapping
from tests.helpers.shop import SHOP, order
from tests.upgrade.releases import Release, release_of, this_release

OLD = "10ff001"  # the last release without collections
STAGE = "up"  # no local stage: its tables outlive a release that does not have them
eventually = tenacity.retry(stop=tenacity.stop_after_delay(90), wait=tenacity.wait_fixed(0.2), reraise=True)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with running_emulator(tmp_path / "state") as emulator:
        yield emulator


@pytest.fixture
def old(tmp_path: Path) -> Release:
    return release_of(OLD, tmp_path / "old")


@pytest.fixture
def new() -> Release:
    return this_release(SHOP)


def item(name: str, **members: Any) -> dict[str, Any]:
    return {"name": name, "description": "d", **members}


def accepted(stage: Stage, method: str, path: str, body: Any = None) -> str:
    answer = stage.request(method, path, body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(stage: Stage, job_id: str) -> dict[str, Any]:
    # Not by stage.request: the contract of the old release does not know the operations of collections.
    headers = {"x-api-key": stage.deployment.api_key}
    answer = requests.get(f"{stage.deployment.base_url}/jobs/{job_id}", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@eventually
def ended(stage: Stage, job_id: str) -> dict[str, Any]:
    found = job(stage, job_id)
    assert found["done"], found
    return found


def succeeded(stage: Stage, job_id: str) -> Any:
    found = ended(stage, job_id)
    assert found["status"] == "succeeded", found
    return found["result"]


def replaced_while_commands_wait(
    stage: Stage, deploy: Callable[[], Stage], send: Callable[[], list[str]]
) -> tuple[Stage, list[str]]:
    """Send commands that the worker does not get, deploy, and let it go on."""
    mapping = EventSourceMapping(stage.aws("lambda"), stage.resources["worker_function"])
    with mapping.disabled():
        jobs = send()
        replaced = deploy()
    return replaced, jobs


def run(emulator: Emulator, module: str, *arguments: str) -> commands.Done:
    environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(emulator.state_dir), COLUMNS="200")
    return commands.run(sys.executable, "-m", module, "--stage", STAGE, *arguments, env=environment)


def test_upgrade_roll_back_and_upgrade_again(emulator: Emulator, old: Release, new: Release) -> None:
    stage = old.deploy(emulator, STAGE)
    taken = succeeded(stage, accepted(stage, "POST", "/items", item("taken")))["id"]
    refused = accepted(stage, "POST", "/items", item("taken"))
    assert ended(stage, refused)["error"]["type"].endswith("name-taken")

    def fill() -> list[str]:
        several = [{"operation": "create", "item": item(f"in a batch {n}")} for n in range(20)]
        batch = stage.request("POST", "/batches", {"commands": several}).json()
        large = item("large", text="x" * 300_000)  # waits as a claim check
        single = [accepted(stage, "POST", "/items", each) for each in (item("single"), large)]
        changes = [accepted(stage, "PATCH", f"/items/{taken}", {"n": n}) for n in range(3)]
        return [*(each["job"]["id"] for each in batch["entries"]), *single, *changes]

    # Upgrade: what the old API has accepted is run by the new worker.
    stage, waiting = replaced_while_commands_wait(stage, lambda: new.deploy(emulator, STAGE), fill)
    for each in waiting:
        succeeded(stage, each)
    assert stage.request("GET", f"/items/{taken}").json() == {"id": taken, **item("taken", n=2)}
    accepted(stage, "DELETE", f"/items/{taken}")
    accepted(stage, "POST", f"/jobs/{refused}/retry")
    succeeded(stage, refused)

    shipped = stage.request("POST", "/orders", order("A-1"), headers=WAIT).json()["id"]
    succeeded(stage, accepted(stage, "POST", f"/orders/{shipped}/pay", {"invoice": 1}))
    [found] = stage.request("GET", "/orders?invoice=1").json()
    assert (found["id"], found["status"]) == (shipped, "paid")

    named = accepted(stage, "POST", "/items", item("single"))
    assert (ended(stage, named)["label"], "label" in ended(stage, named)["error"]) == ("single", False)
    assert "label" not in ended(stage, refused), "it has succeeded"

    # Roll back: the old worker gets commands of collections, which it cannot read, and commands of items.
    def mixed() -> list[str]:
        return [
            accepted(stage, "POST", "/items", item(f"between {uuid.uuid4().hex[:6]}")),
            accepted(stage, "POST", f"/orders/{shipped}/ship", {"carrier": "dhl"}),
            accepted(stage, "POST", "/orders", order("A-2", invoice=2)),
        ]

    stage, (of_items, *of_orders) = replaced_while_commands_wait(stage, lambda: old.deploy(emulator, STAGE), mixed)
    succeeded(stage, of_items)
    for each in of_orders:
        assert ended(stage, each)["error"]["type"].endswith("command-unreadable")
    assert stage.request("GET", "/orders").status_code in {403, 404}
    found = ended(stage, named)
    assert (found["error"]["label"], "label" in found) == ("single", False), "it is one more member of the problem"
    succeeded(stage, accepted(stage, "POST", "/items", item("by the old release")))

    # Upgrade again: nothing of the orders is lost, and the commands can be retried.
    changes = foundation_changes(emulator)
    assert [changes[table] for table in ("CollectionsTable", "LookupsTable")] == ["import", "import"]
    stage = new.deploy(emulator, STAGE)
    assert (ended(stage, named)["label"], "label" in ended(stage, named)["error"]) == ("single", False)
    [found] = stage.request("GET", "/orders?invoice=1").json()
    assert (found["id"], found["status"]) == (shipped, "paid")
    for each in of_orders:
        accepted(stage, "POST", f"/jobs/{each}/retry")
        succeeded(stage, each)
    assert stage.request("GET", f"/orders/{shipped}").json()["status"] == "shipped"
    assert len(stage.request("GET", "/orders?invoice=2").json()) == 1
    assert {each["number"] for each in stage.request("GET", "/orders?customer=alice").json()} == {"A-1", "A-2"}

    parked = run(emulator, "scripts.parked", "--drop", "all")
    assert parked.returncode == 0, parked.stdout + parked.stderr
    reindexed = run(emulator, "scripts.reindex", "--collections", str(SHOP), "--json", "orders")
    assert reindexed.returncode == 0, reindexed.stdout + reindexed.stderr
    assert json.loads(reindexed.stdout)["changed"] == 0
    audited = run(emulator, "scripts.audit", "--older-than", "0", "--json")
    findings = json.loads(audited.stdout)["findings"]
    assert [each for each in findings if "collections/" not in each["detail"]] == []


def foundation_changes(emulator: Emulator) -> dict[str, str]:
    """Return what `make diff` shows of the foundation, by logical id."""
    settings = Settings(STAGE, emulator.port, None, emulator.state_dir, collections=SHOP)
    target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
    assert target
    foundation = Deployer(target, STAGE, settings, Progress(Console(quiet=True)), {}).diff()[0]
    return {change.logical_id: change.action for change in foundation.changes}
