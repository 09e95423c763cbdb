"""Each zip runs with only the packages of AWS's Python runtime: boto3 and its dependencies."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from api_lambda.chalicelib.console.assembly import assemble
from api_lambda.chalicelib.contract.openapi import document
from infra.environments.locked_requirements import read_locked
from infra.errors import OperatorError
from infra.packaging.bill_of_materials import find_owners
from infra.packaging.distributions import fetch_wheels, our_sources
from infra.packaging.package import package_all
from infra.settings import ROOT
from jobpipe import __version__
from tests.helpers import commands
from tests.helpers.deployed import Stage, unique
from tests.helpers.memory import RETENTION

pytestmark = pytest.mark.slow

APPS = ["api", "worker"]
ALLOWED_LICENCES = {"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "PSF-2.0"}

# With -I and -S, only the standard library, the runtime and the zip can be imported.
HANDLE = """
import json, sys
sys.path[:0] = [{zip!r}]
sys.path.append({runtime!r})
import app
event = json.load(sys.stdin)

class Context:
    function_name = "f"
    memory_limit_in_mb = 256
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:f"
    aws_request_id = "r"
    def get_remaining_time_in_millis(self):
        return 5000

answer = app.{handler}(event, Context())
foreign = [m.__name__ for m in sys.modules.values() if "site-packages" in (getattr(m, "__file__", None) or "")]
print(json.dumps({{"answer": answer, "foreign": foreign}}), file=sys.stderr)
"""


def closure(name: str, seen: set[str]) -> set[str]:
    if name not in seen:
        seen.add(name)
        for requirement in distribution(name).requires or []:
            if "extra ==" not in requirement:
                closure(re.split(r"[<>=!;\s\[(~]", requirement, maxsplit=1)[0], seen)
    return seen


@pytest.fixture(scope="session")
def aws_runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with boto3 and its dependencies, and nothing else."""
    folder = tmp_path_factory.mktemp("runtime")
    site = Path(sysconfig.get_paths()["purelib"])
    for name in closure("boto3", set()):
        for top in {Path(str(file)).parts[0] for file in distribution(name).files or []}:
            if (site / top).exists() and not top.startswith(".."):
                (folder / top).symlink_to((site / top).resolve())
    return folder


@pytest.fixture(scope="session")
def zips() -> dict[str, Path]:
    return {app: package.zip_path for app, package in package_all().items()}


def run(zip_path: Path, runtime: Path, handler: str, event: Any, stage: Stage, tmp_path: Path) -> Any:
    """Return the handler's answer to the event, from an interpreter that has only the zip and the runtime."""
    unpacked = tmp_path / "task"
    with zipfile.ZipFile(zip_path) as archive:
        archive.extractall(unpacked)
    resources = stage.resources
    environment = {
        "PATH": os.defpath,
        "AWS_ENDPOINT_URL": str(stage.deployment.endpoint_url),
        "AWS_DEFAULT_REGION": stage.deployment.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "SERVICE_NAME": "zip",
        "JOBS_TABLE": resources["jobs_table"],
        "ITEMS_TABLE": resources["items_table"],
        "NAMES_TABLE": resources["names_table"],
        "COLLECTIONS_TABLE": resources["collections_table"],
        "LOOKUPS_TABLE": resources["lookups_table"],
        "DOCUMENTS_BUCKET": resources["documents_bucket"],
        "COMMANDS_QUEUE_URL": resources["commands_queue_url"],
        "PARKED_QUEUE_URL": resources["parked_queue_url"],
        "WORKER_TIMEOUT": "5",
    }
    program = HANDLE.format(zip=str(unpacked), runtime=str(runtime), handler=handler)
    done = commands.run(sys.executable, "-I", "-S", "-c", program, env=environment, stdin=json.dumps(event))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stderr.strip().splitlines()[-1])
    available = {path.name for path in runtime.iterdir()}
    assert not [name for name in result["foreign"] if name.split(".")[0] not in available]
    assert json.loads(done.stdout.strip().splitlines()[-1])["service"] == "zip", "it logged a line of JSON"
    return result["answer"]


