"""What a cold start loads and makes: a budget of modules, not of seconds, since times say more of the machine."""

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

SERVICES = {"api": ["dynamodb", "sqs"], "worker": ["dynamodb", "s3"]}
"""What each app calls with its first command, and so makes during INIT."""

SETTINGS = (
    "JOBS_TABLE",
    "ITEMS_TABLE",
    "NAMES_TABLE",
    "DOCUMENTS_BUCKET",
    "COMMANDS_QUEUE_URL",
    "PARKED_QUEUE_URL",
)

# What an app may load that boto3 and its clients have not, beside our own modules and Chalice's.
ALLOWED = {"gc", "unicodedata"}
# Never, whoever else has loaded them: each is some ten milliseconds, or is asked for once in a while only.
NEVER = {
    *("aws_lambda_powertools", "jsonschema", "pydantic"),
    *("asyncio", "tomllib", "typing_extensions", "unittest"),
    *(
        "chalicelib.console.page",
        "chalicelib.contract.docs_page",
        "chalicelib.contract.openapi",
    ),
}

WATCHED = """
import builtins, json, sys
from importlib.util import resolve_name
importers, before, real = {}, set(sys.modules), builtins.__import__

def watching(name, globals=None, locals=None, fromlist=(), level=0):
    at = globals or {}
    full = resolve_name("." * level + name, at.get("__package__")) if level else name
    parts = full.split(".")
    parents = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    for module in (*parents, *(f"{full}.{each}" for each in fromlist or ())):
        if module not in sys.modules:
            importers.setdefault(module, at.get("__name__", "?"))
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = watching
"""
"""Notes who is the first to import a module, when it is about to."""
BARE = """
import os, boto3
clients = [boto3.client(service) for service in os.environ["SERVICES"].split()]
told = {}
"""
OURS = """
import gc, os
sys.path[0] = os.environ["TASK_ROOT"]
import app
from chalicelib.services import open_services
clients = open_services().jobs._clients
told = {"frozen": gc.get_freeze_count(), "collecting": gc.isenabled()}

class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "f", 256, "arn", "r"
    def get_remaining_time_in_millis(self):
        return 5000

told["answers"] = [app.app(event, Context()) for event in json.load(sys.stdin)]
told["clients"] = sorted({"dynamodb", "s3", "sqs"} & vars(clients).keys())
"""
TELL = """
loaded = {module: importers.get(module, "a call of importlib") for module in sys.modules if module not in before}
print(json.dumps({"importers": loaded, **told}), file=sys.stderr)
"""


@dataclass(frozen=True)
class Started:
    """A process that has started, and what it told."""

    importers: dict[str, str]  # by the module that was loaded
    told: dict[str, Any]


def start(program: str, said: list[Any], **environment: str) -> Started:
    """Run by an interpreter that has boto3 and nothing of ours, as Lambda's."""
    environment |= {"PATH": os.defpath, "SETUPTOOLS_USE_DISTUTILS": "stdlib", "AWS_DEFAULT_REGION": "us-east-1"}
    environment |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    command = [str(ensure_venv()), "-B", "-s", "-c", WATCHED + program + TELL]
    done = subprocess.run(
        command, env=environment, input=json.dumps(said), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stderr.splitlines()[-1])
    return Started(told.pop("importers"), told | {"lines": done.stdout})


def start_app(app: str, folder: Path, events: list[Any], **environment: str) -> Started:
    """The app as its zip has it."""
    with zipfile.ZipFile(package_all()[app].zip_path) as archive:
        archive.extractall(folder)
    return start(OURS, events, TASK_ROOT=str(folder), **(dict.fromkeys(SETTINGS, "none") | environment))


def within(module: str, packages: set[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:n]) in packages for n in range(1, len(parts) + 1))


@pytest.mark.parametrize("app", APPS)
def test_an_app_loads_little_more_than_its_clients_do(app: str, tmp_path: Path) -> None:
    bare = start(BARE, [], SERVICES=" ".join(SERVICES[app])).importers
    ours = start_app(app, tmp_path, []).importers

    allowed = {"app", "chalice", "chalicelib", "jobpipe"} | ALLOWED
    more = {module for module in ours if module not in bare and not within(module, allowed)}
    never = {module for module in ours if within(module, NEVER)}
    assert {module: f"imported by {ours[module]}" for module in more | never} == {}


@pytest.mark.parametrize("app", APPS)
def test_a_start_makes_the_clients_of_every_command_and_leaves_no_garbage_to_collect(
    app: str, tmp_path: Path
) -> None:
    told = start_app(app, tmp_path, []).told
    assert told["clients"] == SERVICES[app]
    assert told["collecting"]
    assert told["frozen"] > 10_000, "what the clients are made of: a collection would go through all of it"


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

    accepted = start_app("api", tmp_path, [event("POST", "/items", key, body)], **environment).told
    (answer,) = accepted["answers"]
    assert answer["statusCode"] == 202, accepted["lines"]
    assert accepted["clients"] == ["dynamodb", "sqs"]

    job = stage.client.wait(stage.client.job(json.loads(answer["body"])["id"]))
    poll = event("GET", "/jobs/{job_id}", key, job_id=job.id)
    polled = start_app("api", tmp_path, [poll, poll], **environment).told
    assert [json.loads(each["body"])["status"] for each in polled["answers"]] == ["succeeded"] * 2
    assert polled["clients"] == ["dynamodb", "sqs"]
