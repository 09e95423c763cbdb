"""The OpenAPI document says the API's routes, limits, problems and examples."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from api_lambda.chalicelib.contract.openapi import COLLECTION_PROBLEMS, GATEWAY_PROBLEMS, document
from api_lambda.chalicelib.endpoints.routes import ROUTES
from infra.templates.gateway_responses import GATEWAY_RESPONSES
from jobpipe.domain.documents.item_rules import check_fields_to_set, check_item_id
from jobpipe.domain.errors import PROBLEM_TYPE_PREFIX, ProblemError, Refusal
from tests.helpers.documented import Documented, documented
from tests.helpers.memory import RETENTION
from tests.helpers.pipeline import Pipeline

DOCUMENT = document(RETENTION)
COMPONENTS = DOCUMENT["components"]
ROOT = Path(__file__).parents[3]
OPERATION_OF = {
    (method.upper(), path): operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
GOOD = {"name": "Tent", "description": "For two"}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from nodes(each)


def follow(node: dict[str, Any]) -> dict[str, Any]:
    """Return the target of a reference."""
    while "$ref" in node:
        _, kind, name = node["$ref"].removeprefix("#/").split("/")
        node = COMPONENTS[kind][name]
    return node


def problem_types(operation: dict[str, Any], status: str) -> set[str]:
    schema = follow(operation["responses"][status])["content"]["application/problem+json"]["schema"]
    return {kind.removeprefix(PROBLEM_TYPE_PREFIX) for kind in schema["properties"]["type"]["enum"]}


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_the_document_has_exactly_the_routes() -> None:
    assert set(OPERATION_OF) == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = OPERATION_OF[route.method, route.path]
        assert (operation.get("security") == []) == route.open
        assert ("403" in operation["responses"]) != route.open
        assert operation["summary"]
        in_path = {follow(part)["name"] for part in operation.get("parameters", []) if follow(part)["in"] == "path"}
        assert in_path == {part[1:-1] for part in route.path.split("/") if part.startswith("{")}


def test_operations_have_unique_names() -> None:
    names = [operation["operationId"] for operation in OPERATION_OF.values()]
    assert len(names) == len(set(names))
    links = {node["operationId"] for node in nodes(COMPONENTS | DOCUMENT["paths"]) if "operationId" in node}
    assert links == set(names)


def test_every_component_is_used() -> None:
    used = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}
    kinds = ("schemas", "parameters", "responses", "headers")
    assert used >= {f"#/components/{kind}/{name}" for kind in kinds for name in COMPONENTS[kind]}


def test_the_document_has_every_problem() -> None:
    """These are the problems of all classes, and those of the gateway's table."""
    every = _problems(ProblemError)
    own_problems = {(each.status, each.slug) for each in every if each.slug not in COLLECTION_PROBLEMS}
    gateways = {(refused.status, refused.slug) for refused in GATEWAY_PROBLEMS}
    types = {
        kind.removeprefix(PROBLEM_TYPE_PREFIX)
        for kind in COMPONENTS["schemas"]["Problem"]["properties"]["type"]["enum"]
    }
    assert types == {slug for _, slug in own_problems | gateways}
    answered = {
        (int(status), slug)
        for operation in OPERATION_OF.values()
        for status in operation["responses"]
        if int(status) >= 400
        for slug in problem_types(operation, status)
    }
    assert answered == own_problems | gateways


def test_the_gateways_problems_are_those_of_its_templates() -> None:
    for response in GATEWAY_RESPONSES:
        of_it = [refused for refused in GATEWAY_PROBLEMS if refused.slug == response.slug]
        if response.status is None:
            family = response.response_type[-3]
            of_it = [refused for refused in of_it if str(refused.status).startswith(family)]
        else:
            of_it = [refused for refused in of_it if refused.status == response.status]
        assert of_it, response
        assert {refused.says_status for refused in of_it} == {response.status is not None}
        assert {refused.title for refused in of_it} == {response.title}
    slugs = {response.slug for response in GATEWAY_RESPONSES}
    assert {refused.slug for refused in GATEWAY_PROBLEMS} <= slugs


@pytest.mark.parametrize("schema", ["NewItem", "FieldsToSet", "MergePatch", "Command"])
def test_the_examples_are_accepted(pipeline: Pipeline, schema: str) -> None:
    item_id = pipeline.do("POST", "/items", GOOD)["item_id"]
    method, target = {
        "NewItem": ("POST", "/items"),
        "FieldsToSet": ("PUT", f"/items/{item_id}"),
        "MergePatch": ("PATCH", f"/items/{item_id}"),
        "Command": ("POST", "/jobs"),
    }[schema]
    for example in COMPONENTS["schemas"][schema]["examples"]:
        assert pipeline.do(method, target, example)["status"] == "succeeded"