def test_the_api_accepts_a_command(stage: Stage, zips: dict[str, Path], aws_runtime: Path, tmp_path: Path) -> None:
    event = {
        "headers": {"content-type": "application/json", "x-api-key": stage.deployment.api_key},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": json.dumps({"name": unique("From a zip"), "description": "d"}),
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": "POST", "resourcePath": "/items", "requestId": "r", "identity": {}},
    }
    answer = run(zips["api"], aws_runtime, "app", event, stage, tmp_path)
    assert answer["statusCode"] == 202
    assert stage.client.wait(stage.client.job(json.loads(answer["body"])["id"])).succeeded


def test_the_api_serves_the_contract_of_the_checkout(
    stage: Stage, zips: dict[str, Path], aws_runtime: Path, tmp_path: Path
) -> None:
    """Packaging makes JSON of the YAML source, so that the Lambda needs no YAML parser."""
    event = {
        "headers": {},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
        "requestContext": {"httpMethod": "GET", "resourcePath": "/openapi.json", "requestId": "r", "identity": {}},
    }
    answer = run(zips["api"], aws_runtime, "app", event, stage, tmp_path)
    served, built = json.loads(answer["body"]), json.loads(json.dumps(document(RETENTION)))
    assert served["info"]["version"] == built["info"]["version"]
    assert (served["paths"], served["components"]) == (built["paths"], built["components"])


@pytest.mark.parametrize(("handler", "source"), [("work", "commands"), ("dead_letters", "dead-letters")])
def test_the_worker_processes_a_batch(
    handler: str, source: str, stage: Stage, zips: dict[str, Path], aws_runtime: Path, tmp_path: Path
) -> None:
    junk = unique("junk")
    command = {"operation": "delete", "item_id": "no-such-item"}
    body = {"v": 1, "job_id": "0" * 32, "generation": "0" * 16, "item_id": "no-such-item", "command": command}
    records = [
        {
            "messageId": name,
            "receiptHandle": name,
            "body": text,
            "attributes": {"MessageGroupId": name, "ApproximateReceiveCount": "1"},
        }
        for name, text in (("unknown-job", json.dumps(body)), ("junk", junk))
    ]
    answer = run(zips["worker"], aws_runtime, handler, {"Records": records}, stage, tmp_path)
    assert answer == {"batchItemFailures": []}
    sqs, parked = stage.aws("sqs"), stage.resources["parked_queue_url"]
    messages = sqs.receive_message(
        QueueUrl=parked, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=5
    )["Messages"]
    (found,) = [message for message in messages if message["Body"] == junk]
    assert found["MessageAttributes"]["source"]["StringValue"] == source
    sqs.delete_message(QueueUrl=parked, ReceiptHandle=found["ReceiptHandle"])


def test_the_api_has_the_console_as_the_page_that_it_serves(zips: dict[str, Path]) -> None:
    with zipfile.ZipFile(zips["api"]) as built:
        assert built.read("chalicelib/console/assembled.html").decode() == assemble()
        assert not [name for name in built.namelist() if name.endswith((".js", ".css", "page.html", "assembly.py"))]


@pytest.mark.parametrize("app", APPS)
def test_a_zip_has_only_the_needed_files(app: str, zips: dict[str, Path]) -> None:
    with zipfile.ZipFile(zips[app]) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    assert tops == {"app.py", "chalicelib", "chalice", "jobpipe", "jobpipe_collections"}
    assert not [name for name in names if name.endswith((".pyc", ".so", ".pyd")) or "__pycache__" in name]
    shared = {path.relative_to(commands.ROOT).as_posix() for path in (commands.ROOT / "jobpipe").rglob("*.py")}
    assert shared == {name for name in names if name.startswith("jobpipe/")}
    assert zips[app].stat().st_size < 310_000


