"""Fixtures for the generated clients: a stage, a failed job, and a cancelled one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import tenacity

from tests.clients.recorder import Recorder, recording
from tests.clients.toolbox import CONTRACT, NPM_PACKAGES, PYTHON_TOOLS
from tests.helpers.deployed import Stage, unique
from tests.helpers.event_source import EventSourceMapping

Use = Callable[[], AbstractContextManager[tuple[Recorder, dict[str, str]]]]


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Fail if a generator is missing, since no test may be skipped."""
    missing = [str(each) for each in (CONTRACT, NPM_PACKAGES, PYTHON_TOOLS / "node") if not each.exists()]
    if missing:
        pytest.exit(f"{', '.join(missing)} is missing: run make test-clients", returncode=2)


@pytest.fixture(scope="session")
def failed_job(stage: Stage) -> str:
    """Return the id of a failed job that is in the list of failed jobs."""
    client = stage.client
    job = client.wait(client.read(unique("no such item")))
    tenacity.Retrying(
        stop=tenacity.stop_after_delay(60),
        wait=tenacity.wait_fixed(0.1),
        retry=tenacity.retry_if_result(lambda listed: job.id not in listed),
    )(lambda: [each.id for each in client.jobs("failed")])
    return job.id


@pytest.fixture(scope="session")
def cancelled_job(stage: Stage) -> str:
    """Return the id of a cancelled job; cancelling it again changes nothing."""
    with EventSourceMapping(stage.aws("lambda"), stage.resources["worker_function"]).disabled():
        return stage.client.cancel(stage.client.read("never-read").id).id


@pytest.fixture
def use(stage: Stage, failed_job: str, cancelled_job: str) -> Use:
    """Return a context manager with a recorder and the environment that makes a program use it."""

    @contextmanager
    def used() -> Iterator[tuple[Recorder, dict[str, str]]]:
        with recording(stage.documented, stage.deployment.base_url) as recorder:
            yield (
                recorder,
                {
                    "URL": recorder.url,
                    "KEY": stage.deployment.api_key,
                    "NAME": unique("generated").replace(" ", "-"),
                    "FAILED": failed_job,
                    "CANCELLED": cancelled_job,
                },
            )

    return used
