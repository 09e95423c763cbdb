"""A jobs table with its indexes in memory, for reads: DynamoDB does not define the order of equal sort keys."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jobpipe.runtime.aws import AwsClients

_KEYS = {
    "lists": ("owner_shard", "listed"),
    "trouble": ("owner", "trouble"),
    "recent": ("owner_shard", "created_at"),
}


@dataclass
class JobTable:
    """Rows by job id; `calls` counts what was read."""

    rows: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)  # entries of an index whose jobs are gone from the table
    calls: Counter[str] = field(default_factory=Counter)
    seed: int = 0

    @property
    def clients(self) -> AwsClients:
        return AwsClients(make=lambda *_, **__: self)

    def query(self, *, IndexName: str, Limit: int, **request: Any) -> Any:  # noqa: N803
        partition, order = _KEYS[IndexName]
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items()}
        assert request["ExpressionAttributeNames"] == {"#key": partition, "#order": order}
        assert not request["ScanIndexForward"]
        assert "" < values[":from"] <= values[":to"], "DynamoDB refuses such a range"
        found = [
            row
            for row in self._entries(IndexName)
            if row[partition]["S"] == values[":key"] and values[":from"] <= row[order]["S"] <= values[":to"]
        ]
        found.sort(key=lambda row: row[order]["S"], reverse=True)
        self.calls["query"] += 1
        return self._page(found, IndexName, Limit, request.get("ExclusiveStartKey"))

    def scan(self, *, IndexName: str, Limit: int, **request: Any) -> Any:  # noqa: N803
        assert Limit > 0
        self.calls["scan"] += 1
        return self._page(self._entries(IndexName), IndexName, Limit, request.get("ExclusiveStartKey"))

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        ((table, wanted),) = RequestItems.items()
        ids = [key["job_id"]["S"] for key in wanted["Keys"]]
        assert 1 <= len(set(ids)) == len(ids) <= 100, "DynamoDB returns at most 100 rows, each once"
        self.calls["rows"] += len(ids)
        return {"Responses": {table: [self.rows[job_id] for job_id in ids if job_id in self.rows]}}

    def _entries(self, index: str) -> list[Any]:
        """Return the rows that have the index's attributes, always in the same random order."""
        rows = [row for row in (*self.rows.values(), *self.hidden.values()) if row.keys() >= set(_KEYS[index])]
        random.Random(self.seed).shuffle(rows)
        return rows

    def _page(self, rows: list[Any], index: str, limit: int, start: Any) -> Any:
        keys = [{name: row[name] for name in ("job_id", *_KEYS[index])} for row in rows]
        first = keys.index(start) + 1 if start else 0
        page = rows[first : first + limit]
        # DynamoDB gives a last key whenever the limit was reached.
        last = {"LastEvaluatedKey": keys[first + limit - 1]} if len(page) == limit else {}
        return {"Items": page, **last}
