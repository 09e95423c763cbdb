"""`make dev` on a copy of the checkout: what is saved is applied, and mistakes change nothing."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import tenacity

from infra.emulator import Emulator, ensure_venv
from infra.settings import EMULATOR_VENV, LOCAL_STAGE
from infra.stage.stage_file import read_deployment
from infra.targets.target import target_of
from tests.docs.pages import copy_of_the_checkout
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.helpers.ports import free_port
from tests.helpers.shop import SHOP
from tests.helpers.shop import order as an_order

eventually = tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)


class Dev:
    """A running `make dev`."""

    def __init__(self, checkout: Path, *arguments: str) -> None:
        self.checkout = checkout
        self.emulator = Emulator(checkout / ".jobpipe", free_port())
        self._log = checkout / ".jobpipe" / "dev.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "infra.dev", *arguments],
                cwd=checkout,
                env=clean_environment(JOBPIPE_PORT=str(self.emulator.port), COLUMNS="200"),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.sees("each source file that you save is applied")

    @eventually
    def sees(self, text: str) -> None:
        """Wait until the program has printed this."""
        assert text in self.printed(), self.printed()

    @eventually
    def applied(self, times: int) -> None:
        """Wait until so many changes of a collection's operations have been applied."""
        assert self.printed().count("operations.py: applied in ") == times, self.printed()

    def printed(self) -> str:
        return self._log.read_text()

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Save a changed file."""
        file = self.checkout / path
        file.write_text(change(file.read_text()))

    @eventually
    def answers(self, version: str) -> None:
        """Wait until the API is the one of this version."""
        deployed = read_deployment(self.emulator.state_dir, LOCAL_STAGE)
        assert requests.get(f"{deployed.base_url}/health", timeout=30).json()["version"] == version

    @property
    def stage(self) -> Stage:
        return Stage(read_deployment(self.emulator.state_dir, LOCAL_STAGE))

    def console(self) -> str:
        """Return the page of the console, as the stage serves it."""
        deployed = read_deployment(self.emulator.state_dir, LOCAL_STAGE)
        return requests.get(f"{deployed.base_url}/console", timeout=30).text

    def code(self) -> dict[str, str]:
        """Return the digest of each function's code."""
        lambdas = target_of(read_deployment(self.emulator.state_dir, LOCAL_STAGE)).client("lambda")
        return {each["FunctionName"]: each["CodeSha256"] for each in lambdas.list_functions()["Functions"]}


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[Dev]:
    checkout = copy_of_the_checkout(tmp_path)
    ensure_venv()
    (checkout / ".jobpipe").mkdir()
    (checkout / ".jobpipe" / "emulator-venv").symlink_to(EMULATOR_VENV)
    dev = Dev(checkout, *arguments)
    try:
        yield dev
    finally:
        dev.process.kill()
        dev.process.wait()
        dev.emulator.stop()


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    with started(tmp_path) as dev:
        yield dev


@pytest.fixture
def dev_with_shop(tmp_path: Path) -> Iterator[Dev]:
    shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    with started(tmp_path, f"--collections={tmp_path / 'shop'}") as dev:
        yield dev


def version(text: str) -> Callable[[str], str]:
    return lambda source: re.sub(r'__version__ = ".*"', f'__version__ = "{text}"', source)


def test_what_is_saved_is_applied_until_ctrl_c(dev: Dev) -> None:
    before = dev.code()
    dev.edit("jobpipe/__init__.py", version("7.7.7"))
    dev.answers("7.7.7")
    dev.sees("__init__.py: applied in ")
    shared = dev.code()
    assert all(shared[name] != before[name] for name in before), "all functions have the shared modules"

    dev.edit("worker_lambda/chalicelib/execute.py", lambda source: source + "\n_SAVED = True\n")
    dev.sees("execute.py: applied in ")
    changed = {name for name, digest in dev.code().items() if digest != shared[name]}
    assert changed == set(before) - {name for name in before if name.endswith("-api")}

    dev.edit("api_lambda/chalicelib/console/page.html", lambda html: html.replace("<title>", "<title>Saved ", 1))
    dev.sees("page.html: applied in ")
    assert "<title>Saved jobpipe console</title>" in dev.console()

    code = dev.code()
    dev.edit("worker_lambda/chalicelib/execute.py", lambda source: source + "\ndef half(\n")
    dev.sees("'(' was never closed; the functions run what they had")
    assert dev.code() == code
    dev.edit("worker_lambda/chalicelib/execute.py", lambda source: source.replace("\ndef half(\n", ""))
    dev.edit("infra/templates/foundation.yaml", lambda source: source.replace("Description:", "Description: a", 1))
    dev.sees("foundation.yaml: deploying ...")
    dev.sees("foundation.yaml: applied in ")

    dev.edit("jobpipe/__init__.py", version("7.7.8"))
    dev.answers("7.7.8")
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(timeout=120) == 130
    assert "deploying what was applied ..." in dev.printed()
    assert "Traceback" not in dev.printed()
    dev.answers("7.7.8")


def test_a_saved_operation_is_applied_without_a_deployment(dev_with_shop: Dev) -> None:
    dev = dev_with_shop
    operations, client = "../shop/orders/operations.py", dev.stage.client
    orders = client.collection("orders")
    order = client.wait(orders.create(an_order()), timeout=60)
    assert order.succeeded, order.error

    def refusal() -> str:
        """Return why an order that is not paid is not shipped."""
        job = client.wait(orders.run("ship", order.item_id, carrier="post"), timeout=60)
        assert job.error is not None
        return str(job.error.detail)

    assert refusal() == "An order ships when it is paid."
    dev.edit(operations, lambda source: source.replace("ships when it is paid", "ships when paid"))
    dev.applied(1)
    assert refusal() == "An order ships when paid."

    code = dev.code()
    dev.edit(operations, lambda source: source + "\ndef half(\n")
    dev.sees("'(' was never closed")
    dev.sees("; the functions run what they had")
    dev.edit(
        operations,
        lambda source: source.replace(
            "\ndef half(\n", '\n\n@operation()\ndef ring(order):\n    """Ring."""\n    return order\n'
        ),
    )
    dev.applied(2)
    assert client.wait(orders.run("ring", order.item_id), timeout=60).succeeded, "a new operation"
    assert dev.code() != code
    assert "deploying ..." not in dev.printed()

    dev.edit(
        operations,
        lambda source: source.replace(
            "    return order\n", "    import time\n    return {**order, 'total': time.time()}\n"
        ),
    )
    dev.sees("the stage runs it, and no deployment will")
    dev.edit(
        operations,
        lambda source: source.replace(
            "    import time\n    return {**order, 'total': time.time()}\n", "    return order\n"
        ),
    )
    dev.applied(4)
    dev.edit("../shop/orders/collection.toml", lambda settings: settings + "\n")
    dev.sees("collection.toml: deploying ...")
    dev.sees("collection.toml: applied in ")
