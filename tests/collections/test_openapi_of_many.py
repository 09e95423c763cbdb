"""The OpenAPI document of many collections: valid, complete, and small enough for Lambda's answer."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from api_lambda.chalicelib.endpoints.item_pages import MAX_RESPONSE_BYTES, posted_bytes
from tests.collections.folders import write_orders
from tests.helpers.many_collections import write_copies
from tests.helpers.pipeline import Context, Pipeline
from tests.helpers.shop import compiled, order

pytestmark = pytest.mark.slow


def request(stage: Pipeline, target: str) -> Any:
    event = {
        "path": target,
        "headers": {},
        "multiValueHeaders": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": "GET", "resourcePath": target, "requestId": "r", "identity": {}},
    }
    return stage.app(event, Context())


@pytest.mark.parametrize("number", [1, 3, 40])
def test_the_document_of_many_collections(tmp_path: Path, number: int) -> None:
    registry = compiled(write_copies(tmp_path / "many", number), f"many_{number}")
    stage = Pipeline(registry=registry)
    started = time.perf_counter()
    answer = request(stage, "/openapi.json")
    seconds = time.perf_counter() - started
    document = json.loads(answer["body"])
    assert posted_bytes(answer["body"]) < MAX_RESPONSE_BYTES / 2, "Lambda refuses an answer of more"
    assert seconds < 5
    print(f"{number} collections: {len(answer['body']):,} bytes, {seconds * 1000:.0f} ms")  # noqa: T201
    assert len(document["x-jobpipe-collections"]) == number + 1
    names = {f"orders-{n:02}" for n in range(number)}
    assert {path.split("/")[1] for path in document["paths"]} >= names
    OpenAPIV31SpecValidator(document).validate()
    assert json.loads(request(stage, "/")["body"])["links"].keys() >= names
    last = max(names)
    accepted = stage.app({**_post(f"/{last}", order())}, Context())
    assert accepted["statusCode"] == 202, accepted["body"]


def _post(target: str, body: Any) -> dict[str, Any]:
    headers = {"content-type": "application/json", "x-api-key": f"alice{'0' * 32}"}
    return {
        "path": target,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": "POST", "resourcePath": target, "requestId": "r", "identity": {}},
    }


def test_names_that_resemble_each_other_have_components_of_their_own(tmp_path: Path) -> None:
    names = ["a1", "a-1", "a-1-b", "a1b", "stored", "new", "any", "item", "document"]
    for name in names:
        write_orders(tmp_path / "alike", name)
    registry = compiled(tmp_path / "alike", "alike")
    document = json.loads(request(Pipeline(registry=registry), "/openapi.json")["body"])
    schemas = [document["x-jobpipe-collections"][name]["schema"]["$ref"] for name in names]
    assert len(set(schemas)) == len(names)
    for name in names:
        [parameter] = [
            each
            for each in document["paths"][f"/{name}/{{item_id}}/{{operation}}"]["post"]["parameters"]
            if "_operation" in each.get("$ref", "")
        ]
        assert parameter["$ref"].rpartition("/")[2] in document["components"]["parameters"]
    OpenAPIV31SpecValidator(document).validate()
