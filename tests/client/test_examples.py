"""Every example in a docstring of the client runs, each with its own service."""

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import jobpipe_client
from jobpipe_client import Client, Collection, SyncClient, SyncCollection, Webhooks
from tests.client.service import Service

# Examples whose jobs must not end too early: the service is paused for them.
PAUSED = ("Client.cancel", "Client.cancel_batch", "JobCancelled", "WaitTimeout")
# Members that need no example.
WITHOUT_EXAMPLE = {"close", "base_url", "sync", "webhooks"}


def examples() -> Iterator[doctest.DocTest]:
    # The modules of the command line have no examples to run.
    modules = [m.name for m in pkgutil.iter_modules(jobpipe_client.__path__) if not m.ispkg]
    for name in ["jobpipe_client", *(f"jobpipe_client.{module}" for module in modules)]:
        module = importlib.import_module(name)
        yield from (found for found in doctest.DocTestFinder().find(module) if found.examples)


EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name.removeprefix("jobpipe_client."))
def test_the_example_runs(example: doctest.DocTest, service: Service, names: dict[str, Any]) -> None:
    if example.name.endswith(PAUSED):
        service.pause()
    example.globs = names
    output: list[str] = []
    ran = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=output.append)
    assert ran.failed == 0, "".join(output)
    assert ran.attempted == len(example.examples) > 0


@pytest.mark.parametrize("client_class", [Client, SyncClient, Collection, SyncCollection, Webhooks])
def test_every_public_method_has_an_example(client_class: type) -> None:
    methods = {name for name, _ in inspect.getmembers(client_class) if not name.startswith("_")} - WITHOUT_EXAMPLE
    shown = {example.name for example in EXAMPLES}
    assert methods == {
        name for name in methods if f"{client_class.__module__}.{client_class.__name__}.{name}" in shown
    }


def test_every_exported_name_exists() -> None:
    assert sorted(jobpipe_client.__all__) == jobpipe_client.__all__
    assert all(hasattr(jobpipe_client, name) for name in jobpipe_client.__all__)
