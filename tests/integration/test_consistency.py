"""P6: when the queue is empty, rows, name locks and bucket agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import tenacity

from jobpipe.domain.documents.item_rules import name_key
from tests.helpers.deployed import Stage, unique


def rows(stage: Stage, table: str) -> Iterator[dict[str, Any]]:
    pages = (
        stage.aws("dynamodb").get_paginator("scan").paginate(TableName=stage.resources[table], ConsistentRead=True)
    )
    return (row for page in pages for row in page["Items"])


def keys(stage: Stage) -> set[str]:
    pages = stage.aws("s3").get_paginator("list_objects_v2").paginate(Bucket=stage.resources["documents_bucket"])
    return {entry["Key"] for page in pages for entry in page.get("Contents", [])}


def test_stores_agree_when_the_queue_is_empty(stage: Stage) -> None:
    client = stage.client
    jobs = [client.create({"name": unique("Lamp"), "description": "Shines"}) for _ in range(6)]
    ids = [job.item_id for job in jobs]
    jobs += [client.merge(item_id, {"x": 1}) for item_id in ids]
    renamed = unique("Renamed")
    jobs += [client.update(item_id, {"name": renamed}) for item_id in ids[:3]]  # one of them gets it
    jobs += [client.delete(item_id) for item_id in ids[3:]]
    for job in [client.read(item_id) for item_id in ids]:
        client.wait(job)

    @tenacity.retry(stop=tenacity.stop_after_delay(20), wait=tenacity.wait_fixed(0.1), reraise=True)
    def agree() -> None:
        assert stage.counts()[2] == 0
        items = list(rows(stage, "items_table"))
        names = {row["name"]["S"]: row["item_id"]["S"] for row in rows(stage, "names_table")}
        assert names == {name_key(row["name"]["S"]): row["item_id"]["S"] for row in items}
        needed = {row["claim"]["S"] for row in rows(stage, "jobs_table") if "claim" in row}  # failed jobs
        stored = keys(stage)
        claims = {key for key in stored if key.startswith("claims/")}
        documents = [row for row in rows(stage, "collections_table") if "document_key" in row]
        assert stored - claims == {row["document_key"]["S"] for row in [*items, *documents]}
        assert claims <= needed, "other tests store jobs whose claim check does not exist"

    agree()
    assert all(client.job(job.id).done for job in jobs)
    assert renamed in {row["name"]["S"] for row in rows(stage, "items_table")}


def test_the_row_of_a_job_expires_after_seven_days(stage: Stage) -> None:
    job = stage.client.wait(stage.client.create({"name": unique("Rope"), "description": "Long"}))
    row = stage.aws("dynamodb").get_item(
        TableName=stage.resources["jobs_table"], Key={"job_id": {"S": job.id}}, ConsistentRead=True
    )["Item"]
    days = (int(row["expires_at"]["N"]) - job.updated_at.timestamp()) / 86400
    assert 6.9 < days < 7.1
