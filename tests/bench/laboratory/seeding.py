"""Fill tables by DynamoDB's import from S3, since a hundred thousand writes would take minutes."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import tenacity

from jobpipe.domain import json_text
from jobpipe.domain.clock import now, rfc3339
from jobpipe.domain.commands.command import CreateItem
from jobpipe.domain.documents.item import DocumentRef, StoredItem, new_version
from jobpipe.domain.documents.item_rules import name_key
from jobpipe.domain.job_ref import JobRef
from jobpipe.domain.jobs.job import Status, Success, new_job
from jobpipe.stores.dynamodb_rows import item_to_row, job_to_row, success_values, to_row
from tests.bench.laboratory.recorder import OWNER, document
from tests.helpers.deployed import Stage
from tests.helpers.stored import document_key

BUCKET = "bench-seeds"
_ROWS_PER_FILE = 20_000


def seed_stage(stage: Stage, items: int) -> None:
    """Add items to a stage, with their name locks and the jobs that created them, but without documents in S3."""
    ids = [str(uuid.uuid4()) for _ in range(items)]
    versions = [new_version() for _ in range(items)]

    def stored(n: int) -> StoredItem:
        text = json_text.encode(document(f"seeded {n}"))
        key = document_key(ids[n], JobRef(uuid.uuid4().hex, "0" * 16), versions[n])
        return StoredItem(ids[n], versions[n], f"seeded {n}", DocumentRef(key, "v"), text, _AT, _AT)

    def job(n: int) -> Any:
        content = document(f"seeded {n}")
        row = job_to_row(new_job(CreateItem(ids[n], content), OWNER, None, now(), timedelta(days=7)))
        return {
            **row,
            **to_row(success_values(Success(result=json_text.encode(content), result_version=versions[n]))),
            "status": {"S": Status.SUCCEEDED.value},
            "attempts": {"N": "1"},
        }

    rows: dict[str, Callable[[int], Any]] = {
        "items_table": lambda n: item_to_row(stored(n)),
        "names_table": lambda n: {"name": {"S": name_key(f"seeded {n}")}, "item_id": {"S": ids[n]}},
        "jobs_table": job,
    }
    dynamodb = stage.aws("dynamodb")
    for table, row in rows.items():
        name = stage.resources[table]
        described = dynamodb.describe_table(TableName=name)["Table"]
        dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
        dynamodb.delete_table(TableName=name)
        import_table(stage, _as_created(described), map(row, range(items)))


def import_table(stage: Stage, parameters: dict[str, Any], rows: Iterable[Any]) -> None:
    """Create a table with these rows."""
    s3, dynamodb = stage.aws("s3"), stage.aws("dynamodb")
    s3.create_bucket(Bucket=BUCKET)
    for number, portion in enumerate(_portions(rows)):
        body = "\n".join(json.dumps({"Item": row}) for row in portion)
        s3.put_object(Bucket=BUCKET, Key=f"{parameters['TableName']}/{number}.json", Body=body.encode())
    started = dynamodb.import_table(
        S3BucketSource={"S3Bucket": BUCKET, "S3KeyPrefix": f"{parameters['TableName']}/"},
        InputFormat="DYNAMODB_JSON",
        TableCreationParameters=parameters,
    )
    arn = started["ImportTableDescription"]["ImportArn"]
    until_finished = tenacity.Retrying(
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(120),
        retry=tenacity.retry_if_result(lambda status: status == "IN_PROGRESS"),
    )
    status = until_finished(
        lambda: dynamodb.describe_import(ImportArn=arn)["ImportTableDescription"]["ImportStatus"]
    )
    assert status == "COMPLETED", status


def key_schema(table: str, key: str) -> dict[str, Any]:
    """Return the parameters of a table whose key is one string."""
    return {
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    }


def _as_created(described: Any) -> dict[str, Any]:
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in described.get("GlobalSecondaryIndexes", [])
    ]
    return {
        "TableName": described["TableName"],
        "AttributeDefinitions": described["AttributeDefinitions"],
        "KeySchema": described["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    }


def _portions(rows: Iterable[Any]) -> Iterator[list[Any]]:
    source = iter(rows)
    while portion := list(itertools.islice(source, _ROWS_PER_FILE)):
        yield portion


_AT = rfc3339(now())
