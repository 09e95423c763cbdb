"""The synchronous original as a dict: the reference model of the random histories."""

from __future__ import annotations

from typing import Any

from jobpipe.domain.documents.item_rules import merge_patch


class SynchronousModel:
    """The original: it checks and writes, one request at a time."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def apply(self, item_id: str, operation: str, body: dict[str, Any]) -> int:
        if operation != "create" and item_id not in self.items:
            return 404
        if operation == "delete":
            del self.items[item_id]
            return 200
        before = self.items.get(item_id, {})
        after = merge_patch(before, body) if operation == "merge" else {**before, **body}
        if self._taken(after["name"], item_id):
            return 409
        self.items[item_id] = after
        return 200

    def _taken(self, name: str, item_id: str) -> bool:
        one = name.replace("e\u0301", "\u00e9")
        return any(
            other != item_id and item["name"].replace("e\u0301", "\u00e9") == one
            for other, item in self.items.items()
        )
