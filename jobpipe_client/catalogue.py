"""The collections that a deployment serves, read from `x-jobpipe-collections` of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from jobpipe_client.exceptions import InvalidResponse
from jobpipe_client.http.responses import parse_json
from jobpipe_client.http.transport import Transport

EXTENSION = "x-jobpipe-collections"
_MAX_REFERENCES = 50  # a longer chain is taken for a cycle

Schema = Mapping[str, Any] | bool


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """One operation of a collection: what it does, and the schemas of its members."""

    description: str
    takes: Mapping[str, Any]  # the required members
    optional: Mapping[str, Any]  # the optional members


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection as the deployment describes it.

    >>> info = client.collections()["orders"]
    >>> info.key, info.unique, info.indexes, sorted(info.operations)
    ('number', ('invoice',), ('customer',), ['ship'])
    >>> info.schema["properties"]["lines"]["type"]
    'array'
    """

    name: str
    title: str  # of one document, such as "Order"
    key: str | None  # the field from which the id is derived; upserts need one
    unique: tuple[str, ...]  # the fields whose values must differ between documents
    indexes: tuple[str, ...]  # the fields by which documents can be looked up
    access: str  # "shared" or "own"
    types: Mapping[str, str]  # "string" or "integer", for each key, unique or indexed field
    operations: Mapping[str, OperationInfo]
    schema: Mapping[str, Any]  # the JSON Schema of a document
    definitions: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The document into which references such as `#/components/schemas/Line` point."""

    def resolved(self, schema: Schema) -> Schema:
        """Return the schema, with a reference replaced by its target; True if the target does not exist."""
        for _ in range(_MAX_REFERENCES):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                return schema
            target = _resolve_pointer(self.definitions, reference)
            target = _resolve_pointer(self.schema, reference) if target is None else target
            if not isinstance(target, Mapping | bool):
                return True
            schema = target
        return True


def read_catalogue(transport: Transport) -> dict[str, CollectionInfo]:
    """Return the collections by name; none from an older service. Raise InvalidResponse if they cannot be read."""
    contract = parse_json(transport.get("/openapi.json"))
    try:
        descriptions = contract.get(EXTENSION) or {}
        return {str(name): _parse_collection(str(name), each, contract) for name, each in descriptions.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidResponse("the collections in /openapi.json have an unexpected form") from None


def _parse_collection(name: str, description: Mapping[str, Any], contract: Mapping[str, Any]) -> CollectionInfo:
    key = description.get("key")
    info = CollectionInfo(
        name=name,
        title=str(description.get("title") or name),
        key=None if key is None else str(key),
        unique=tuple(map(str, description.get("unique") or ())),
        indexes=tuple(map(str, description.get("indexes") or ())),
        access=str(description.get("access") or "shared"),
        types=dict(description.get("types") or {}),
        operations={
            str(operation): OperationInfo(
                description=str(each.get("description") or ""),
                takes=dict(each.get("takes") or {}),
                optional=dict(each.get("optional") or {}),
            )
            for operation, each in (description.get("operations") or {}).items()
        },
        schema={},
        definitions=contract,
    )
    schema = info.resolved(description.get("schema") or {})
    return replace(info, schema=schema if isinstance(schema, Mapping) else {})


def _resolve_pointer(root: Mapping[str, Any], reference: str) -> Any:
    """Return the value to which a JSON pointer in a reference points, or None."""
    if not reference.startswith("#"):
        return None
    found: Any = root
    for step in reference[1:].split("/")[1:]:
        name = unquote(step).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found
