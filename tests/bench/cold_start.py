"""`python -m tests.bench.cold_start [--quick]`: cold starts, compared with those of a Lambda that only uses boto3.

Each zip runs under a Runtime API in a new process. The processes are interleaved, so only ratios within one run are
meaningful. The interpreter is the emulator's, which has boto3, but not jobpipe. The modules of a zip are compiled
at each start, as in Lambda, where their folder is read-only.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from infra.cli.progress import Progress
from infra.emulator import ensure_venv
from infra.packaging.package import package_all
from infra.settings import LOCAL_STAGE
from infra.stacks.change_sets import Stacks
from infra.stage.names import foundation_stack
from infra.templates.sources import foundation_for
from jobpipe.domain.clock import now
from jobpipe.domain.commands import CreateItem
from jobpipe.domain.job import Job, new_job
from jobpipe.domain.queue_message import QueueMessage, seal
from jobpipe.stores.dynamodb_rows import Row, job_to_row
from tests.bench.rounds import in_rounds
from tests.bench.runtime_api import ColdStart, Function, FunctionFailed, cold_start
from tests.helpers.embedded import embedded

TARGET = 1.25
_ROUNDS, _QUICK_ROUNDS = 9, 5
_HERE = Path(__file__).parent
_DOCUMENT = {"name": "Trail tent", "description": "For two", "price": 12.95}

Call = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """The foundation stack of a stage without Lambdas."""

    outputs: dict[str, str]
    environment: dict[str, str]
    dynamodb: Any

    def put_job(self, job: Job) -> None:
        self.dynamodb.put_item(TableName=self.outputs["JobsTable"], Item=job_to_row(job))


@dataclass(frozen=True)
class Case:
    """A Lambda and its first event, and the calls of the boto3 Lambda that it is compared with."""

    app: str
    handler: str
    services: str
    event: Callable[[Stage], object]
    calls: Callable[[Stage], list[Call]]


def accept_event(stage: Stage) -> object:
    return {
        "headers": {"content-type": "application/json", "x-api-key": "a" * 20},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": json.dumps(_DOCUMENT | {"name": uuid4().hex}),
        "isBase64Encoded": False,
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": "/items",
            "requestId": "r",
            "identity": {"apiKey": "a" * 20, "apiKeyId": "k"},
        },
    }


def accept_calls(stage: Stage) -> list[Call]:
    job = queued_job()
    row = {"TableName": stage.outputs["JobsTable"], "Item": job_to_row(job)}
    message = {
        "QueueUrl": stage.outputs["CommandsQueueUrl"],
        "MessageBody": body_of(job),
        "MessageGroupId": job.item_id,
        "MessageDeduplicationId": job.job_id,
    }
    condition = {"ConditionExpression": "attribute_not_exists(job_id)"}
    return [("dynamodb", "put_item", row | condition), ("sqs", "send_message", message)]


def batch_event(stage: Stage) -> object:
    job = queued_job()
    stage.put_job(job)
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": body_of(job),
        "attributes": {
            "MessageGroupId": job.item_id,
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(int(now().timestamp() * 1000)),
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:q.fifo",
        "awsRegion": "us-east-1",
    }
    return {"Records": [record]}


def create_calls(stage: Stage) -> list[Call]:
    job = queued_job()
    stage.put_job(job)
    document = {"Bucket": stage.outputs["DocumentsBucket"], "Key": f"items/{job.item_id}", "Body": "{}"}
    item: Row = {
        "item_id": {"S": job.item_id},
        "name": {"S": job.item_id},
        "document": {"S": json.dumps(_DOCUMENT)},
    }
    name: Row = {"name": {"S": job.item_id}, "item_id": {"S": job.item_id}}
    writes = [
        {"Update": end_update(job, stage)},
        {"Put": {"TableName": stage.outputs["ItemsTable"], "Item": item}},
        {"Put": {"TableName": stage.outputs["NamesTable"], "Item": name}},
    ]
    return [("s3", "put_object", document), ("dynamodb", "transact_write_items", {"TransactItems": writes})]


def dead_letter_calls(stage: Stage) -> list[Call]:
    job = queued_job()
    stage.put_job(job)
    listing = {"Bucket": stage.outputs["DocumentsBucket"], "Prefix": f"items/{job.item_id}/"}
    return [("dynamodb", "update_item", end_update(job, stage)), ("s3", "list_objects_v2", listing)]


def end_update(job: Job, stage: Stage) -> dict[str, Any]:
    return {
        "TableName": stage.outputs["JobsTable"],
        "Key": {"job_id": {"S": job.job_id}},
        "UpdateExpression": "SET #status = :ended",
        "ConditionExpression": "#status = :queued AND generation = :generation",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":ended": {"S": "ended"},
            ":queued": {"S": job.status.value},
            ":generation": {"S": job.generation},
        },
    }


def queued_job() -> Job:
    item_id = uuid4().hex
    command = CreateItem(item_id, _DOCUMENT | {"name": item_id})
    return new_job(command, "owner", None, now(), timedelta(days=1))


def body_of(job: Job) -> str:
    command = CreateItem(job.item_id, _DOCUMENT | {"name": job.item_id})
    return seal(QueueMessage.of(job.ref, command, "r")).body


CASES = {
    "api": Case("api", "app.app", "dynamodb sqs", accept_event, accept_calls),
    "worker": Case("worker", "app.work", "dynamodb s3", batch_event, create_calls),
    "dead-letters": Case("worker", "app.dead_letters", "dynamodb s3", batch_event, dead_letter_calls),
}


def measure(quick: bool) -> dict[str, object]:
    """Return the times of each Lambda's start and first request, their ratios to boto3, and the zips' sizes."""
    packages, python = package_all(), ensure_venv()
    with foundation_stage() as stage, tempfile.TemporaryDirectory() as folder:
        roots = {app: _unpacked(package.zip_path, Path(folder) / app) for app, package in packages.items()}
        samples: dict[tuple[str, str], list[ColdStart]] = {}
        for number in range(_QUICK_ROUNDS if quick else _ROUNDS):
            for key, function, event in _round(stage, roots, with_imports=number % 3 == 0):
                sample = cold_start(python, function, event)
                if key[1] == "jobpipe":
                    _check(key[0], sample.answer)
                samples.setdefault(key, []).append(sample)
    functions = {name: _figures(name, samples) for name in CASES}
    return {
        "target": TARGET,
        "functions": functions,
        "zips": {app: zip_sizes(package.zip_path) for app, package in packages.items()},
    }


def _round(
    stage: Stage, roots: dict[str, Path], *, with_imports: bool
) -> Iterator[tuple[tuple[str, str], Function, object]]:
    """Yield the processes of one round, and those that only import if `with_imports`."""
    for name, case in CASES.items():
        function = Function(roots[case.app], case.handler, stage.environment)
        bare = Function(_HERE, "boto3_only.handler", stage.environment | {"SERVICES": case.services})
        yield (name, "jobpipe"), function, case.event(stage)
        yield (name, "boto3"), bare, {"calls": case.calls(stage)}
        if with_imports:  # there are no clients, so the worker gets an empty batch
            without_clients = replace(function, environment=stage.environment | {"AWS_CHALICE_CLI_MODE": "true"})
            yield (name, "imports"), without_clients, {"Records": []} if case.app == "worker" else case.event(stage)


def _check(name: str, answer: dict[str, Any]) -> None:
    """Raise FunctionFailed for an error, whose time must not be measured."""
    if answer.get("statusCode", 202) != 202 or answer.get("batchItemFailures"):
        raise FunctionFailed(f"{name} answered {answer}")


def _figures(name: str, samples: dict[tuple[str, str], list[ColdStart]]) -> dict[str, object]:
    jobpipe, bare = samples[name, "jobpipe"], samples[name, "boto3"]
    boto3 = statistics.median(each.init for each in bare)
    return {
        "imports": summary(each.init for each in samples[name, "imports"]),
        "init": summary(each.init for each in jobpipe),
        "first_request": summary(each.request for each in jobpipe),
        "total": summary(each.init + each.request for each in jobpipe),
        "boto3_init": summary(each.init for each in bare),
        "boto3_same_calls": summary(each.request for each in bare),
        "cpu": summary(each.cpu for each in jobpipe),
        "boto3_cpu": summary(each.cpu for each in bare),
        # the target: the time until the first answer, compared with boto3 and unused clients
        "ratio": round(statistics.median(each.init + each.request for each in jobpipe) / boto3, 3),
        "rounds": [
            round(
                statistics.median(each.init + each.request for each in some)
                / statistics.median(each.init for each in others),
                3,
            )
            for some, others in zip(in_rounds(jobpipe), in_rounds(bare), strict=True)
        ],
        "ratio_init": round(statistics.median(each.init for each in jobpipe) / boto3, 3),
        # the ratio of processor time, which depends less on the load of the machine
        "ratio_cpu": round(
            statistics.median(each.cpu for each in jobpipe) / statistics.median(each.cpu for each in bare), 3
        ),
        "ratio_same_calls": round(
            statistics.median(each.init + each.request for each in jobpipe)
            / statistics.median(each.init + each.request for each in bare),
            3,
        ),
    }


def summary(milliseconds: Iterable[float]) -> dict[str, float]:
    """Return percentiles in the format of docs/performance.json."""
    values = sorted(milliseconds)
    at = {percent: values[min(len(values) - 1, len(values) * percent // 100)] for percent in (95, 99)}
    return {
        "p50": round(statistics.median(values), 1),
        "p95": round(at[95], 1),
        "p99": round(at[99], 1),
        "n": len(values),
    }


def zip_sizes(path: Path) -> dict[str, Any]:
    """Return the size of a zip, packed and unpacked, and its largest top-level entries."""
    parts: Counter[str] = Counter()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts[entry.filename.partition("/")[0]] += entry.file_size
    return {"bytes": path.stat().st_size, "unpacked": parts.total(), "largest": dict(parts.most_common(5))}


@contextmanager
def foundation_stage() -> Iterator[Stage]:
    """Deploy the foundation stack to a separate emulator, without Lambdas that would receive the messages."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as (target, _):
        stacks = Stacks(target.client("cloudformation"), _Silent(), target.poll_seconds)
        defaults = target.default_parameters(LOCAL_STAGE)
        stack = stacks.deploy(
            foundation_stack(LOCAL_STAGE), foundation_for(LOCAL_STAGE), {"Stage": LOCAL_STAGE}, defaults
        )
        settings = {
            "JOBS_TABLE": "JobsTable",
            "ITEMS_TABLE": "ItemsTable",
            "NAMES_TABLE": "NamesTable",
            "DOCUMENTS_BUCKET": "DocumentsBucket",
            "COMMANDS_QUEUE_URL": "CommandsQueueUrl",
            "PARKED_QUEUE_URL": "ParkedQueueUrl",
        }
        environment = {variable: stack.outputs[output] for variable, output in settings.items()} | {
            "AWS_ENDPOINT_URL": str(target.endpoint_url),
            "AWS_DEFAULT_REGION": target.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "SERVICE_NAME": "jobpipe-cold-start",
            "STAGE": LOCAL_STAGE,
            "WORKER_TIMEOUT": "30",
        }
        yield Stage(stack.outputs, environment, target.client("dynamodb"))