def test_the_examples_of_answers_are_answers(pipeline: Pipeline) -> None:
    checker = documented()
    for name in ("Job", "Item"):
        for example in COMPONENTS["schemas"][name]["examples"]:
            checker.check_value(f"/components/schemas/{name}", example, name)
    accepted = pipeline.request("POST", "/items", COMPONENTS["schemas"]["NewItem"]["examples"][0])
    assert list(accepted.json) == list(COMPONENTS["schemas"]["Job"]["examples"][0])
    pipeline.drain()
    shown = pipeline.request("GET", f"/items/{accepted.json['item_id']}").json
    assert list(shown) == list(COMPONENTS["schemas"]["Item"]["examples"][0])


def test_every_example_is_one_of_its_schema() -> None:
    """Tools that serve the document serve the examples of parameters, headers, schemas and answers."""
    checker, found = documented(), 0

    def check(node: Any, pointer: str) -> None:
        nonlocal found
        if isinstance(node, list):
            for place, each in enumerate(node):
                check(each, f"{pointer}/{place}")
        if not isinstance(node, dict):
            return
        if "example" in node:
            checker.check_value(f"{pointer}/schema", node["example"], pointer)
            found += 1
        if isinstance(node.get("examples"), list):
            for example in node["examples"]:
                checker.check_value(pointer, example, pointer)
                found += 1
        for name, each in node.items():
            if name not in {"example", "examples"}:
                check(each, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")

    check(DOCUMENT, "")
    assert found >= len(COMPONENTS["headers"]) + len(COMPONENTS["responses"])
    contents = [media for answer in COMPONENTS["responses"].values() for media in answer["content"].values()]
    assert [part for part in (*COMPONENTS["headers"].values(), *contents) if "example" not in part] == []


def test_client_generators_find_what_they_need() -> None:
    """No schema is false, and each value has a type; otherwise generators fail, or lose members."""
    schemas = [node for node in nodes(COMPONENTS) if {"const", "enum"} & node.keys()]
    assert len(schemas) > 30
    assert [schema for schema in schemas if "type" not in schema] == []
    for name, schema in COMPONENTS["schemas"].items():
        assert not [member for member, of in schema.get("properties", {}).items() if not isinstance(of, dict)], name
    for name in ("NewItem", "FieldsToSet", "MergePatch"):
        assert COMPONENTS["schemas"][name]["not"] == {"required": ["id"]}
    assert "anyOf" not in {key for node in nodes(DOCUMENT) for key in node}, "typescript-fetch merges its members"
    assert DOCUMENT["servers"][0]["url"] == "."


@pytest.mark.parametrize("schema", ["NewItem", "FieldsToSet", "MergePatch"])
def test_an_item_with_an_id_does_not_fit_the_schema(schema: str) -> None:
    with pytest.raises(AssertionError):
        documented().check_value(f"/components/schemas/{schema}", {**GOOD, "id": None}, schema)


def test_limits_are_those_of_the_api(pipeline: Pipeline) -> None:
    """The API accepts the largest allowed value and refuses the next one."""
    schemas, parameters = COMPONENTS["schemas"], COMPONENTS["parameters"]
    job = pipeline.request("POST", "/items", GOOD).json["id"]
    pipeline.drain()
    page, wait = parameters["limit"]["schema"], parameters["wait"]["schema"]["oneOf"][0]
    prefer, if_match = parameters["prefer"]["schema"]["maxLength"], parameters["if_match"]["schema"]["maxLength"]
    name, item_id = schemas["ItemName"]["maxLength"], schemas["ItemId"]["maxLength"]

    def status_of(method: str, target: str, body: Any = None, **headers: str) -> int:
        return pipeline.request(method, target, body, headers=headers).status

    for value, status in ((page["maximum"], 200), (page["maximum"] + 1, 400), (page["minimum"] - 1, 400)):
        assert status_of("GET", f"/items?limit={value}") == status
    for value, status in ((wait["maximum"], 200), (wait["maximum"] + 1, 400), ("", 200)):
        assert status_of("GET", f"/jobs/{job}?wait={value}") == status
    for more, status in ((0, 202), (1, 400)):
        assert status_of("POST", "/items", {**GOOD, "name": "x" * (name + more)}) == status
        assert status_of("PUT", f"/items/{'i' * (item_id + more)}", {"x": 1}) == status
        assert status_of("POST", "/items", GOOD, prefer="x" * (prefer + more)) == status
        assert status_of("DELETE", "/items/i", **{"if-match": f'"{"x" * (if_match - 2 + more)}"'}) == status


def test_the_api_accepts_the_characters_that_the_document_allows() -> None:
    name, item_id = (re.compile(COMPONENTS["schemas"][kind]["pattern"]) for kind in ("ItemName", "ItemId"))
    characters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]

    def taken(check: Callable[[str], object]) -> list[str]:
        return [each for each in characters if not refuses(check, f"a{each}a")]

    def refuses(check: Callable[[str], object], text: str) -> bool:
        try:
            check(text)
        except Refusal:
            return True
        return False

    assert taken(lambda text: check_fields_to_set({"name": text})) == [
        c for c in characters if name.search(f"a{c}a")
    ]
    assert taken(check_item_id) == [c for c in characters if item_id.search(f"a{c}a")]


