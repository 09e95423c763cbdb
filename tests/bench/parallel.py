"""`python -m tests.bench.parallel`: a batch of ten different items, compared with a batch of one.

The emulator is one Python process, so it needs longer for the calls of ten items than for those of one. The same
calls by bare boto3 threads show that ceiling. On the stand-in, a call takes as long as on AWS, and ten concurrent
calls take no longer, so that the worker's own time shows.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import boto3
from botocore.config import Config

from jobpipe.domain.clock import now
from jobpipe.domain.commands import CreateItem
from jobpipe.domain.job import new_job
from jobpipe.domain.queue_message import QueueMessage, seal
from jobpipe.stores.dynamodb_rows import job_to_row
from tests.bench.lambda_process import CREDENTIALS, Foundation, open_foundation
from tests.bench.rounds import in_rounds
from tests.bench.stand_in import AWS_MS, running_stand_in
from tests.helpers.memory import RETENTION

TARGET = 2.5
BATCH = 10
ROUNDS, QUICK_ROUNDS, WARM_UP = 30, 10, 5
_DOCUMENT = {"description": "For two", "price": 12.95, "tags": ["light", "green"], "stock": 7}


@dataclass(frozen=True)
class Bare:
    """The AWS calls of a create."""

    dynamodb: Any
    s3: Any
    names: Any  # of the tables and the bucket

    def accept(self) -> dict[str, Any]:
        """Put a queued job; return its message as Lambda passes it to the worker."""
        command = CreateItem(str(uuid.uuid4()), {"name": f"Tent {uuid.uuid4()}", **_DOCUMENT})
        job = new_job(command, "alice", None, now(), RETENTION)
        self.dynamodb.put_item(TableName=self.names["JobsTable"], Item=job_to_row(job))
        return {
            "messageId": job.job_id,
            "receiptHandle": job.job_id,
            "body": seal(QueueMessage.of(job, command, "r")).body,
            "attributes": {"MessageGroupId": job.item_id, "ApproximateReceiveCount": "1"},
        }

    def create(self, _: object = None) -> None:
        """Make the worker's PutObject and TransactWriteItems."""
        item_id = str(uuid.uuid4())
        self.s3.put_object(Bucket=self.names["DocumentsBucket"], Key=f"items/{item_id}/j/g/v.json", Body=b"{}" * 60)
        row = {"item_id": {"S": item_id}, "inline": {"S": "{}" * 60}}
        change = {
            "Key": {"job_id": {"S": item_id}},
            "UpdateExpression": "SET #s = :s, expires_at = :e",
            "ConditionExpression": "attribute_not_exists(#s)",
            "ExpressionAttributeNames": {"#s": "status"},
            "ExpressionAttributeValues": {":s": {"S": "succeeded"}, ":e": {"N": "1"}},
        }
        absent = {"ConditionExpression": "attribute_not_exists(item_id)"}
        self.dynamodb.transact_write_items(
            TransactItems=[
                {"Update": {"TableName": self.names["JobsTable"], **change}},
                {"Put": {"TableName": self.names["ItemsTable"], "Item": row, **absent}},
                {"Put": {"TableName": self.names["NamesTable"], "Item": {"name": row["item_id"]}, **absent}},
            ]
        )


def measure(quick: bool = False) -> dict[str, object]:
    """Return the median milliseconds of one item and of ten, and their ratio, for the worker and for bare boto3."""
    with open_foundation() as foundation:
        return measure_on(foundation, quick)


def measure_on(foundation: Foundation, quick: bool = False) -> dict[str, object]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    figures: dict[str, object] = {"target": TARGET, "batch": BATCH}
    figures["emulator"] = _measure_at(str(foundation.target.endpoint_url), foundation, rounds)
    with running_stand_in(AWS_MS) as url:
        figures["stand_in"] = {"call_ms": AWS_MS, **_measure_at(url, foundation, rounds)}
    return figures


def _measure_at(url: str, foundation: Foundation, rounds: int) -> dict[str, object]:
    bare = _bare(url, foundation)
    samples: dict[tuple[str, int], list[float]] = {
        (caller, n): [] for caller in ("worker", "bare") for n in (1, BATCH)
    }
    with foundation.running("worker", "work", url) as worker, ThreadPoolExecutor(BATCH) as threads:
        for i in range(WARM_UP + rounds):
            if i == WARM_UP:
                samples = {case: [] for case in samples}
            for items in (1, BATCH):
                invocation = worker.invoke({"Records": list(threads.map(lambda _: bare.accept(), range(items)))})
                assert invocation.answer == {"batchItemFailures": []}, invocation.answer
                samples["worker", items].append(invocation.total_ms)
                started = time.perf_counter()
                list(threads.map(bare.create, range(items)))
                samples["bare", items].append((time.perf_counter() - started) * 1000)
    return {caller: _ratio(samples[caller, 1], samples[caller, BATCH]) for caller in ("worker", "bare")}


def _bare(url: str, foundation: Foundation) -> Bare:
    session = boto3.Session(
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
    )
    config = Config(max_pool_connections=BATCH, s3={"addressing_style": "path"})
    return Bare(
        session.client("dynamodb", endpoint_url=url, config=config),
        session.client("s3", endpoint_url=url, config=config),
        foundation.outputs,
    )


def _ratio(one: list[float], ten: list[float]) -> dict[str, object]:
    return {
        "one_ms": round(median(one), 2),
        "ten_ms": round(median(ten), 2),
        "ten_to_one": round(median(ten) / median(one), 2),
        "rounds": [round(median(b) / median(a), 2) for a, b in zip(in_rounds(one), in_rounds(ten), strict=True)],
        "n": len(one),
    }


def rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the rows of the table, the header first."""
    yield "", "one ms", "ten ms", "ten / one"
    for place, name in (("emulator", "the emulator"), ("stand_in", "calls as long as AWS's")):
        for caller in ("worker", "bare"):
            each = figures[place][caller]
            yield f"{caller}, {name}", *(f"{each[n]:.2f}" for n in ("one_ms", "ten_ms", "ten_to_one"))


def main() -> None:
    for row in rows(measure("--quick" in sys.argv)):
        sys.stdout.write(f"{row[0]:34}" + "".join(f"{cell:>12}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
