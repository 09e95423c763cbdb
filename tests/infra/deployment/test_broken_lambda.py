"""The gateway's answer when a Lambda crashes, on an API with the stage's gateway responses."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from infra.templates.gateway_responses import openapi_responses
from jobpipe_client.problem import Problem
from tests.helpers.deployed import Stage

HANDLER = "import os\n\n\ndef handler(event, context):\n    os._exit(1)\n"


@contextmanager
def broken_api(stage: Stage) -> Iterator[str]:
    """Yield the URL of an API whose Lambda crashes at each request."""
    name = f"broken-{uuid.uuid4().hex[:8]}"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("broken.py", HANDLER)
    functions, gateway = stage.aws("lambda"), stage.aws("apigateway")
    role = functions.get_function(FunctionName=f"jobpipe-{stage.deployment.stage}-api")["Configuration"]["Role"]
    function = functions.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role,
        Handler="broken.handler",
        Code={"ZipFile": packed.getvalue()},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    region = stage.deployment.region
    uri = f"arn:aws:apigateway:{region}:lambda:path/2015-03-31/functions/{function['FunctionArn']}/invocations"
    api_id = gateway.create_rest_api(name=name)["id"]
    [root] = gateway.get_resources(restApiId=api_id)["items"]
    method = {"restApiId": api_id, "resourceId": root["id"], "httpMethod": "GET"}
    gateway.put_method(**method, authorizationType="NONE")
    gateway.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    for kind, response in openapi_responses().items():
        gateway.put_gateway_response(restApiId=api_id, responseType=kind, **response)
    gateway.create_deployment(restApiId=api_id, stageName="v1")
    try:
        yield f"{stage.deployment.endpoint_url}/_aws/execute-api/{api_id}/v1"
    finally:
        gateway.delete_rest_api(restApiId=api_id)
        functions.delete_function(FunctionName=name)


def test_the_embedded_emulators_gateway_has_its_own_answer_if_the_lambda_crashes(stage: Stage) -> None:
    """docs/api.md documents it; AWS answers with the document of DEFAULT_5XX."""
    with broken_api(stage) as url:
        unknown = requests.get(f"{url}/unknown", timeout=30)
        answer = requests.get(f"{url}/", timeout=30)
    rendered = unknown.headers["content-type"] == "application/problem+json"
    assert rendered == stage.renders_gateway_responses, (
        "the gateway renders its other answers as that of the stage does"
    )
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == {"message"}
    problem = Problem.of(answer.json(), status=answer.status_code)
    assert (problem.status, problem.slug) == (502, None), "the client uses the status"
