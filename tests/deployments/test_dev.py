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
from jobpipe import __version__
from tests.docs.pages import copy_of_the_checkout
from tests.helpers.commands import clean_environment
from tests.helpers.deployed import Stage
from tests.helpers.ports import free_port
from tests.helpers.shop import SHOP
from tests.helpers.shop import order as an_order

eventually = tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)


class Dev:
    """A running `make dev`."""

    def __init__(self, checkout: Path, *arguments: str, port: int | None = None) -> None:
        self.checkout = checkout
        self.emulator = Emulator(checkout / ".jobpipe", port or free_port())
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

    @eventually
    def is_held_back(self, names: str) -> None:
        """Wait until the program has said that these changes are not applied."""
        assert f"{names}: not applied; the next change is applied together with this" in self.printed(), (
            self.printed()
        )

    def end(self) -> int:
        """End it with Ctrl-C, and return its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=120)

    def again(self, *arguments: str) -> Dev:
        """Start it again on the same emulator."""
        return Dev(self.checkout, *arguments, port=self.emulator.port)

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

    def deploy(self) -> None:
        """Run make deploy-local."""
        environment = clean_environment(JOBPIPE_PORT=str(self.emulator.port))
        shop = f"--collections={self.checkout.parent / 'shop'}"
        command = [sys.executable, "-m", "infra.deploy", "up", "--target", "embedded", shop]
        subprocess.run(command, cwd=self.checkout, env=environment, check=True, capture_output=True)

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
    dev.sees("'(' was never closed; the functions are not changed")
    assert dev.code() == code
    dev.edit("worker_lambda/chalicelib/execute.py", lambda source: source.replace("\ndef half(\n", ""))
    dev.edit("infra/templates/foundation.yaml", lambda source: source.replace("Description:", "Description: a", 1))
    dev.sees("foundation.yaml: deploying ...")
    dev.sees("foundation.yaml: applied in ")

    dev.edit("jobpipe/__init__.py", version("7.7.8"))
    dev.answers("7.7.8")
    assert dev.end() == 130, dev.printed()
    assert "deploying the applied changes ..." in dev.printed()
    assert "Traceback" not in dev.printed()
    dev.answers("7.7.8")


def test_changes_that_could_not_be_applied_are_applied_with_the_next_ones(dev: Dev) -> None:
    before = dev.code()
    broken = "api_lambda/chalicelib/request_lines.py"
    dev.edit(broken, lambda source: source + "\ndef half(\n")
    dev.edit("jobpipe/__init__.py", version("7.7.7"))
    dev.is_held_back("__init__.py, request_lines.py")
    assert dev.code() == before, "no function runs another version of jobpipe than the rest"

    dev.edit(broken, lambda source: source.replace("\ndef half(\n", ""))
    dev.sees("__init__.py, request_lines.py: applied in ")
    dev.answers("7.7.7")
    changed = dev.code()
    assert all(changed[name] != before[name] for name in before)

    dev.edit("infra/templates/foundation.yaml", lambda source: source + "\n]\n")
    dev.edit("jobpipe/__init__.py", version("7.7.8"))
    dev.is_held_back("__init__.py, foundation.yaml")
    dev.sees("did not find expected key")
    dev.edit("infra/templates/foundation.yaml", lambda source: source.removesuffix("\n]\n"))
    dev.sees("__init__.py, foundation.yaml: applied in ")
    dev.answers("7.7.8")


def test_a_deployment_that_ends_halfway_is_told_and_repeated(dev: Dev) -> None:
    unknown = "Resources:\n  Unknown: {Type: AWS::CloudWatch::NoSuchThing}\n"
    merged = "infra/templates/api.merge.yaml"
    dev.edit(merged, lambda source: source.replace("\nResources:\n", f"\n{unknown}", 1))
    dev.edit("jobpipe/__init__.py", version("7.7.7"))
    dev.is_held_back("__init__.py, api.merge.yaml")
    dev.sees("the deployment ended halfway: the functions may run different versions of jobpipe/")
    dev.edit(merged, lambda source: source.replace(unknown, "Resources:\n"))
    dev.sees("__init__.py, api.merge.yaml: applied in ")
    dev.answers("7.7.7")


def test_functions_that_do_not_take_a_change_are_told(dev: Dev) -> None:
    target = target_of(read_deployment(dev.emulator.state_dir, LOCAL_STAGE))
    target.client("lambda").delete_function(FunctionName="jobpipe-local-release")
    dev.edit("jobpipe/__init__.py", version("7.7.7"))
    dev.is_held_back("__init__.py")
    dev.sees("; the functions of the worker may run other code than the rest")
    assert "applied in" not in dev.printed()


def test_what_an_earlier_one_left_in_the_functions_is_replaced(dev: Dev) -> None:
    built = dev.code()
    ours = (dev.checkout / "jobpipe" / "__init__.py").read_text()
    dev.edit("jobpipe/__init__.py", version("7.7.7"))
    dev.sees("__init__.py: applied in ")
    dev.answers("7.7.7")
    dev.process.kill()
    dev.process.wait()
    dev.edit("jobpipe/__init__.py", lambda _: ours)

    later = dev.again()
    try:
        assert dev.code() == built
        later.answers(__version__)
        later.edit("jobpipe/__init__.py", version("7.7.7"))
        later.answers("7.7.7")
        assert later.end() == 130
        assert "RESTORING" in later.printed()
    finally:
        later.process.kill()
        later.process.wait()


def test_what_a_refused_last_deployment_left_is_told_and_replaced(dev_with_shop: Dev) -> None:
    dev = dev_with_shop
    operations = dev.checkout / "../shop/orders/operations.py"
    ours, built = operations.read_text(), dev.code()
    clock = "    import time\n    return {**order, 'total': time.time()}\n"
    operations.write_text(ours + f'\n\n@operation()\ndef ring(order):\n    """Ring."""\n{clock}')
    dev.applied(1)
    dev.sees("the stage runs this operation, but a deployment will refuse it")
    assert dev.end() == 1
    assert (
        "the stage still runs the applied changes; correct this error and run make deploy-local:" in dev.printed()
    )
    assert dev.code() != built

    operations.write_text(ours)
    dev.deploy()
    assert dev.code() == built


def test_backups_and_files_beside_the_collections_set_off_nothing(dev_with_shop: Dev) -> None:
    dev = dev_with_shop
    orders, api = dev.checkout / "../shop/orders", dev.checkout / "api_lambda/chalicelib"
    for path in (orders / "operations.py", api / "request_lines.py"):
        shutil.copyfile(path, f"{path}~")
        shutil.copyfile(path, f"{path}.orig")
    for name in ("orders.csv", "orders.csv.jobpipe-import", "orders.failed.csv"):
        (orders.parent / name).write_text("number\n1\n")
    dev.edit("../shop/orders/operations.py", lambda source: source.replace("can be shipped", "ships"))
    dev.applied(1)
    assert dev.end() == 130, dev.printed()
    said = dev.printed().partition("each source file that you save is applied")[2]
    assert [line for line in said.splitlines() if "deploying" in line] == ["deploying the applied changes ..."]
    assert "csv" not in said
    assert "~" not in said


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

    assert refusal() == "Only a paid order can be shipped."
    dev.edit(operations, lambda source: source.replace("can be shipped", "ships"))
    dev.applied(1)
    assert refusal() == "Only a paid order ships."

    code = dev.code()
    dev.edit(operations, lambda source: source + "\ndef half(\n")
    dev.sees("'(' was never closed")
    dev.sees("; the functions are not changed")
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
    dev.sees("the stage runs this operation, but a deployment will refuse it")
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
