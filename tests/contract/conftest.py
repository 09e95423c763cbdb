"""Separate tables and buckets for the contract tests, because they create data that no worker creates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.cli.progress import Progress
from infra.settings import LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stage.names import foundation_stack
from infra.targets.target import Target
from infra.templates.sources import foundation_template
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.documents.dynamodb_items import DynamoDbItems
from jobpipe.stores.documents.s3_documents import S3Documents
from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from scripts.audit.resources import Resources
from tests.contract.audited import Audited
from tests.contract.stores import Stores
from tests.helpers.embedded import embedded
from tests.helpers.memory import RETENTION
from tests.helpers.memory.documents import MemoryDocuments, MemoryItems
from tests.helpers.memory.jobs import MemoryBatches, MemoryJobs


@pytest.fixture(scope="session")
def foundation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Target, dict[str, str]]]:
    """Start an emulator, deploy the foundation stack, and return the stack's outputs."""
    with embedded(tmp_path_factory.mktemp("contract")) as (target, _):
        stacks = Stacks(target.client("cloudformation"), Progress(), target.poll_seconds)
        template, defaults = foundation_template(LOCAL_STAGE), target.default_parameters(LOCAL_STAGE)
        name = foundation_stack(LOCAL_STAGE)
        yield target, stacks.deploy(name, template, {"Stage": LOCAL_STAGE}, defaults).outputs


@pytest.fixture(scope="session")
def aws(foundation: tuple[Target, dict[str, str]]) -> tuple[AwsClients, dict[str, str]]:
    """Return clients of that emulator, configured as in the Lambdas, and the stack's outputs."""
    target, names = foundation

    def make(service: str, **options: Any) -> Any:
        return target.session.client(service, endpoint_url=target.endpoint_url, **options)  # type: ignore[call-overload]

    return AwsClients(make=make), names


@pytest.fixture(params=["memory", "aws"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        memory_jobs = MemoryJobs()
        return Stores(memory_jobs, MemoryItems(memory_jobs), MemoryDocuments(), MemoryBatches(memory_jobs))
    clients, names = request.getfixturevalue("aws")
    jobs = DynamoDbJobs(clients, names["JobsTable"], RETENTION)
    items = DynamoDbItems(clients, names["ItemsTable"], names["NamesTable"], jobs)
    return Stores(
        jobs, items, S3Documents(clients, names["DocumentsBucket"]), DynamoDbBatches(clients, names["JobsTable"])
    )


@pytest.fixture(scope="session")
def resources(foundation: tuple[Target, dict[str, str]], aws: tuple[AwsClients, dict[str, str]]) -> Resources:
    """Deploy a second foundation stack for the audit's tests, and return its resources."""
    (target, _), (clients, _) = foundation, aws
    stacks = Stacks(target.client("cloudformation"), Progress(), target.poll_seconds)
    defaults = target.default_parameters(LOCAL_STAGE)
    name = foundation_stack("audited")
    names = stacks.deploy(name, foundation_template(LOCAL_STAGE), {"Stage": "audited"}, defaults).outputs
    return Resources(
        clients=clients,
        jobs_table=names["JobsTable"],
        items_table=names["ItemsTable"],
        names_table=names["NamesTable"],
        documents_bucket=names["DocumentsBucket"],
        collections_table=names["CollectionsTable"],
        lookups_table=names["LookupsTable"],
        queue_urls=(names["CommandsQueueUrl"], names["DeadLettersQueueUrl"]),
        job_retention=RETENTION,
    )


@pytest.fixture
def store(resources: Resources) -> Audited:
    """Return empty stores."""
    store = Audited(resources)
    store.empty()
    return store
