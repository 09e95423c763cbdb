"""What a stage costs in a month without jobs, and what watching it costs in a month with many."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from api_lambda.chalicelib.endpoints.routes import ROUTES
from infra.errors import OperatorError
from infra.settings import ROOT
from jobpipe.domain.jobs.scheduled import SHARDS
from jobpipe.runtime import metrics
from jobpipe.runtime.metrics import ACCEPTED, FAILED, SUCCEEDED, Metric
from jobpipe.stores.jobs.dynamodb_recent_jobs import recent_partitions
from jobpipe.stores.queues.sqs_backlog import AGE_CACHED_FOR
from scripts.models.cost.data import Data
from scripts.models.cost.pipeline import Pipeline
from scripts.models.cost.usage import Usage

_CONSOLE = ROOT / "api_lambda" / "chalicelib" / "console"
_SECONDS_OF_MONTH = 730 * 3600
_QUEUES = 2  # commands, dead letters
_FIFO_QUEUES_OF_EVENTS = 2  # events, deliveries; that of later deliveries is a standard queue
_MILLISECONDS_OF_SWEEP = 100
_BILLED_ROTATIONS = 2  # of a key; later ones are free
_GATEWAY_METRICS = 5  # of each method: Count, Latency, IntegrationLatency, 4XXError, 5XXError
_BY_COLLECTION = (ACCEPTED, SUCCEEDED, FAILED)
_METHODS_OF_COLLECTION = sum(route.path.startswith("/items") for route in ROUTES) + 1  # and operations

AGE = Usage.of(get_metric_statistics_request=1)
"""One request for the age of the oldest message."""


def open_console(pipeline: Pipeline) -> Usage:
    """Return the usage of a console that is open for a month in which messages always wait."""
    stats = Decimal(_SECONDS_OF_MONTH) / console_number("STATS_PAUSE")
    ages = Decimal(_SECONDS_OF_MONTH) / Decimal(AGE_CACHED_FOR.total_seconds())
    lists = Decimal(_SECONDS_OF_MONTH) / console_number("LIST_PAUSE")
    return pipeline.request("stats") * stats + AGE * ages + pipeline.request("list_failed_jobs") * lists


def list_of_all_jobs(pipeline: Pipeline, pause: int) -> Usage:
    """Return the usage of a page of all jobs with this pause, for a month."""
    entries = len(recent_partitions("")) + console_number("PAGE_OF_JOBS")
    reads = Usage.of(dynamodb_read_unit=Decimal(entries) / 2)  # each eventually consistent
    return (pipeline.request("list_failed_jobs") + reads) * (Decimal(_SECONDS_OF_MONTH) / pause)


def console_number(name: str) -> int:
    """Return a number of the console's scripts, such as the seconds between two of its requests."""
    for path in sorted(_CONSOLE.glob("*.js")):
        found = re.search(rf"\b{name} = (\d+)[,;]", path.read_text())
        if found:
            return int(found[1])
    raise OperatorError(f"the console's scripts do not define {name}")


def idle_polling(data: Data) -> Usage:
    """Return the requests of Lambda's pollers to empty queues."""
    return Usage.of(sqs_fifo_request=_idle_receives(data) * _QUEUES)


def idle_polling_of_events(data: Data) -> Usage:
    """Return the same for the queues that a stage has for events."""
    receives = _idle_receives(data)
    return Usage.of(sqs_fifo_request=receives * _FIFO_QUEUES_OF_EVENTS, sqs_standard_request=receives)


def _idle_receives(data: Data) -> Decimal:
    return Decimal(data.assumed["pollers"]) * _SECONDS_OF_MONTH / Decimal(data.assumed["poll_seconds"])


