"""The parts of the OpenAPI document that follow from the collections: paths, schemas, commands, problems."""

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

STORED = "Document"  # the components of a collection have its name before this word
_DATA = {"const", "default", "enum", "examples"}  # keywords whose values are not schemas
_MAPS = {"$defs", "dependentSchemas", "patternProperties", "properties"}  # keywords with schemas by name


def declared(registry: Registry) -> list[DeclaredCollection]:
    """Return the collections besides `items`."""
    return [each for each in registry if isinstance(each, DeclaredCollection)]


def with_collections(source: Node, registry: Registry) -> Node:
    """Return the source of the document with what the collections add."""
    if not declared(registry):
        return source
    source = copy.deepcopy(source)
    schemas, paths = source["components"]["schemas"], Node()
    schemas[STORED] = {
        "type": "object",
        "description": "A document of any collection with its id. Numbers are exactly as they were sent.",
        "properties": {"id": _ref("ItemId")},
        "required": ["id"],
        "additionalProperties": True,
    }
    for path, methods in source["paths"].items():
        if path == "/jobs":  # the paths of collections stand between those of items and those of jobs
            for collection in declared(registry):
                paths |= _paths(collection, source["paths"])
        paths[path] = methods
    for collection in declared(registry):
        source["tags"].append({"name": collection.name, "description": f"The collection {collection.name}."})
        schemas |= _schemas(collection)
        source["components"]["parameters"] |= _look_ups(collection) | _operation(collection)
    return {**source, "paths": paths}


def description_of(registry: Registry) -> Node:
    """Return what clients learn of each collection: its fields, its schema and its operations."""
    return {collection.name: _described(collection) for collection in registry}


def command_schemas(registry: Registry) -> Node:
    """Return the schemas of the raw commands of the collections, by name of component."""
    return {
        f"{prefix(collection)}{name}": schema
        for collection in declared(registry)
        for name, schema in _commands(collection).items()
    }


def refusal_pattern(registry: Registry) -> str:
    """Return a pattern for the types of problem with which operations refuse commands."""
    names = "|".join(each.name for each in declared(registry) if each.operations)
    return f"^{PROBLEM_TYPE_PREFIX}({names}):[a-z][a-z0-9-]{{0,63}}$"


def prefix(collection: Collection) -> str:
    """Return what the names of the collection's components begin with: `OpenOrders` for `open-orders`."""
    return _in_one_word(collection.name)


def _in_one_word(name: str) -> str:
    # The _ keeps `a-1` from having the components of `a1`.
    parts = (part.capitalize() for part in name.split("-"))
    return "".join(part if part[:1].isalpha() else f"_{part}" for part in parts)


def _described(collection: Collection) -> Node:
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
    """Return the collection's paths, made from those of items."""
    begins, title, name = prefix(collection), collection.title.lower(), collection.name
    ids = _operation_ids(begins, paths)
    all_documents, one = copy.deepcopy(paths["/items"]), copy.deepcopy(paths["/items/{item_id}"])
    # Schema, summary and description of each operation; the rest is as for items.
    texts = {
        "create": (
            f"{begins}Document",
            f"Queue the creation of a document of {name}, whose id the answer has",
            None,
        ),
        "list": (None, f"List a page of {name}, or look documents up by a field", _LIST),
        "get": (None, f"Return the {title} as it is committed now", None),
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
    "With the key or a unique field, the page has one document or none. With an indexed field, it has those that"
    " have the value, newest change first. A page also ends at 1 MB; the last page has no Link. A document that"
    " cannot be read is left out and named in a header."
)


def _operation_ids(begins: str, paths: Node) -> dict[str, str]:
    """Return the operations' ids by verb: `createOrders`, but `createItem_`, since items have `createItem`."""
    taken = {each["operationId"] for methods in paths.values() for each in methods.values()}
    verbs = ("create", "list", "get", "put", "patch", "delete", "run")
    return {verb: f"{verb}{begins}" + ("_" if f"{verb}{begins}" in taken else "") for verb in verbs}


def _adapt(operation: Node, ids: Mapping[str, str], verb: str) -> None:
    """Replace what belongs to items in the answers and problems of an operation."""
    for status, of_items in operation["responses"].items():
        answer = copy.deepcopy(of_items)
        answer.pop("example", None)
        if answer["schema"] == "Item":
            answer |= {"schema": STORED, "description": answer["description"].replace("item", "document")}
        if verb == "list":
            answer["schema"] = {**answer["schema"], "items": _ref(STORED)}
        if status == "201":
            answer["links"] = {
                each: {**answer["links"][each], "operationId": ids[each]}
                for each in ("get", "put", "patch", "delete")
            }
        operation["responses"][status] = answer
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
    document = _moved(collection.code.contract()["schema"], root)
    operations = _operations(collection)
    no_id = {"not": {"required": ["id"]}}
    schemas: Node = {
        f"{begins}Document": {k: v for k, v in document.items() if k not in {"$schema", "$id"}},
        f"{begins}Fields": {
            "type": "object",
            "description": f"The given members are set, the others stay as they are. {_CHECKED}",
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
            "description": "The members that the operation takes.",
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
        name = _in_one_word(operation)
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


def _moved(schema: Any, root: str) -> Any:
    """Return the schema for its place in the document: a reference inside it starts at that place."""
    if not isinstance(schema, dict):
        return [_moved(each, root) for each in schema] if isinstance(schema, list) else schema
    moved: Node = {}
    for keyword, value in schema.items():
        if keyword in _DATA:
            moved[keyword] = value
        elif keyword in _MAPS and isinstance(value, dict):
            moved[keyword] = {name: _moved(each, root) for name, each in value.items()}
        elif keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[keyword] = f"{root}{value[1:]}"
        else:
            moved[keyword] = _moved(value, root)
    return moved


def _ref(name: str) -> Node:
    return {"$ref": f"#/components/schemas/{name}"}
