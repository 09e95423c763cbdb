"""Cold starts: each zip under the Runtime API in a new process, against one of boto3 and its clients alone.

`python -m tests.bench.cold_start [--quick]`. Everything is interleaved, so only ratios within one run count. The
interpreter is the emulator's: boto3, compiled by pip, and nothing of ours. What a zip holds is compiled with every
start, as in Lambda, where its folder is read-only.
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
    """The foundation stack of a stage: nothing but these processes works on it."""

    outputs: dict[str, str]
    environment: dict[str, str]
    dynamodb: Any

    def put_job(self, job: Job) -> None:
        self.dynamodb.put_item(TableName=self.outputs["JobsTable"], Item=job_to_row(job))


@dataclass(frozen=True)
class Case:
    """One Lambda, its first event, and the same for a Lambda of boto3 alone."""

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
    job = a_job()
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
    job = a_job()
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
    job = a_job()
    stage.put_job(job)
    document = {"Bucket": stage.outputs["DocumentsBucket"], "Key": f"items/{job.item_id}", "Body": "{}"}
    item: Row = {
        "item_id": {"S": job.item_id},
        "name": {"S": job.item_id},
        "document": {"S": json.dumps(_DOCUMENT)},
    }
    name: Row = {"name": {"S": job.item_id}, "item_id": {"S": job.item_id}}
    writes = [
        {"Update": end_of(job, stage)},
        {"Put": {"TableName": stage.outputs["ItemsTable"], "Item": item}},
        {"Put": {"TableName": stage.outputs["NamesTable"], "Item": name}},
    ]
    return [("s3", "put_object", document), ("dynamodb", "transact_write_items", {"TransactItems": writes})]


def dead_letter_calls(stage: Stage) -> list[Call]:
    job = a_job()
    stage.put_job(job)
    listing = {"Bucket": stage.outputs["DocumentsBucket"], "Prefix": f"items/{job.item_id}/"}
    return [("dynamodb", "update_item", end_of(job, stage)), ("s3", "list_objects_v2", listing)]


def end_of(job: Job, stage: Stage) -> dict[str, Any]:
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


def a_job() -> Job:
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


def measure(quick: bool) -> dict[str, object]:  # the benchmark's interface
    """Medians of each Lambda's start and first request, their ratios to boto3 alone, and what the zips hold."""
    packages, python = package_all(), ensure_venv()
    with a_stage() as stage, tempfile.TemporaryDirectory() as folder:
        roots = {app: _unpacked(package.zip_path, Path(folder) / app) for app, package in packages.items()}
        samples: dict[tuple[str, str], list[ColdStart]] = {}
        for number in range(_QUICK_ROUNDS if quick else _ROUNDS):
            for key, function, event in _round(stage, roots, every=number % 3 == 0):
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
    stage: Stage, roots: dict[str, Path], *, every: bool
) -> Iterator[tuple[tuple[str, str], Function, object]]:
    """The processes of one round; those that say where the time goes only in every third."""
    for name, case in CASES.items():
        ours = Function(roots[case.app], case.handler, stage.environment)
        bare = Function(_HERE, "boto3_only.handler", stage.environment | {"SERVICES": case.services})
        yield (name, "jobpipe"), ours, case.event(stage)
        yield (name, "boto3"), bare, {"calls": case.calls(stage)}
        if every:  # without clients there is nothing that could answer: an empty batch
            without = replace(ours, environment=stage.environment | {"AWS_CHALICE_CLI_MODE": "true"})
            yield (name, "imports"), without, {"Records": []} if case.app == "worker" else case.event(stage)


def _check(name: str, answer: dict[str, Any]) -> None:
    """A failure may be fast, and is no figure."""
    if answer.get("statusCode", 202) != 202 or answer.get("batchItemFailures"):
        raise FunctionFailed(f"{name} answered {answer}")


def _figures(name: str, samples: dict[tuple[str, str], list[ColdStart]]) -> dict[str, object]:
    ours, bare = samples[name, "jobpipe"], samples[name, "boto3"]
    boto3 = statistics.median(each.init for each in bare)
    return {
        "imports": summary(each.init for each in samples[name, "imports"]),
        "init": summary(each.init for each in ours),
        "first_request": summary(each.request for each in ours),
        "total": summary(each.init + each.request for each in ours),
        "boto3_init": summary(each.init for each in bare),
        "boto3_same_calls": summary(each.request for each in bare),
        "cpu": summary(each.cpu for each in ours),
        "boto3_cpu": summary(each.cpu for each in bare),
        # the target: all until the first answer, against boto3 and its clients made and not used
        "ratio": round(statistics.median(each.init + each.request for each in ours) / boto3, 3),
        "rounds": [
            round(
                statistics.median(each.init + each.request for each in some)
                / statistics.median(each.init for each in others),
                3,
            )
            for some, others in zip(in_rounds(ours), in_rounds(bare), strict=True)
        ],
        "ratio_init": round(statistics.median(each.init for each in ours) / boto3, 3),
        # of processor time, which a busy machine changes less: start, request and the runtime's own
        "ratio_cpu": round(
            statistics.median(each.cpu for each in ours) / statistics.median(each.cpu for each in bare), 3
        ),
        "ratio_same_calls": round(
            statistics.median(each.init + each.request for each in ours)
            / statistics.median(each.init + each.request for each in bare),
            3,
        ),
    }


def summary(milliseconds: Iterable[float]) -> dict[str, float]:
    """A latency as the benchmark writes it."""
    values = sorted(milliseconds)
    at = {percent: values[min(len(values) - 1, len(values) * percent // 100)] for percent in (95, 99)}
    return {
        "p50": round(statistics.median(values), 1),
        "p95": round(at[95], 1),
        "p99": round(at[99], 1),
        "n": len(values),
    }


def zip_sizes(path: Path) -> dict[str, Any]:
    """Bytes of a zip and of what it holds, and its largest parts unpacked."""
    parts: Counter[str] = Counter()
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            parts[entry.filename.partition("/")[0]] += entry.file_size
    return {"bytes": path.stat().st_size, "unpacked": parts.total(), "largest": dict(parts.most_common(5))}


@contextmanager
def a_stage() -> Iterator[Stage]:
    """The foundation on an emulator of its own; no Lambda of the emulator's takes what is sent."""
    with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as (target, _):
        stacks = Stacks(target.client("cloudformation"), _Silent(), target.poll_seconds)
        defaults = target.default_parameters(LOCAL_STAGE)
        made = stacks.deploy(
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
        environment = {variable: made.outputs[output] for variable, output in settings.items()} | {
            "AWS_ENDPOINT_URL": str(target.endpoint_url),
            "AWS_DEFAULT_REGION": target.region,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "SERVICE_NAME": "jobpipe-cold-start",
            "STAGE": LOCAL_STAGE,
            "WORKER_TIMEOUT": "30",
        }
        yield Stage(made.outputs, environment, target.client("dynamodb"))


class _Silent(Progress):
    def event(self, stack: str, status: str, what: str, reason: str = "") -> None:
        pass


def _unpacked(zip_path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(zip_path) as archive:
        archive.extractall(folder)
    return folder


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """A table: its head first."""
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
    """Of the zip that the function is in; KB as in all of our pages, 1,024 bytes."""
    return f"{figures['zips'][CASES[name].app]['bytes'] / 1024:.0f}"


def main() -> None:
    figures = measure("--quick" in sys.argv[1:])
    for row in rows(figures):
        print("  ".join(f"{cell:>16}" for cell in row))  # noqa: T201
    print(json.dumps(figures["zips"], indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