@pytest.mark.parametrize("prefer", ["wait", "Wait ", "wait=0", "respond-async", 'foo="a, wait=99"'])
def test_a_preference_that_the_api_refuses_does_not_fit_the_schema(pipeline: Pipeline, prefer: str) -> None:
    """RFC 7240 has no `wait` without a number."""
    schema = COMPONENTS["parameters"]["prefer"]["schema"]
    body = {"name": prefer, "description": "d"}
    answer = pipeline.request("POST", "/items", body, headers={"prefer": prefer})
    assert Draft202012Validator(schema).is_valid(prefer) == (answer.status == 202)


def test_no_cold_start_imports_the_document_or_the_console() -> None:
    """Modules of both are imported when they are first requested."""
    folder = ROOT / "api_lambda" / "chalicelib"
    lazy_paths = {folder / "console" / "page.py", *(folder / "contract").glob("[!_]*.py")}
    lazy = {path.relative_to(folder).with_suffix("").as_posix().replace("/", ".") for path in lazy_paths}
    for path in folder.rglob("*.py"):
        if path not in lazy_paths:
            top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ImportFrom)]
            imported = {f"{node.module}.{alias.name}" for node in top for alias in node.names} | {
                node.module for node in top
            }
            assert not lazy & imported, path.name


GOOD_HEADERS = {
    "Content-Type": "application/json",
    "X-Request-Id": "r",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}
HEALTH = {"status": "ok", "version": "1"}
QUEUED = COMPONENTS["schemas"]["Job"]["examples"][0]


def drop(header: str) -> dict[str, str]:
    return {name: value for name, value in GOOD_HEADERS.items() if name != header}


def test_a_documented_answer_passes() -> None:
    documented().check("GET", "/health", 200, GOOD_HEADERS, json.dumps(HEALTH))
    documented().check("GET", f"/jobs/{QUEUED['id']}?wait=1", 200, GOOD_HEADERS, json.dumps(QUEUED))


@pytest.mark.parametrize(
    ("method", "target", "status", "headers", "body"),
    [
        ("GET", "/health", 201, GOOD_HEADERS, HEALTH),
        ("GET", "/nope", 200, GOOD_HEADERS, HEALTH),
        ("POST", "/health", 200, GOOD_HEADERS, HEALTH),
        ("GET", "/health", 200, drop("X-Request-Id"), HEALTH),
        ("GET", "/health", 200, drop("Cache-Control"), HEALTH),
        ("GET", "/health", 200, GOOD_HEADERS | {"Content-Type": "text/plain"}, HEALTH),
        ("GET", "/health", 200, GOOD_HEADERS | {"Cache-Control": "public"}, HEALTH),
        ("GET", "/health", 200, GOOD_HEADERS | {"ETag": '"a"'}, HEALTH),
        ("GET", "/health", 200, GOOD_HEADERS, HEALTH | {"more": 1}),
        ("GET", "/health", 200, GOOD_HEADERS, {"status": "ok"}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS, QUEUED | {"done": True}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS, QUEUED | {"status": "failed", "done": True}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS, QUEUED | {"status": "succeeded", "done": True}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS, QUEUED | {"created_at": "2026-11-22"}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS, QUEUED | {"attempts": -1}),
        ("GET", "/jobs/x", 200, GOOD_HEADERS | {"Retry-After": "0"}, QUEUED),
    ],
)
def test_an_undocumented_answer_fails(
    method: str, target: str, status: int, headers: dict[str, str], body: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError):
        documented().check(method, target, status, headers, json.dumps(body))


@pytest.mark.parametrize(
    "change",
    [
        lambda problem: problem.pop("type"),
        lambda problem: problem.pop("request_id"),
        lambda problem: problem.pop("status"),
        lambda problem: problem.update(status=400),
        lambda problem: problem.update(type="urn:jobpipe:problem:name-taken"),
        lambda problem: problem.update(traceback="…"),
    ],
)
def test_an_undocumented_problem_fails(pipeline: Pipeline, change: Callable[[dict[str, Any]], Any]) -> None:
    answer = pipeline.request("GET", "/items/nope")
    changed = answer.json
    change(changed)
    with pytest.raises(AssertionError):
        documented().check("GET", "/items/nope", 404, answer.headers, json.dumps(changed))


def test_the_served_document_is_this_one(pipeline: Pipeline) -> None:
    answer = pipeline.request("GET", "/openapi.json", owner="")
    assert answer.json == json.loads(json.dumps(DOCUMENT))
    Documented(answer.json).check("GET", "/openapi.json", 200, answer.headers, answer.text)
    links = pipeline.request("GET", "/").json["links"]
    assert (links["openapi"], links["docs"], links["console"]) == ("/openapi.json", "/docs", "/console")


def _problems(base: type[ProblemError]) -> list[type[ProblemError]]:
    below = [each for sub in base.__subclasses__() for each in _problems(sub)]
    return ([base] if hasattr(base, "slug") else []) + below
