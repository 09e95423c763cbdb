"""The shell command that a deployment shows as a first request to the stage."""

import shlex
from collections.abc import Sequence
from typing import Any

from infra.collections.folder import CollectionSource
from infra.collections.generated import check_of
from infra.stage.stage_file import Deployment
from jobpipe.domain import json_text

_ITEM = {"name": "first item", "description": "made by a pasted line"}


def curl_line(deployment: Deployment, collections: Sequence[CollectionSource]) -> str:
    """Return a shell command that creates a document of the first collection, or an item if there is none.

    The document comes from the `examples` in the collection's schema; without any, the command lists the documents.
    """
    name = "items"
    document: Any = _ITEM
    if collections:
        name, document = collections[0].name, _example(collections[0])
    parts = ["curl", "-sS", f"{deployment.base_url}/{name}", "-H", f"x-api-key: {deployment.api_key}"]
    if document is None:
        return shlex.join(parts)
    for header in ("Content-Type: application/json", "Prefer: wait=10"):
        parts += ["-H", header]
    return shlex.join([*parts, "-d", json_text.encode(document)])


def _example(source: CollectionSource) -> Any:
    """Return the first example that the API would accept, or None."""
    check = check_of(source.schema_code)
    for example in source.schema.get("examples", []):
        found: list[str] = []
        check(example, lambda detail, _, found=found: found.append(detail))
        if not found and (source.settings.key is None or source.settings.key in example):
            return example
    return None
