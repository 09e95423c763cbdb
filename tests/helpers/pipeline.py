"""Both Lambdas in one process with stores in memory: the Chalice app and the worker get AWS's events."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from api_lambda.chalicelib.application import build_app
from api_lambda.chalicelib.services import Services
from api_lambda.chalicelib.submitting.owner_limit import OwnerLimit
from api_lambda.chalicelib.webhook_services import WebhookServices
from jobpipe.domain import json_text
from jobpipe.domain.documents.collection import ONLY_ITEMS, Registry
from jobpipe.domain.documents.item import StoredItem
from jobpipe.domain.documents.item_ref import ITEMS, ItemRef
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.events.cloud_event import Source
from jobpipe.domain.events.receiver_url import UrlRules
from jobpipe.stores.aws_stores import Stores
from tests.helpers.documented import documented
from tests.helpers.memory import RETENTION
from tests.helpers.memory.allowances import MemoryAllowances
from tests.helpers.memory.documents import MemoryCollections, MemoryDocuments, MemoryIndexStates, MemoryItems
from tests.helpers.memory.events import MemoryEvents
from tests.helpers.memory.groups import MemoryGroups
from tests.helpers.memory.jobs import (
    MemoryBatches,
    MemoryJobs,
    MemoryRecentJobs,
    MemorySchedule,
    MemoryScheduledCount,
)
from tests.helpers.memory.queues import MemoryBacklog, MemoryParked, MemoryQueue
from tests.helpers.memory.webhooks import MemoryDeliveries, MemoryDeliveryQueue, MemoryWebhooks
from worker_lambda.chalicelib.command_consumer import command_consumer
from worker_lambda.chalicelib.consume_batch import consume_batch
from worker_lambda.chalicelib.consumer import Consumer
from worker_lambda.chalicelib.dead_letters import dead_letter_consumer
from worker_lambda.chalicelib.releasing.services import ReleaseServices
from worker_lambda.chalicelib.releasing.sweep import sweep
from worker_lambda.chalicelib.services import Services as WorkerServices


class Context:
    """The context that Lambda passes with an event."""

    function_name = "jobpipe"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:jobpipe"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def __init__(self, milliseconds: int = 29_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


BURST = 100  # commands of a limited owner at once


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Pipeline:
    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    items: MemoryItems = field(init=False)
    batches: MemoryBatches = field(init=False)
    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    parked: MemoryParked = field(default_factory=MemoryParked)
    context: Context = field(default_factory=Context)
    reserve_seconds: float = 18.0
    longest_wait: float = 20.0
    registry: Registry = ONLY_ITEMS
    job_lists: bool = True
    events: bool = True
    owner_rate: float = 0.0  # commands of an owner a second, with BURST at once; 0 for no limit
    allowances: MemoryAllowances = field(default_factory=MemoryAllowances)
    webhooks: MemoryWebhooks = field(default_factory=MemoryWebhooks)
    event_queue: MemoryEvents | None = None  # of the worker, if it tells of ended jobs
    tasks: MemoryEvents | None = None  # of the API, if the stage answers task tokens
    deliveries: MemoryDeliveries = field(default_factory=MemoryDeliveries)
    delivery_queue: MemoryDeliveryQueue = field(default_factory=MemoryDeliveryQueue)

    def __post_init__(self) -> None:
        self.items = MemoryItems(self.jobs)
        self.batches = MemoryBatches(self.jobs)
        self.schedule = MemorySchedule(self.jobs)
        self.collections = MemoryCollections(self.jobs)
        known: dict[str, Any] = {"registry": self.registry, "open_collection": self.collections.open}
        self.stores = Stores(self.jobs, self.items, self.documents, **known)
        self.groups = MemoryGroups(self.jobs, self._items_of)
        source, urls = Source("test", self.documents), UrlRules()
        telling = WebhookServices(self.webhooks, self.deliveries, self.delivery_queue, source, urls)
        backlog = MemoryBacklog(self.queue, self.parked)
        scheduled = MemoryScheduledCount(self.jobs)
        index_states = MemoryIndexStates(self.registry, self.collections)
        self.services = services = Services(
            *(self.jobs, self.items, self.documents, self.queue, RETENTION),
            batches=lambda: self.batches,
            backlog=lambda: backlog,
            scheduled=lambda: scheduled,
            index_states=lambda: index_states,
            longest_wait=self.longest_wait,
            **known,
            recent_jobs=MemoryRecentJobs(self.jobs) if self.job_lists else None,
            webhooks=(lambda: telling) if self.events else None,
            tasks=self.tasks,
            limit=OwnerLimit(self.owner_rate, BURST, self.allowances) if self.owner_rate else None,
        )
        self.app = build_app("test", lambda: services, self.registry)

    def request(
        self,
        method: str,
        target: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        owner: str = "alice",
        raw: str | None = None,
        base64_encoded: bool = False,
        several: dict[str, list[str]] | None = None,
        checked_key: str = "",
    ) -> Answer:
        """Send a request, routed as by API Gateway; `raw` is a body that is already encoded.

        A path with empty segments reaches the route without them, and is passed on unchanged.
        """
        parts = urlsplit(f"https://stage.example{target}")
        segments = [segment for segment in parts.path.split("/") if segment] or [""]
        parameters = {}
        path = "/" + "/".join(segments)
        if segments[0] == "webhooks":
            for place, name in ((1, "webhook_id"), (3, "event_id")):
                if len(segments) > place:
                    parameters[name], segments[place] = segments[place], f"{{{name}}}"
            path = "/" + "/".join(segments)
        elif len(segments) >= 2:
            name = {"jobs": "job_id", "batches": "batch_id"}.get(segments[0], "item_id")
            parameters[name] = segments[1]
            rest = segments[2:]
            if name == "item_id" and rest:
                parameters["operation"], rest = rest[0], ["{operation}", *rest[1:]]
            path = "/".join(["", segments[0], f"{{{name}}}", *rest])
        single = {
            "content-type": "application/json",
            "x-api-key": f"{owner}{uuid.uuid4().hex}" if owner else "",
            **(headers or {}),
        }
        sent = {**{name: [value] for name, value in single.items()}, **(several or {})}
        event = {
            "path": parts.path,
            "headers": {name: values[-1] for name, values in sent.items()},
            "multiValueHeaders": sent,
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "body": raw if raw is not None else None if body is None else json.dumps(body),
            "isBase64Encoded": base64_encoded,
            "requestContext": {
                "httpMethod": method,
                "resourcePath": path,
                "requestId": str(uuid.uuid4()),
                "identity": {"apiKey": checked_key} if checked_key else {},
            },
        }
        answer = self.app(event, self.context)
        documented(self.registry).check(method, target, answer["statusCode"], answer["headers"], answer["body"])
        return Answer(answer["statusCode"], {k.lower(): v for k, v in answer["headers"].items()}, answer["body"])

    def work(self, most: int = 10) -> dict[str, Any]:
        """Pass one batch to the worker."""
        records = self.queue.receive(most)
        answer = consume_batch(records, self.command_consumer())
        self.queue.acknowledge(records, answer)
        return answer

    def end_dead_letters(self) -> dict[str, Any]:
        """Pass the first messages to the worker as dead letters."""
        records = self.queue.receive()
        answer = consume_batch(records, self.dead_letter_consumer())
        self.queue.acknowledge(records, answer)
        return answer

    def release(self) -> int:
        """Release what is due, and what becomes due while the sweep waits; return the number of commands."""
        sends_events = self.event_queue is not None
        services = ReleaseServices(self.schedule, self.documents, self.queue, sends_events=sends_events)
        return sweep(services, lambda: 180.0)

    def command_consumer(self) -> Consumer:
        return command_consumer(self.worker_services(), self._seconds_left)

    def dead_letter_consumer(self) -> Consumer:
        return dead_letter_consumer(self.worker_services(), self._seconds_left)

    def worker_services(self) -> WorkerServices:
        return WorkerServices(
            *(self.jobs, self.items, self.documents),
            groups=self.groups,
            queue=self.queue,
            parked=self.parked,
            reserve_seconds=self.reserve_seconds,
            registry=self.registry,
            open_collection=self.collections.open,
            events=self.event_queue,
        )

    def _items_of(self, ref: ItemRef) -> MemoryItems:
        return self.items if ref.collection == ITEMS else self.collections.open(ref.collection, ref.scope)

    def _seconds_left(self) -> float:
        return self.context.milliseconds / 1000

    def drain(self) -> None:
        """Run the worker until the queue is empty."""
        for _ in range(1000):
            if not self.queue.waiting:
                return
            self.work()
        raise AssertionError("the queue does not empty")

    def do(self, method: str, target: str, body: Any = None, **options: Any) -> dict[str, Any]:
        """Send a command, run its job to the end, and return the job as its caller gets it."""
        accepted = self.request(method, target, body, **options)
        assert accepted.status == 202, accepted.text
        self.drain()
        job: dict[str, Any] = self.request(
            "GET", f"/jobs/{accepted.json['id']}", owner=options.get("owner", "alice")
        ).json
        assert job["done"], job
        return job

    def state(self) -> Any:
        """Return everything that is stored, for comparisons."""
        return (
            dict(self.jobs.rows),
            dict(self.batches.rows),
            dict(self.items.rows),
            dict(self.items.names),
            {place: (dict(store.rows), dict(store.locks)) for place, store in self.collections.opened.items()},
            dict(self.documents.current),
            *(dict(self.webhooks.rows), dict(self.deliveries.rows)),
            *(list(each) for each in vars(self.delivery_queue).values()),
            list(self.queue.waiting),
        )

    def check_consistent(self) -> None:
        """Check that rows, locks and bucket agree; the queue must be empty."""
        assert not self.queue.waiting
        assert all(job.status.done for job in self.jobs.rows.values())
        self.check_locks_and_documents()

    def _check_values(self, row: StoredItem) -> None:
        """Check that a row has the unique and indexed values of its document, which is in its owner's scope."""
        _, name, *_ = row.document.key.split("/")
        collection, document = self.registry.get(name), json_text.decode(self.documents.current[row.document.key])
        if collection is not None:
            scope = collection.scope(row.owner)
            assert (row.locks, row.entries) == (
                collection.locks(document, scope),
                collection.entries(document, scope),
            )
            assert self.collections.opened[name, scope].rows[row.item_id] == row

    def check_locks_and_documents(self) -> None:
        """Check that each item has its lock and its document, and that there are no others."""
        items = list(self.items.rows.values())
        assert self.items.names == {name_key(item.name): item.item_id for item in items}
        for store in self.collections.opened.values():
            items += store.rows.values()
            for row in store.rows.values():
                self._check_values(row)
            assert store.locks == {
                value: row.item_id for row in store.rows.values() for value in row.locks.values()
            }
        kept = {job.kept.claim for job in self.jobs.rows.values() if job.kept is not None and job.kept.claim}
        assert set(self.documents.current) == {item.document.key for item in items} | kept
        # Documents are write-once: no put, however late, has replaced a committed one.
        assert all(self.documents.latest[item.document.key] == item.document.version_id for item in items)
