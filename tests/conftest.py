"""Hooks and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.readiness import is_healthy
from infra.errors import OperatorError
from infra.keys.api_keys import FIRST_OWNER
from infra.settings import LOCAL_STAGE, read_settings
from infra.stage.stage_file import read_deployment

# These hooks count in every process of a run and report the sum in the main one.
from tests.faults.schedules.tally import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown  # noqa: F401
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP

# There is no deadline, since the time of an example depends on the machine. In CI the examples are fixed.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.register_profile("exhaustive", deadline=None, max_examples=5000)
# A reader of the tutorial exports it; the tests have collections of their own.
os.environ.pop("JOBPIPE_COLLECTIONS", None)
settings.load_profile("ci" if os.environ.get("CI") else "default")

_TESTS = Path(__file__).parent
_LONGEST = [
    # in make test-slow, by their times on two processors
    "infra/environments/test_environments.py",
    "e2e/test_prove.py",
    "infra/environments/test_environment.py",
    "iam/test_grants.py",
    "calls/test_calls.py",
    "infra/deployment/test_pause.py",
    "infra/environments/test_uv.py",
    "chaos/test_chaos.py",
    "chaos/test_chaos_of_collections.py",
    "infra/templates/test_template_bodies.py",
    "collections/test_purity.py",
    "infra/emulator/test_kept_emulator.py",
    "e2e/test_wait_in_a_state_machine.py",
    "infra/emulator/test_index_emulation.py",
    "faults/test_times_and_events_against_model.py",
    "infra/keys/test_keys.py",
    "e2e/test_run_a_command_later.py",
    "faults/test_granted_calls.py",
    "integration/test_audit_command.py",
    "faults/test_collections_against_model.py",
    "infra/environments/test_aws_environment.py",
    "infra/packaging/test_bill_of_materials.py",
    "integration/test_operators_output.py",
    "e2e/test_cli.py",
    # in make test
    "faults/test_faults_in_events.py",
    "faults/test_faults_in_tasks.py",
    "faults/test_faults_in_waiting.py",
    "integration/test_schedules.py",
    "integration/test_time_limits.py",
    "cli/test_watching_activity.py",
    "faults/test_faults_in_webhooks.py",
    "faults/test_faults_in_cancels_and_retries.py",
    "events/test_telling.py",
    "faults/test_faults_in_claims.py",
    "cli/test_watching_imports.py",
    "contract/test_audit_malformed.py",
    "faults/test_faults_in_batches.py",
    "events/test_webhooks.py",
    "infra/cli/test_aws_errors.py",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--faults",
        choices=["sites", "calls"],
        default="sites",
        help="where tests/faults injects faults: once at each call site, or at many more calls (make mutants)",
    )


def pytest_configure() -> None:
    """Restore the signals that a process in the background ignores, since the tests' processes inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from visiting modules and tests again and again, since they live until the end.

    They are 400,000 objects, and a full collection visits them in a quarter of a second.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(0)  # a Lambda's app.py, which some tests import, ends with gc.enable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*thresholds)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest files first, so that none of them runs alone at the end."""
    assert all((_TESTS / name).is_file() for name in _LONGEST), "a file in _LONGEST does not exist"
    position = {name: n for n, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: position.get(item.path.relative_to(_TESTS).as_posix(), len(position)))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage that JOBPIPE_TEST_STAGE names, or a new one on the embedded emulator."""
    deployed = os.environ.get("JOBPIPE_TEST_STAGE")
    if deployed:
        try:
            there = Stage(read_deployment(read_settings().state_dir, deployed))
        except OperatorError as error:
            pytest.exit(str(error), returncode=2)
        if not is_healthy(there.deployment.base_url):
            pytest.exit(f"nothing answers at {there.deployment.base_url}: deploy first", returncode=2)
        warm_up(there)
        yield there
        return
    with embedded(tmp_path_factory.mktemp("jobpipe")) as (target, here):
        with_shop = replace(here, collections=SHOP)
        stage = Stage(Deployer(target, LOCAL_STAGE, with_shop, Progress(), {}).deploy())
        assert stage.request("GET", "/items").json() == [], "a new stage has no items"
        warm_up(stage)
        yield stage


def warm_up(stage: Stage) -> None:
    """Run one command to its end, since an emulator may take long to start the worker for the first time."""
    stage.client.wait(stage.client.read("warm-up"), timeout=120)


@pytest.fixture
def other_key(stage: Stage) -> Iterator[str]:
    """An API key of another caller."""
    with a_key(stage, "othercaller") as key:
        yield key


@pytest.fixture
def second_key(stage: Stage) -> Iterator[str]:
    """Another API key of the caller whose key the deployment created."""
    with a_key(stage, FIRST_OWNER) as key:
        yield key


@contextmanager
def a_key(stage: Stage, owner: str) -> Iterator[str]:
    """Give the owner one more key during the block."""
    key = stage.api_keys.add(owner)
    try:
        yield key.value
    finally:
        stage.api_keys.revoke(key)
