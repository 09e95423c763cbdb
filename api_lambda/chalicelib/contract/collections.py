"""The parts of the OpenAPI document that depend on the collections: paths, schemas, commands, problems."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from jobpipe.domain.commands.command import COMMANDS, COMMON_MEMBERS, IF_MATCH, Command, UpsertItem
from jobpipe.domain.documents.collection import Collection, Registry
from jobpipe.domain.documents.declared_collection import DeclaredCollection
from jobpipe.domain.documents.field_values import INTEGER, MAX_VALUE_LENGTH
from jobpipe.domain.errors import OPERATION_REFUSED, PROBLEM_TYPE_PREFIX

Node = dict[str, Any]

STORED = "Document"  # a collection's components have the collection's name before this word
_DATA = {"const", "default", "enum", "examples"}  # keywords whose values are not schemas
_MAPS = {"$defs", "dependentSchemas", "patternProperties", "properties"}  # keywords with schemas by name


def declared_collections(registry: Registry) -> list[DeclaredCollection]:
    """Return the collections other than `items`."""
    return [each for each in registry if isinstance(each, DeclaredCollection)]


def add_collections(source: Node, registry: Registry) -> Node:
    """Return the source of the document with the parts of the collections added."""
    if not declared_collections(registry):
        return source
    source = copy.deepcopy(source)
    schemas, paths = source["components"]["schemas"], Node()
    schemas[STORED] = {
        "type": "object",
        "description": "A document of any collection with its id. Numbers are exactly as sent.",
        "properties": {"id": _ref("ItemId")},
        "required": ["id"],
        "additionalProperties": True,
    }
    for path, methods in source["paths"].items():
        if path == "/jobs":  # the paths of collections stand between those of items and those of jobs
            for collection in declared_collections(registry):
                paths |= _paths(collection, source["paths"])
        paths[path] = methods
    for collection in declared_collections(registry):
        source["tags"].append({"name": collection.name, "description": f"The collection {collection.name}."})
        schemas |= _schemas(collection)
        source["components"]["parameters"] |= _look_ups(collection) | _operation(collection)
    return {**source, "paths": paths}


def describe_collections(registry: Registry) -> Node:
    """Return the description of each collection for clients: its fields, its schema and its operations."""
    return {collection.name: _describe(collection) for collection in registry}


def command_schemas(registry: Registry) -> Node:
    """Return the schemas of the collections' raw commands, by component name."""
    return {
        f"{prefix(collection)}{name}": schema
        for collection in declared_collections(registry)
        for name, schema in _commands(collection).items()
    }


def refusal_pattern(registry: Registry) -> str:
    """Return a pattern for the problem types with which operations refuse commands."""
    names = "|".join(each.name for each in declared_collections(registry) if each.operations)
    return f"^{PROBLEM_TYPE_PREFIX}({names}):[a-z][a-z0-9-]{{0,63}}$"


def prefix(collection: Collection) -> str:
    """Return the prefix of the names of the collection's components: `OpenOrders` for `open-orders`."""
    return _camel_case(collection.name)


def _camel_case(name: str) -> str:
    # With the _, the component names of `a-1` and `a1` differ.
    parts = (part.capitalize() for part in name.split("-"))
    return "".join(part if part[:1].isalpha() else f"_{part}" for part in parts)


def _describe(collection: Collection) -> Node:
    own = isinstance(collection, DeclaredCollection)
    return {
        "title": collection.title,
        "key": collection.key,
        "unique": list(collection.unique),
        "indexes": list(collection.indexes),
        "access": "own" if collection.own else "shared",
        "types": dict(collection.types),
        "schema": _ref(f"{prefix(collection)}Document" if own else "NewItem"),
        "operations": _operations(collection) if isinstance(collection, DeclaredCollection) else {},
    }


def _operations(collection: DeclaredCollection) -> Mapping[str, Node]:
    operations: Mapping[str, Node] = collection.code.contract()["operations"]
    return operations


