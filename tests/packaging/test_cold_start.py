"""The modules and clients of a cold start. The budget is in modules, since times depend on the machine."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import ensure_venv
from infra.packaging.package import APPS, package_all
from tests.helpers.deployed import Stage, unique

pytestmark = pytest.mark.slow

SERVICES = {"api": ["dynamodb", "sqs"], "worker": ["dynamodb", "s3"]}
"""The clients that an app needs for its first command and therefore creates during INIT."""

SETTINGS = (
    "JOBS_TABLE",
    "ITEMS_TABLE",
    "NAMES_TABLE",
    "COLLECTIONS_TABLE",
    "LOOKUPS_TABLE",
    "DOCUMENTS_BUCKET",
    "COMMANDS_QUEUE_URL",
    "PARKED_QUEUE_URL",
)

# The modules that an app may load beside those of clients, of Chalice and of the project.
ALLOWED = {"gc", "unicodedata", "jobpipe_collections"}  # the last names the collections, and has no code
# The modules that no start may load: each takes some ten milliseconds, or is needed rarely.
NEVER = {
    *("aws_lambda_powertools", "boto3", "jsonschema", "pydantic", "s3transfer"),
    *("asyncio", "tomllib", "typing_extensions", "unittest"),
    *(
        "chalicelib.console.page",
        "chalicelib.contract.docs_page",
        "chalicelib.contract.openapi",
        "chalicelib.endpoints.batches",
        "chalicelib.endpoints.document_lists",
        "chalicelib.endpoints.webhooks",
        "chalicelib.webhook_services",
        "jobpipe.domain.jobs.batch",
        "jobpipe.domain.ports",
        "jobpipe.domain.jobs.retry",
        "jobpipe.domain.jobs.scheduled",
        "jobpipe.stores.jobs.dynamodb_job_lists",
        "jobpipe.stores.queues.sqs_backlog",
    ),
}

RECORD_IMPORTS = """
import builtins, json, sys
from importlib.util import resolve_name
importers, before, real = {}, set(sys.modules), builtins.__import__

def recording(name, globals=None, locals=None, fromlist=(), level=0):
    at = globals or {}
    full = resolve_name("." * level + name, at.get("__package__")) if level else name
    parts = full.split(".")
    parents = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    for module in (*parents, *(f"{full}.{each}" for each in fromlist or ())):
        if module not in sys.modules:
            importers.setdefault(module, at.get("__name__", "?"))
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = recording
"""
"""This code records the first importer of each module."""
CLIENTS = """
import os, boto3
clients = [boto3.client(service) for service in os.environ["SERVICES"].split()]
result = {}
"""
APP = """
import gc, os
sys.path[0] = os.environ["TASK_ROOT"]
import app
from chalicelib.services import open_services
clients = open_services().jobs._clients
result = {"frozen": gc.get_freeze_count(), "collecting": gc.isenabled()}

class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 256, "arn", "r"
    def get_remaining_time_in_millis(self):
        return 5000

result["answers"] = [app.app(event, Context()) for event in json.load(sys.stdin)]
result["clients"] = sorted({"dynamodb", "s3", "sqs"} & vars(clients).keys())
"""
REPORT = """
loaded = {module: importers.get(module, "a call of importlib") for module in sys.modules if module not in before}
print(json.dumps({"importers": loaded, **result}), file=sys.stderr)
"""


@dataclass(frozen=True)
class Started:
    """The result of a process that has started."""

    importers: dict[str, str]  # by the imported module
    result: dict[str, Any]


def start(program: str, events: list[Any], **environment: str) -> Started:
    """Run the program with an interpreter that has boto3 but not the project, as on Lambda."""
    environment |= {"PATH": os.defpath, "SETUPTOOLS_USE_DISTUTILS": "stdlib", "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [str(ensure_venv()), "-B", "-s", "-c", RECORD_IMPORTS + program + REPORT]
    done = subprocess.run(
        command, env=environment, input=json.dumps(events), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stderr.splitlines()[-1])
    return Started(result.pop("importers"), result | {"lines": done.stdout})


def start_app(app: str, folder: Path, events: list[Any], **environment: str) -> Started:
    """Start the app from its zip."""
    with zipfile.ZipFile(package_all()[app].zip_path) as archive:
        archive.extractall(folder)
    return start(APP, events, TASK_ROOT=str(folder), **(dict.fromkeys(SETTINGS, "none") | environment))


def within(module: str, packages: set[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:n]) in packages for n in range(1, len(parts) + 1))


@pytest.mark.parametrize("app", APPS)
def test_an_app_loads_little_more_than_its_clients_do(app: str, tmp_path: Path) -> None:
    by_clients = start(CLIENTS, [], SERVICES=" ".join(SERVICES[app])).importers
    loaded = start_app(app, tmp_path, []).importers

    allowed = {"app", "chalice", "chalicelib", "jobpipe"} | ALLOWED
    more = {module for module in loaded if module not in by_clients and not within(module, allowed)}
    never = {module for module in loaded if within(module, NEVER)}
    assert {module: f"imported by {loaded[module]}" for module in more | never} == {}


@pytest.mark.parametrize("service", ["jobpipe-worker", "jobpipe-dead-letters"])
def test_a_start_of_the_worker_imports_what_its_queue_needs(service: str, tmp_path: Path) -> None:
    loaded = start_app("worker", tmp_path, [], SERVICE_NAME=service).importers
    commands = {"chalicelib.execute", "chalicelib.group_commit", "chalicelib.finish_runs", "jobpipe.operation"}
    assert ("chalicelib.dead_letters" in loaded) == (service == "jobpipe-dead-letters")
    assert commands & loaded.keys() == (commands if service == "jobpipe-worker" else set())


@pytest.mark.parametrize("app", APPS)
def test_a_start_creates_the_clients_and_exempts_them_from_garbage_collection(app: str, tmp_path: Path) -> None:
    result = start_app(app, tmp_path, []).result
    assert result["clients"] == SERVICES[app]
    assert result["collecting"]
    assert result["frozen"] > 10_000, "a collection would traverse all objects of the clients"


def event(method: str, path: str, key: str, body: Any = None, **parameters: str) -> dict[str, Any]:
    return {
        "headers": {"content-type": "application/json", "x-api-key": key},
        "multiValueQueryStringParameters": None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": method, "resourcePath": path, "requestId": "r", "identity": {}},
    }


def test_a_post_and_a_poll_need_no_client_of_s3(stage: Stage, tmp_path: Path) -> None:
    key, resources = stage.deployment.api_key, stage.resources
    body = {"name": unique("Without S3"), "description": "d"}
    environment = {name: resources[name.lower()] for name in SETTINGS}
    environment |= {"AWS_ENDPOINT_URL": str(stage.deployment.endpoint_url)}

    accepted = start_app("api", tmp_path, [event("POST", "/items", key, body)], **environment).result
    (answer,) = accepted["answers"]
    assert answer["statusCode"] == 202, accepted["lines"]
    assert accepted["clients"] == ["dynamodb", "sqs"]

    job = stage.client.wait(stage.client.job(json.loads(answer["body"])["id"]))
    poll = event("GET", "/jobs/{job_id}", key, job_id=job.id)
    polled = start_app("api", tmp_path, [poll, poll], **environment).result
    assert [json.loads(each["body"])["status"] for each in polled["answers"]] == ["succeeded"] * 2
    assert polled["clients"] == ["dynamodb", "sqs"]