class _Silent(Progress):
    def event(self, stack: str, status: str, what: str, reason: str = "") -> None:
        pass


def _unpacked(zip_path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(zip_path) as archive:
        archive.extractall(folder)
    return folder


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table, the header first."""
    yield (
        "function",
        "imports ms",
        "init ms",
        "first request ms",
        "boto3 init ms",
        "ratio",
        "init alone",
        "same calls",
        "processor time",
        "zip, KB",
    )
    for name, each in figures["functions"].items():
        times = (each[key]["p50"] for key in ("imports", "init", "first_request", "boto3_init"))
        ratios = (each[key] for key in ("ratio", "ratio_init", "ratio_same_calls", "ratio_cpu"))
        yield (
            name,
            *(f"{time:.0f}" for time in times),
            *(f"{ratio:.2f}" for ratio in ratios),
            _kilobytes(figures, name),
        )


def _kilobytes(figures: dict[str, Any], name: str) -> str:
    """Return the size of the function's zip in KB, which are 1,024 bytes on all pages."""
    return f"{figures['zips'][CASES[name].app]['bytes'] / 1024:.0f}"


def main() -> None:
    figures = measure("--quick" in sys.argv[1:])
    for row in rows(figures):
        print("  ".join(f"{cell:>16}" for cell in row))  # noqa: T201
    print(json.dumps(figures["zips"], indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