def _paths(collection: DeclaredCollection, paths: Node) -> Node:
    """Return the collection's paths, derived from the paths of items."""
    begins, title, name = prefix(collection), collection.title.lower(), collection.name
    ids = _operation_ids(begins, paths)
    all_documents, one = copy.deepcopy(paths["/items"]), copy.deepcopy(paths["/items/{item_id}"])
    # The schema, summary and description of each operation; the rest is the same as for items.
    texts = {
        "create": (
            f"{begins}Document",
            f"Queue the creation of a document of {name}, whose id is in the response",
            None,
        ),
        "list": (None, f"List a page of {name}, or look documents up by a field", _LIST),
        "get": (None, f"Return the committed version of the {title}", None),
        "put": (f"{begins}Fields", f"Queue a command that sets the given fields of a document of {name}", _CHECKED),
        "patch": (f"{begins}Patch", f"Queue an RFC 7396 merge patch of a document of {name}", _CHECKED),
        "delete": (None, f"Queue the deletion of a document of {name}", None),
    }
    by_verb = {
        "create": all_documents["post"],
        "list": all_documents["get"],
        **{verb: one[verb] for verb in ("get", "put", "patch", "delete")},
    }
    for verb, operation in by_verb.items():
        body, summary, description = texts[verb]
        operation |= {"operationId": ids[verb], "summary": summary, "tags": [name]}
        if description:
            operation["description"] = description
        if body:
            operation["requestBody"] = body
        _adapt(operation, ids, verb)
    all_documents["get"]["parameters"] += list(_look_ups(collection))
    all_documents["get"]["problems"] = [*all_documents["get"]["problems"], "index-building"]
    found = {f"/{name}": all_documents, f"/{name}/{{item_id}}": one}
    if collection.operations:
        run = copy.deepcopy(one["put"])
        run |= {
            "operationId": ids["run"],
            "summary": f"Queue an operation for a document of {name}",
            "description": " ".join(
                f"`{operation}`: {each['description']}" for operation, each in _operations(collection).items()
            ),
            "parameters": [*run["parameters"], f"{begins}_operation"],
            "requestBody": f"{begins}Members",
            "body_required": False,
        }
        run["problems"] = [*run["problems"], OPERATION_REFUSED]
        found[f"/{name}/{{item_id}}/{{operation}}"] = {"post": run}
    return found


_CHECKED = "The document must fit its schema afterwards; otherwise the job fails with 400."
_LIST = (
    "With the key or a unique field, the page has one document or none. With an indexed field, it has the documents"
    " with this value, newest change first. A page also ends at 1 MB; the last page has no Link. A document that"
    " cannot be read is left out, and its id is in a header."
)


def _operation_ids(begins: str, paths: Node) -> dict[str, str]:
    """Return the operations' ids by verb: `createOrders`, but `createItem_`, since items have `createItem`."""
    taken = {each["operationId"] for methods in paths.values() for each in methods.values()}
    verbs = ("create", "list", "get", "put", "patch", "delete", "run")
    return {verb: f"{verb}{begins}" + ("_" if f"{verb}{begins}" in taken else "") for verb in verbs}


def _adapt(operation: Node, ids: Mapping[str, str], verb: str) -> None:
    """Replace the parts that belong to items in the responses and problems of an operation."""
    for status, of_items in operation["responses"].items():
        response = copy.deepcopy(of_items)
        response.pop("example", None)
        if response["schema"] == "Item":
            response |= {"schema": STORED, "description": response["description"].replace("item", "document")}
        if verb == "list":
            response["schema"] = {**response["schema"], "items": _ref(STORED)}
        if status == "201":
            response["links"] = {
                each: {**response["links"][each], "operationId": ids[each]}
                for each in ("get", "put", "patch", "delete")
            }
        operation["responses"][status] = response
    operation["problems"] = [_without_names(each) for each in operation["problems"]]


def _without_names(problem: Any) -> Any:
    if isinstance(problem, list):
        return [_without_names(each) for each in problem]
    return "not-unique" if problem == "name-taken" else problem


def _look_ups(collection: DeclaredCollection) -> Node:
    begins = prefix(collection)
    fields = (*((collection.key,) if collection.key else ()), *collection.unique, *collection.indexes)
    return {f"{begins}_by_{_component(field)}": _look_up(collection, field) for field in fields}


def _operation(collection: DeclaredCollection) -> Node:
    if not collection.operations:
        return {}
    return {
        f"{prefix(collection)}_operation": {
            "name": "operation",
            "in": "path",
            "description": "The operation of the collection.",
            "schema": {"type": "string", "enum": list(collection.operations)},
            "required": True,
        }
    }


