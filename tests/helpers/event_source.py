"""The event source mapping from a queue to a function, which can be disabled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class EventSourceMapping:
    """All event source mappings of a function."""

    def __init__(self, client: Any, function: str) -> None:
        self._client = client
        mappings = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        self._ids = [mapping["UUID"] for mapping in mappings]

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Deliver no message to the function during the block."""
        self._enable(enabled=False)
        try:
            yield
        finally:
            self._enable(enabled=True)

    def _enable(self, *, enabled: bool) -> None:
        for each in self._ids:
            self._client.update_event_source_mapping(UUID=each, Enabled=enabled)
