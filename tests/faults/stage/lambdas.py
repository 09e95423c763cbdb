"""The two Lambdas: their app.py in this process, with clients of the injector."""

from __future__ import annotations

import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from functools import cache
from types import ModuleType
from typing import Any
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.retries.quota import RetryQuota
from botocore.signers import RequestSigner
from botocore.useragent import UserAgentString

import jobpipe.domain.jobs.scheduled
import jobpipe.runtime.aws
import jobpipe.runtime.collections
from jobpipe.domain.errors import ClaimUnusable, Unavailable
from jobpipe.domain.events.delivery import Delivery, DeliveryAttempt
from jobpipe.domain.events.webhook import Webhook
from jobpipe.runtime.aws import AwsClients
from jobpipe.runtime.telemetry import logger
from tests.faults.schedules.call_sites import ROOT
from tests.faults.schedules.injection import InjectedError, Injector
from tests.faults.stage.emulator import ENDPOINT, Emulator
from tests.faults.stage.shelves import registry

_CREDENTIALS = {
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
WORKER_TIMEOUT = 5
STORED_TOGETHER = 2  # so that an event of three webhooks is stored in two steps
SHARDS = ("0", "1")  # of the schedule: so few that most calls of a sweep find something
SWEEP_PAGE = 2  # so that a sweep through few deliveries has several messages
Answer = Callable[[str, AWSPreparedRequest], AWSResponse | None]
Post = Callable[[Webhook, Delivery], DeliveryAttempt]


def _no_receiver(webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
    raise AssertionError(f"nobody expects {delivery.event_id}")


class Lambdas:
    """`api` and `worker` are the modules app.py, which each process loads anew."""

    def __init__(self, emulator: Emulator, injector: Injector) -> None:
        self._injector = injector
        self._environment = {**_CREDENTIALS, **_settings(emulator.outputs)}
        with patch.dict(os.environ, self._environment):
            self._clients = AwsClients()
            clients = self._clients
            for client in (
                clients.cloudwatch,
                clients.dynamodb,
                clients.eventbridge,
                clients.s3,
                clients.sqs,
                clients.stepfunctions,
            ):
                injector.attach(client)
        self.unexpected: list[str] = []
        self.post: Post = _no_receiver
        self.api = self.worker = ModuleType("none yet")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let both Lambdas run in the block: in one thread, without log lines, with the injector's clients."""
        with ExitStack() as patches:
            patches.enter_context(patch.dict(os.environ, self._environment))
            patches.enter_context(patch.object(logger, "handlers", [_Listener(self.unexpected)]))
            patches.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
            # gc.freeze() at INIT would keep the objects of all processes, thousands of which share this heap.
            patches.enter_context(patch.object(gc, "freeze"))
            # botocore limits the retries of a process; here thousands of processes share one client.
            patches.enter_context(patch.object(RetryQuota, "acquire", lambda *_: True))
            # The emulator ignores signatures and user agents, which would take a third of the time.
            patches.enter_context(patch.object(UserAgentString, "to_string", lambda _: "tests"))
            patches.enter_context(patch.object(RequestSigner, "sign", lambda *_, **__: None))
            for module in (*_chalicelib("api_lambda").values(), *_chalicelib("worker_lambda").values()):
                for name, stand_in in self._stand_ins().items():
                    if hasattr(module, name):
                        patches.enter_context(patch.object(module, name, stand_in))
            patches.enter_context(patch.object(jobpipe.domain.jobs.scheduled, "SHARDS", SHARDS))
            patches.enter_context(patch.object(jobpipe.runtime.aws, "AwsClients", self._make_clients))
            patches.enter_context(patch.object(jobpipe.runtime.collections, "packaged_registry", registry))
            self.restart("api_lambda")
            self.restart("worker_lambda")
            yield
        _forget("api_lambda")
        _forget("worker_lambda")

    def _stand_ins(self) -> dict[str, Any]:
        return {
            "AwsClients": self._make_clients,
            "ThreadPoolExecutor": Inline,
            "packaged_registry": registry,
            "Poster": lambda *_: self._post,
            "SHARDS": SHARDS,
            "SWEEP_PAGE": SWEEP_PAGE,
            "STORED_TOGETHER": STORED_TOGETHER,
        }

    def restart(self, folder: str) -> None:
        """Start a new process of this Lambda."""
        _forget(folder)
        setattr(self, "api" if folder == "api_lambda" else "worker", _load_app(folder))

    def set_events(self, *, on: bool, bus: str = "", tasks: bool = False) -> None:
        """Let the stage have events or not, a bus, and tasks; both Lambdas start anew if the first changes."""
        # These are read when the services are opened, as at the start of each run.
        os.environ["EVENT_BUS"], os.environ["TASK_TOKENS"] = bus, "on" if tasks else "off"
        value = "on" if on else "off"
        # Outside of `running` the environment has no settings: they are those with which the Lambdas would start.
        if os.environ.get("EVENTS", self._environment["EVENTS"]) != value:
            os.environ["EVENTS"] = value
            self.restart("api_lambda")
            self.restart("worker_lambda")

    def limit_owners(self, rate: int) -> None:
        """Let each owner send so many commands a second, or as many as it wants with 0; open services anew."""
        os.environ["OWNER_RATE"] = str(rate)
        self.forget_services()

    def forget_services(self) -> None:
        """Open services anew that remember look-ups or webhooks, since runs must not differ."""
        _chalicelib("api_lambda")["chalicelib.services"].open_services.cache_clear()
        _chalicelib("worker_lambda")["chalicelib.notifications.services"].open_notifications.cache_clear()

    def _post(self, webhook: Webhook, delivery: Delivery) -> DeliveryAttempt:
        self._injector.note_deed()
        return self.post(webhook, delivery)  # which changes with each run

    def _make_clients(self, *_: Any, **__: Any) -> AwsClients:
        return self._clients


class _Listener(logging.Handler):
    """Collects the unexpected exceptions in the log: those that are no outage of AWS."""

    # A copy of a message whose job has ended has no claim check; a job that needs one would fail.
    _EXPECTED = (Unavailable, ClaimUnusable, InjectedError)

    def __init__(self, unexpected: list[str]) -> None:
        super().__init__()
        self._unexpected = unexpected

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, self._EXPECTED):
            self._unexpected.append(f"{record.getMessage()}: {type(error).__name__}: {error}")


def open_client(service: str, emulator: Emulator, answer: Answer | None = None) -> Any:
    """Return a client for the tests, without faults, or one whose requests `answer` may answer first."""
    with patch.dict(os.environ, _CREDENTIALS):
        client: Any = boto3.client(service)  # type: ignore[call-overload]

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return (answer(service, request) if answer else None) or emulator.answer(service, request)

    client.meta.events.register_first("before-send.*.*", send)
    return client


class Inline(Executor):
    """Runs each function at once, so that a schedule always makes the same calls in the same order."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **named))
        except Exception as error:  # noqa: BLE001
            done.set_exception(error)
        return done

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        return iter([fn(*each) for each in zip(*iterables, strict=False)])


def _settings(outputs: Any) -> dict[str, str]:
    return {
        "JOBS_TABLE": outputs["JobsTable"],
        "JOB_LISTS": "on",
        "ITEMS_TABLE": outputs["ItemsTable"],
        "NAMES_TABLE": outputs["NamesTable"],
        "COLLECTIONS_TABLE": outputs["CollectionsTable"],
        "LOOKUPS_TABLE": outputs["LookupsTable"],
        "DOCUMENTS_BUCKET": outputs["DocumentsBucket"],
        "COMMANDS_QUEUE_URL": outputs["CommandsQueueUrl"],
        "PARKED_QUEUE_URL": outputs["ParkedQueueUrl"],
        "DEAD_LETTERS_QUEUE_URL": outputs["DeadLettersQueueUrl"],
        "WORKER_TIMEOUT": str(WORKER_TIMEOUT),
        "JOB_RETENTION_DAYS": "7",
        "EVENTS": "off",
        "EVENT_BUS": "",
        "TASK_TOKENS": "off",
        "LOOPBACK_WEBHOOKS": "on",
        "WEBHOOKS_TABLE": outputs["WebhooksTable"],
        "EVENTS_QUEUE_URL": outputs["EventsQueueUrl"],
        "DELIVERIES_QUEUE_URL": outputs["DeliveriesQueueUrl"],
        "DELIVERIES_LATER_QUEUE_URL": outputs["DeliveriesLaterQueueUrl"],
    }


@cache
def _chalicelib(folder: str) -> dict[str, ModuleType]:
    """Return the package beside app.py and its modules, by the names that app.py uses."""
    found = {"chalicelib": importlib.import_module(f"{folder}.chalicelib")}
    for path in (ROOT / folder / "chalicelib").rglob("*.py"):
        parts = path.relative_to(ROOT / folder).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = importlib.import_module(f"{folder}.{name}")
    return found


def _forget(folder: str) -> None:
    """Clear the caches of a process that has ended."""
    for module in _chalicelib(folder).values():
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


def _load_app(folder: str) -> ModuleType:
    """Run app.py as Lambda does, and return the module."""
    app = ModuleType(f"{folder}.app")
    with patch.dict(sys.modules, _chalicelib(folder)):
        exec(_code(folder), vars(app))  # noqa: S102
    return app


@cache
def _code(folder: str) -> Any:
    path = ROOT / folder / "app.py"
    return compile(path.read_text(), str(path), "exec")