def idle_release(data: Data) -> Usage:
    """Return the usage of the sweeps for scheduled commands while nothing is scheduled: one read of each shard."""
    sweeps = Decimal(_SECONDS_OF_MONTH) / 60
    quiet = Pipeline(data, data.load("quiet"))
    reads = Usage.of(dynamodb_read_unit=Decimal(len(SHARDS)) / 2)  # eventually consistent
    milliseconds = Decimal(_MILLISECONDS_OF_SWEEP)
    once = (
        quiet.invocation("worker", milliseconds) + quiet.logs(Decimal(), Decimal(), invocations=Decimal(1)) + reads
    )
    return once * sweeps


def month(data: Data) -> Mapping[str, tuple[str, Usage]]:
    """Return the explanation and the usage of each standing cost."""
    own = sum(len(each.services) for each in vars(metrics).values() if isinstance(each, Metric))
    of_collection = sum(len(each.services) for each in _BY_COLLECTION)
    gateway = _GATEWAY_METRICS * len(ROUTES)
    pages = console_number("MAX_NEW_PAGES") + console_number("MAX_OLD_PAGES")
    return {
        "polling of idle queues": (
            f"{data.assumed['pollers']} pollers, {data.assumed['poll_seconds']} s each, {_QUEUES} queues",
            idle_polling(data),
        ),
        "the same of the queues of events": (
            f"{_FIFO_QUEUES_OF_EVENTS} FIFO queues and a standard one, with Events=on",
            idle_polling_of_events(data),
        ),
        "looking for scheduled commands": (
            f"an invocation a minute of {_MILLISECONDS_OF_SWEEP} ms, {len(SHARDS)} queries each, if nothing is due",
            idle_release(data),
        ),
        "a console that is never closed": (
            f"stats each {console_number('STATS_PAUSE')} s, failed jobs each {console_number('LIST_PAUSE')} s",
            open_console(Pipeline(data, data.load("quiet"))),
        ),
        "the list of all jobs in that console": (
            f"with JobLists=on, a page of {console_number('PAGE_OF_JOBS')} each {console_number('LIST_PAUSE')} s",
            list_of_all_jobs(Pipeline(data, data.load("quiet")), console_number("LIST_PAUSE")),
        ),
        "the same while jobs are accepted or end all the time": (
            f"a page each {console_number('LIVE_PAUSE')} s; up to {pages} times as much if many come",
            list_of_all_jobs(Pipeline(data, data.load("quiet")), console_number("LIVE_PAUSE")),
        ),
        "alarms": (f"{data.alarms}, in every stage", Usage.of(alarm_month=data.alarms)),
        "alarms of events": (
            f"{data.alarms_of_events} more, with Events=on",
            Usage.of(alarm_month=data.alarms_of_events),
        ),
        "dashboard": ("one, in every stage", Usage.of(dashboard_month=1)),
        "the pipeline's metrics": (
            f"up to {own} and one for each reason of a failure; only in hours in which they are written",
            Usage.of(metric_month=own),
        ),
        "the gateway's detailed metrics": (
            f"up to {gateway}: {_GATEWAY_METRICS} for each of {len(ROUTES)} methods; only where requests come",
            Usage.of(metric_month=gateway),
        ),
        "the metrics of another collection": (
            _metrics_of_collection(of_collection),
            Usage.of(metric_month=of_collection + _GATEWAY_METRICS * _METHODS_OF_COLLECTION),
        ),
        "the two tables of other collections, empty": ("on demand: only requests and storage", Usage.of()),
        "a key of the stage's own, in its first year": (
            "only with Encryption=customer-managed",
            Usage.of(kms_key_month=1),
        ),
        "the same after its second rotation": (
            f"it rotates every year, and the first {_BILLED_ROTATIONS} rotations are billed",
            Usage.of(kms_key_month=1, kms_rotation_month=_BILLED_ROTATIONS),
        ),
    }


def _metrics_of_collection(own: int) -> str:
    names = ", ".join(each.name for each in _BY_COLLECTION)
    methods = f"{_GATEWAY_METRICS} for each of up to {_METHODS_OF_COLLECTION} methods"
    return f"up to {own} ({names}), and the gateway's: {methods}; only where requests come"
