"""The collections that a deployment serves, read from `x-jobpipe-collections` of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

from jobpipe_client.exceptions import BadAnswer
from jobpipe_client.http.responses import document
from jobpipe_client.http.transport import Transport

EXTENSION = "x-jobpipe-collections"
_MOST_REFERENCES = 50  # a longer chain is taken for a circle

Schema = Mapping[str, Any] | bool


@dataclass(frozen=True, slots=True)
class OperationInfo:
    """One operation of a collection: what it does, and the schemas of its members."""

    description: str
    takes: Mapping[str, Any]  # the members that it needs
    optional: Mapping[str, Any]  # the members that it may have


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
    key: str | None  # the field from which the id derives; without one there is no upsert
    unique: tuple[str, ...]  # fields of which no two documents share a value
    indexes: tuple[str, ...]  # fields by which documents can be looked up
    access: str  # "shared" or "own"
    types: Mapping[str, str]  # of these fields: "string" or "integer"
    operations: Mapping[str, OperationInfo]
    schema: Mapping[str, Any]  # JSON Schema of a document
    definitions: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The document that references such as `#/components/schemas/Line` point into."""

    def resolved(self, schema: Schema) -> Schema:
        """Return the schema that a reference leads to, or the schema itself; True if it leads nowhere."""
        for _ in range(_MOST_REFERENCES):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                return schema
            found = _at(self.definitions, reference)
            found = _at(self.schema, reference) if found is None else found
            if not isinstance(found, Mapping | bool):
                return True
            schema = found
        return True


def read_catalogue(transport: Transport) -> dict[str, CollectionInfo]:
    """Return the collections by name; an older release names none. Raise BadAnswer if they cannot be read."""
    contract = document(transport.get("/openapi.json"))
    try:
        described = contract.get(EXTENSION) or {}
        return {str(name): _collection(str(name), each, contract) for name, each in described.items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadAnswer("the collections in /openapi.json have another form") from None


def _collection(name: str, described: Mapping[str, Any], contract: Mapping[str, Any]) -> CollectionInfo:
    key = described.get("key")
    info = CollectionInfo(
        name=name,
        title=str(described.get("title") or name),
        key=None if key is None else str(key),
        unique=tuple(map(str, described.get("unique") or ())),
        indexes=tuple(map(str, described.get("indexes") or ())),
        access=str(described.get("access") or "shared"),
        types=dict(described.get("types") or {}),
        operations={
            str(operation): OperationInfo(
                description=str(each.get("description") or ""),
                takes=dict(each.get("takes") or {}),
                optional=dict(each.get("optional") or {}),
            )
            for operation, each in (described.get("operations") or {}).items()
        },
        schema={},
        definitions=contract,
    )
    schema = info.resolved(described.get("schema") or {})
    return replace(info, schema=schema if isinstance(schema, Mapping) else {})


def _at(root: Mapping[str, Any], reference: str) -> Any:
    """Return what a JSON pointer in a reference points at, or None."""
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
