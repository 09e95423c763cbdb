"""The life of a stage, from its first deployment to its destruction, by the commands that make runs."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.emulator import running_emulator
from infra.packaging.package import package_all
from infra.stage.names import log_groups
from tests.helpers import commands
from tests.helpers.deployed import WAIT, Stage, unique
from tests.infra.stage_with_keys import Run, deployed


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stage")


@pytest.fixture(scope="module")
def run(state_dir: Path) -> Iterator[Run]:
    with running_emulator(state_dir) as emulator:
        environment = commands.clean_environment(JOBPIPE_STATE_DIR=str(state_dir), JOBPIPE_PORT=str(emulator.port))

        yield lambda *arguments: commands.run(sys.executable, "-m", "infra.deploy", *arguments, env=environment)


def everything(stage: Stage) -> dict[str, list[Any]]:
    """Return the resources of the account by kind."""
    gateway = stage.aws("apigateway")
    return {
        "stacks": [
            stack["StackName"]
            for stack in stage.aws("cloudformation").describe_stacks()["Stacks"]
            if stack["StackStatus"] != "DELETE_COMPLETE"
        ],
        "queues": stage.aws("sqs").list_queues().get("QueueUrls", []),
        "tables": stage.aws("dynamodb").list_tables()["TableNames"],
        "buckets": stage.aws("s3").list_buckets()["Buckets"],
        "functions": stage.aws("lambda").list_functions()["Functions"],
        "mappings": stage.aws("lambda").list_event_source_mappings()["EventSourceMappings"],
        "log groups": stage.aws("logs").describe_log_groups()["logGroups"],
        "apis": gateway.get_rest_apis()["items"],
        "keys": gateway.get_api_keys()["items"],
        "usage plans": gateway.get_usage_plans()["items"],
        "roles": stage.aws("iam").list_roles()["Roles"],
        "alarms": stage.aws("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": stage.aws("cloudwatch").list_dashboards()["DashboardEntries"],
        "topics": stage.aws("sns").list_topics()["Topics"],
        "aliases of keys": stage.aws("kms").list_aliases()["Aliases"],
    }


def assert_all_exist(stage: Stage) -> None:
    """Check the resources in the stage file, each queue's function and each function's log group."""
    found, named = everything(stage), stage.resources
    queues = ("commands", "dead_letters", "parked", "events", "deliveries", "deliveries_later")
    urls = {named[f"{queue}_queue_url"] for queue in queues}
    assert {url.rpartition("/")[2] for url in found["queues"]} == {url.rpartition("/")[2] for url in urls}
    names = ("api", "worker", "dead_letters", "release", "events", "deliveries")
    functions = {named[f"{function}_function"] for function in names}
    assert {function["FunctionName"] for function in found["functions"]} == functions
    groups = {group["logGroupName"] for group in found["log groups"]}
    assert groups == set(log_groups("local")) == {f"/aws/lambda/{function}" for function in functions}
    assert named["api_log_group"] in groups
    mappings = {(each["EventSourceArn"], each["FunctionArn"].rpartition(":")[2]) for each in found["mappings"]}
    assert {(source.rpartition(":")[2], function) for source, function in mappings} == {
        ("jobpipe-local-commands.fifo", named["worker_function"]),
        ("jobpipe-local-dead-letters.fifo", named["dead_letters_function"]),
        ("jobpipe-local-events.fifo", named["events_function"]),
        ("jobpipe-local-deliveries.fifo", named["deliveries_function"]),
        ("jobpipe-local-deliveries-later", named["deliveries_function"]),
    }
    assert all(each["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for each in found["mappings"])


def assert_code_is_not_exchanged(stage: Stage, run: Run) -> None:
    """Check that objects put into the artifacts bucket do not change the code of the functions."""
    s3, functions = stage.aws("s3"), everything(stage)["functions"]
    (bucket,) = [each["Name"] for each in everything(stage)["buckets"] if "-artifacts-" in each["Name"]]
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.put_object(Bucket=bucket, Key=found["Key"], Body=b"other")

    assert run("diff", "--exit-code").returncode == 2, "the zips would be uploaded again"
    assert run("up").returncode == 0
    built = {package.app: package.zip_path.read_bytes() for package in package_all().values()}
    for function in functions:
        app = "api" if function["FunctionName"] == stage.resources["api_function"] else "worker"
        running = stage.aws("lambda").get_function_configuration(FunctionName=function["FunctionName"])
        assert running["CodeSha256"] == b64encode(hashlib.sha256(built[app]).digest()).decode()
    assert run("up").stdout.count("no changes") == 4


def test_deploy_again_change_and_destroy(run: Run, state_dir: Path) -> None:
    first = run("up", "--target", "embedded")
    assert first.returncode == 0, first.stderr
    stage = deployed(state_dir)
    for line in (
        f"base URL: {stage.deployment.base_url}",
        f"API key:  {stage.deployment.api_key}",
        "try:      curl",
    ):
        assert line in first.stdout
    no_data = "an emulator has no data for the dashboard and the alarms"
    assert no_data in first.stdout
    assert stage.aws("cloudwatch").list_metrics()["Metrics"] == []
    assert_all_exist(stage)
    item = {"name": unique("Kept"), "description": "d"}
    created = stage.request("POST", "/items", item, headers=WAIT).json()

    again = run("up")
    assert again.stdout.count("no changes") == 4, again.stdout
    assert no_data not in again.stdout, "it is printed once"
    assert deployed(state_dir).deployment == stage.deployment

    changed = run("up", "--parameter", "WorkerTimeout=10", "--parameter", "LogRetentionDays=14")
    assert changed.returncode == 0, changed.stderr
    assert deployed(state_dir).deployment == stage.deployment, "the URL and the key stay"
    assert stage.request("GET", f"/items/{created['id']}").json() == created, "the data stays"
    worker = stage.aws("lambda").get_function_configuration(FunctionName=stage.resources["worker_function"])
    assert worker["Timeout"] == 10
    queue = stage.aws("sqs").get_queue_attributes(
        QueueUrl=stage.resources["commands_queue_url"], AttributeNames=["VisibilityTimeout"]
    )
    assert queue["Attributes"]["VisibilityTimeout"] == "60", "six times the worker's time-out"
    assert stage.request("POST", "/items", {**item, "name": unique("New")}, headers=WAIT).status_code == 201

    assert run("up").stdout.count("no changes") == 4, "parameters stay until new ones are given"
    same = run("diff", "--exit-code")
    assert (same.returncode, same.stdout.count("no changes")) == (0, 4), same.stdout
    other = run("diff", "--exit-code", "--parameter", "WorkerTimeout=20")
    assert other.returncode == 2, other.stderr
    assert "WorkerTimeout: 10 -> 20" in other.stdout
    assert run("diff", "--parameter", "WorkerTimeout=20").returncode == 0

    assert_code_is_not_exchanged(stage, run)

    destroyed = run("destroy")
    assert destroyed.returncode == 0, destroyed.stderr
    assert {kind: left for kind, left in everything(stage).items() if left} == {}
    assert not (state_dir / "local.json").exists()
    assert run("destroy").returncode == 0, "destroying nothing is no error"

    fresh = run("up")
    assert fresh.returncode == 0, fresh.stderr
    assert deployed(state_dir).request("GET", "/items").json() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--stage", "Not A Stage"),
        ("up", "--stage", "prod", "--target", "embedded"),
        ("up", "--target", "localstack"),
        ("up", "--parameter", "NoSuchParameter=1"),
        ("up", "--parameter", "WorkerTimeout=7"),
        ("destroy", "--stage", "prod", "--target", "aws"),
        ("destroy", "--stage", "prod", "--target", "aws", "--confirm", "yes"),
        ("diff", "--target", "localstack"),
        ("diff", "--stage", "prod", "--target", "embedded"),
        ("diff", "--parameter", "NoSuchParameter=1"),
        ("env", "--stage", "elsewhere"),
    ],
)
def test_an_error_of_an_operator_is_one_line(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_shell_can_evaluate_the_output_of_env(run: Run, state_dir: Path) -> None:
    run("up")
    exports = run("env").stdout
    script = f'{exports}\nprintf "%s %s" "$JOBPIPE_URL" "$JOBPIPE_API_KEY"'
    output = commands.run("bash", "-c", script, env={}).stdout
    deployment = deployed(state_dir).deployment
    assert output == f"{deployment.base_url} {deployment.api_key}"