def _look_up(collection: DeclaredCollection, field: str) -> Node:
    whole = collection.types[field] == INTEGER
    schema = {"type": "integer"} if whole else {"type": "string", "minLength": 1, "maxLength": MAX_VALUE_LENGTH}
    return {
        "name": field,
        "in": "query",
        "description": f"Only documents with this {field}." if field in collection.indexes else f"The {field}.",
        "schema": schema,
    }


def _component(field: str) -> str:
    return "".join(each if each.isascii() and each.isalnum() else f"_{ord(each):x}_" for each in field)


def _schemas(collection: DeclaredCollection) -> Node:
    begins, root = prefix(collection), f"#/components/schemas/{prefix(collection)}Document"
    document = _rebase(collection.code.contract()["schema"], root)
    operations = _operations(collection)
    no_id = {"not": {"required": ["id"]}}
    schemas: Node = {
        f"{begins}Document": {k: v for k, v in document.items() if k not in {"$schema", "$id"}},
        f"{begins}Fields": {
            "type": "object",
            "description": f"The given members are set; the others stay unchanged. {_CHECKED}",
            "minProperties": 1,
            **no_id,
            "additionalProperties": True,
        },
        f"{begins}Patch": {
            "type": "object",
            "description": f"RFC 7396: null removes a member. {_CHECKED}",
            **no_id,
            "additionalProperties": True,
        },
    }
    if operations:
        bodies = [_members_of(each, {}) for each in operations.values()]
        schemas[f"{begins}Members"] = {
            "description": "The members that the operation accepts.",
            "anyOf": bodies,
        }
    return schemas


def _members_of(operation: Node, further: Node) -> Node:
    return {
        "type": "object",
        "properties": {**further, **operation["takes"], **operation["optional"]},
        "required": [*operation["takes"]],
        "additionalProperties": False,
    }


def _commands(collection: DeclaredCollection) -> Node:
    begins = prefix(collection)
    bodies = {
        "NewItem": f"{begins}Document",
        "FieldsToSet": f"{begins}Fields",
        "MergePatch": f"{begins}Patch",
    }
    kinds: tuple[type[Command], ...] = (*COMMANDS, *((UpsertItem,) if collection.key else ()))
    schemas = {}
    for kind in kinds:
        members = {
            name: _ref(bodies[each["$ref"].rpartition("/")[2]])
            if str(each.get("$ref", "")).rpartition("/")[2] in bodies
            else each
            for name, each in {**kind.needs, **kind.may_have, **COMMON_MEMBERS}.items()
        }
        name = f"{(kind.distinguishing_member or kind.operation).capitalize()}Command"
        schemas[name] = _command(collection, kind.operation, members, list(kind.needs))
    for operation, each in _operations(collection).items():
        members = {
            "item_id": _ref("ItemId"),
            **each["takes"],
            **each["optional"],
            "if_match": IF_MATCH,
            **COMMON_MEMBERS,
        }
        name = _camel_case(operation)
        schemas[f"{name}Operation"] = _command(collection, operation, members, ["item_id", *each["takes"]])
    return schemas


def _command(collection: DeclaredCollection, operation: str, members: Node, needed: list[str]) -> Node:
    return {
        "type": "object",
        "properties": {
            "operation": {"type": "string", "const": operation},
            "collection": {"type": "string", "const": collection.name},
            **members,
        },
        "required": ["operation", "collection", *needed],
        "additionalProperties": False,
    }


def _rebase(schema: Any, root: str) -> Any:
    """Return the schema for its place in the document: its internal references start at `root`."""
    if not isinstance(schema, dict):
        return [_rebase(each, root) for each in schema] if isinstance(schema, list) else schema
    rebased: Node = {}
    for keyword, value in schema.items():
        if keyword in _DATA:
            rebased[keyword] = value
        elif keyword in _MAPS and isinstance(value, dict):
            rebased[keyword] = {name: _rebase(each, root) for name, each in value.items()}
        elif keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            rebased[keyword] = f"{root}{value[1:]}"
        else:
            rebased[keyword] = _rebase(value, root)
    return rebased


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}
