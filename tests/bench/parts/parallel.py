"""`python -m tests.bench.parts.parallel`: a batch of ten different items, compared with a batch of one.

The emulator is one Python process, so it needs longer for the calls of ten items than for those of one. The same
calls by bare boto3 threads show that ceiling. On the stand-in, a call takes as long as on AWS, and ten concurrent
calls take no longer, so that the worker's own time shows.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import boto3
from botocore.config import Config

from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.jobs.job import new_job
from jobpipe.domain.jobs.queue_message import QueueMessage, seal
from jobpipe.stores.dynamodb_rows import job_to_row
from tests.bench.laboratory.lambda_process import CREDENTIALS, Foundation, Invocation, open_foundation
from tests.bench.laboratory.rounds import in_rounds
from tests.bench.laboratory.stand_in import AWS_MS, running_stand_in
from tests.bench.peers.previous_release import unpacked_worker
from tests.helpers.memory import RETENTION

TARGET = 1.15
BATCH = 10
CALLERS = {"worker": "worker", "before": "worker of the release before", "bare": "bare"}
ROUNDS, QUICK_ROUNDS, WARM_UP = 30, 10, 5
_PLACES = {"emulator": "the emulator", "stand_in": "calls as long as AWS's"}
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
    samples: dict[tuple[str, int], list[float]] = defaultdict(list)
    invocations: dict[int, list[Invocation]] = defaultdict(list)
    with (
        foundation.running("worker", "work", url) as this,
        foundation.running("worker", "work", url, unpacked_worker()) as before,
        ThreadPoolExecutor(BATCH) as threads,
    ):
        workers = {"worker": this, "before": before}
        for i in range(WARM_UP + rounds):
            if i == WARM_UP:
                samples.clear()
                invocations.clear()
            for items in (1, BATCH):
                for name, worker in workers.items():
                    records = list(threads.map(lambda _: bare.accept(), range(items)))
                    invocation = worker.invoke({"Records": records})
                    assert invocation.answer == {"batchItemFailures": []}, invocation.answer
                    samples[name, items].append(invocation.total_ms)
                    if name == "worker":
                        invocations[items].append(invocation)
                started = time.perf_counter()
                list(threads.map(bare.create, range(items)))
                samples["bare", items].append((time.perf_counter() - started) * 1000)
    return {
        **{caller: _ratio(samples[caller, 1], samples[caller, BATCH]) for caller in CALLERS},
        "profile": {str(items): _profile(found) for items, found in invocations.items()},
    }


def _profile(invocations: list[Invocation]) -> dict[str, float]:
    """Divide the worker's time into that of AWS calls, of which several may be under way, and of its own code."""
    return {
        "total_ms": round(median(each.total_ms for each in invocations), 2),
        "waiting_ms": round(median(each.waiting_ms for each in invocations), 2),
        "own_ms": round(median(each.total_ms - each.waiting_ms for each in invocations), 2),
        "calls": median(each.calls for each in invocations),
    }


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
    """Yield the header of the table, and then its rows."""
    yield "", "one ms", "ten ms", "ten / one"
    for place, name in _PLACES.items():
        for caller, title in ((each, CALLERS[each]) for each in CALLERS if each in figures[place]):
            each = figures[place][caller]
            yield f"{title}, {name}", *(f"{each[n]:.2f}" for n in ("one_ms", "ten_ms", "ten_to_one"))


def profile_rows(figures: dict[str, Any]) -> Iterable[tuple[str, ...]]:
    """Yield the rows of the table that divides the worker's time, the header first."""
    yield "the worker", "ms", "AWS calls under way", "own code", "share of own code", "calls"
    for place, name in _PLACES.items():
        for items, each in figures[place].get("profile", {}).items():
            yield (
                f"a batch of {items}, {name}",
                *(f"{each[part]:.2f}" for part in ("total_ms", "waiting_ms", "own_ms")),
                f"{each['own_ms'] / each['total_ms']:.0%}",
                f"{each['calls']:.0f}",
            )


def main() -> None:
    figures = measure("--quick" in sys.argv)
    for row in (*rows(figures), *profile_rows(figures)):
        sys.stdout.write(f"{row[0]:54}" + "".join(f"{cell:>20}" for cell in row[1:]) + "\n")


if __name__ == "__main__":
    main()