@pytest.mark.parametrize("app", APPS)
def test_the_bill_of_materials_names_every_file_once(app: str, zips: dict[str, Path]) -> None:
    text = zips[app].with_suffix(".cdx.json").read_text()
    bill = json.loads(text)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    named = [
        (file["name"], file["hashes"][0]["content"]) for part in bill["components"] for file in part["components"]
    ]
    with zipfile.ZipFile(zips[app]) as archive:
        contained = [(name, hashlib.sha256(archive.read(name)).hexdigest()) for name in archive.namelist()]
    assert sorted(named) == sorted(contained)
    assert (
        bill["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(zips[app].read_bytes()).hexdigest()
    )


@pytest.mark.parametrize("app", APPS)
def test_shipped_packages_are_locked_and_have_an_allowed_licence(app: str, zips: dict[str, Path]) -> None:
    parts = json.loads(zips[app].with_suffix(".cdx.json").read_text())["components"]
    shipped = {part["name"]: part for part in parts}
    lambda_lock = read_locked(ROOT / f"{app}_lambda" / "requirements.txt")
    tools_lock = [each for each in read_locked(ROOT / "requirements.lock") if each.name == "chalice"]
    for locked in (*lambda_lock, *tools_lock):
        part = shipped[locked.name]
        assert part["purl"] == f"pkg:pypi/{locked.name}@{locked.version}"
        assert part["hashes"][0]["content"] in locked.hashes
    assert set(shipped) == {"jobpipe", "chalice"} | {each.name for each in lambda_lock}
    assert shipped["jobpipe"]["version"] == __version__
    assert {part["licenses"][0]["license"].get("id") for part in parts} <= ALLOWED_LICENCES


@pytest.mark.parametrize("app", APPS)
def test_a_changed_byte_in_a_zip_is_refused(app: str, zips: dict[str, Path], tmp_path: Path) -> None:
    wheels = fetch_wheels(
        ROOT / f"{app}_lambda" / "requirements.txt",
        ROOT / "requirements.lock",
        tmp_path / "w",
        tmp_path / "kept",
    )
    parts = [our_sources(zips[app].with_name("src"), __version__, wheels), *wheels]
    with zipfile.ZipFile(zips[app]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert set(find_owners(zips[app], parts)) == set(files)
    for name in ("chalice/app.py", "jobpipe/domain/jobs/job.py", "app.py"):
        changed = tmp_path / "changed.zip"
        with zipfile.ZipFile(changed, "w") as archive:
            for each, content in files.items():
                archive.writestr(each, content + b"#" if each == name else content)
        with pytest.raises(OperatorError, match=f"contains {name}"):
            find_owners(changed, parts)


def outcome(zips: dict[str, Path]) -> dict[str, tuple[bytes, bytes]]:
    return {app: (path.read_bytes(), path.with_suffix(".cdx.json").read_bytes()) for app, path in zips.items()}


def test_the_same_sources_make_the_same_bytes(zips: dict[str, Path], tmp_path: Path) -> None:
    first = package_all(tmp_path)
    assert all(package.rebuilt for package in first.values())
    assert outcome({app: package.zip_path for app, package in first.items()}) == outcome(zips)
    assert not any(package.rebuilt for package in package_all(tmp_path).values())

    # A zip or a template that was changed afterwards is built again.
    with zipfile.ZipFile(first["api"].zip_path, "a") as archive:
        archive.writestr("sitecustomize.py", "")
    template = first["worker"].template_path.read_text()
    first["worker"].template_path.write_text(template.replace("sqs:ReceiveMessage", "sqs:*"))
    again = package_all(tmp_path)
    assert all(package.rebuilt for package in again.values())
    assert outcome({app: package.zip_path for app, package in again.items()}) == outcome(zips)
    assert again["worker"].template_path.read_text() == template
