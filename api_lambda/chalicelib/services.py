"""The stores and queues that the endpoints use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING

from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.collections import packaged_registry
from jobpipe.runtime.settings import Settings
from jobpipe.stores.aws_stores import Stores, open_stores
from jobpipe.stores.queues.sqs_commands import SqsCommands
from jobpipe.stores.stage.dynamodb_pause import DynamoDbPause

from .submitting.circuit_breaker import CircuitBreaker

if TYPE_CHECKING:
    from jobpipe.domain.events.ports import TaskQueue
    from jobpipe.domain.ports import (
        BacklogGauge,
        BatchQueue,
        BatchStore,
        CommandLimit,
        DocumentStore,
        IndexStates,
        RecentJobs,
        ScheduledCount,
    )

    from .webhook_services import WebhookServices


@dataclass(frozen=True, slots=True)
class Services(Stores):
    """The stores and queues, with the settings that endpoints need."""

    queue: BatchQueue
    job_retention: timedelta
    # These are opened when a request first needs them.
    batches: Callable[[], BatchStore]
    backlog: Callable[[], BacklogGauge]
    scheduled: Callable[[], ScheduledCount]
    index_states: Callable[[], IndexStates]
    longest_wait: float = math.inf  # seconds; the longest that a request may wait in this stage
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    recent_jobs: RecentJobs | None = None  # None in a stage without JobLists=on
    webhooks: Callable[[], WebhookServices] | None = None  # None in a stage without Events=on
    tasks: TaskQueue | None = None  # None in a stage without TaskTokens
    limit: CommandLimit | None = None  # None in a stage without OwnerRate
    paused_at: Callable[[], datetime | None] = lambda: None  # when the stage was paused; None if it is not

    @property
    def sends_events(self) -> bool:
        """Return whether the stage sends events when jobs end."""
        return self.webhooks is not None


@cache
def open_services() -> Services:
    """Return the stores and queues of the Lambda's stage."""
    settings, clients = Settings.from_env(os.environ), AwsClients()
    stores = open_stores(settings, clients, packaged_registry())
    _ = clients.dynamodb, clients.sqs  # every write needs these clients; only large documents need S3
    return Services(
        jobs=stores.jobs,
        items=stores.items,
        documents=stores.documents,
        queue=SqsCommands(clients, settings.commands_queue_url),
        job_retention=settings.job_retention,
        longest_wait=settings.longest_wait,
        batches=cache(partial(_batches, settings, clients)),
        backlog=cache(partial(_backlog, settings, clients)),
        scheduled=cache(partial(_scheduled, settings, clients)),
        index_states=cache(partial(_index_states, settings, clients)),
        registry=stores.registry,
        open_collection=stores.open_collection,
        recent_jobs=_recent_jobs(settings, clients) if settings.job_lists else None,
        webhooks=_webhooks(settings, clients, stores.documents) if settings.events else None,
        tasks=_tasks(settings, clients) if settings.events and settings.task_tokens else None,
        limit=_limit(settings, clients) if settings.owner_rate else None,
        paused_at=DynamoDbPause(clients, settings.collections_table).paused_at,
    )


def _batches(settings: Settings, clients: AwsClients) -> BatchStore:
    from jobpipe.stores.jobs.dynamodb_batches import DynamoDbBatches  # noqa: PLC0415

    return DynamoDbBatches(clients, settings.jobs_table)


def _backlog(settings: Settings, clients: AwsClients) -> BacklogGauge:
    from jobpipe.stores.queues.sqs_backlog import QueueUrls, SqsBacklog  # noqa: PLC0415

    urls = QueueUrls(settings.commands_queue_url, settings.dead_letters_queue_url, settings.parked_queue_url)
    return SqsBacklog(clients, urls)


def _scheduled(settings: Settings, clients: AwsClients) -> ScheduledCount:
    from jobpipe.stores.jobs.dynamodb_scheduled_count import DynamoDbScheduledCount  # noqa: PLC0415

    return DynamoDbScheduledCount(clients, settings.jobs_table)


def _index_states(settings: Settings, clients: AwsClients) -> IndexStates:
    from jobpipe.stores.stage.dynamodb_index_states import DynamoDbIndexStates  # noqa: PLC0415

    return DynamoDbIndexStates(clients, settings.collections_table)


def _webhooks(settings: Settings, clients: AwsClients, documents: DocumentStore) -> Callable[[], WebhookServices]:
    @cache
    def open_once() -> WebhookServices:
        from .webhook_services import open_webhooks  # noqa: PLC0415  # only when a webhook endpoint is requested

        return open_webhooks(settings, clients, documents)

    return open_once


def _tasks(settings: Settings, clients: AwsClients) -> TaskQueue:
    from jobpipe.stores.queues.sqs_events import SqsEvents  # noqa: PLC0415  # most stages do not need it

    return SqsEvents(clients, settings.events_queue_url)


def _limit(settings: Settings, clients: AwsClients) -> CommandLimit:
    from jobpipe.stores.jobs.dynamodb_allowances import DynamoDbAllowances  # noqa: PLC0415  # needed only in a stage with a limit

    from .submitting.owner_limit import OwnerLimit  # noqa: PLC0415

    return OwnerLimit(settings.owner_rate, settings.owner_burst, DynamoDbAllowances(clients, settings.jobs_table))


def _recent_jobs(settings: Settings, clients: AwsClients) -> RecentJobs:
    from jobpipe.stores.jobs.dynamodb_recent_jobs import DynamoDbRecentJobs  # noqa: PLC0415  # for the index only

    return DynamoDbRecentJobs(clients, settings.jobs_table)
