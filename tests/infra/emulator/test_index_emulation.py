"""Indexes for tables that were created before them, in the embedded emulator's DynamoDB."""

import copy
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.emulation import add_missing_indexes
from infra.deployment.indexes import index_names, table_properties
from infra.deployment.plan import Deployer
from infra.emulator import running_emulator
from infra.settings import LOCAL_STAGE, Settings
from infra.stacks.change_sets import StackResult, Stacks
from infra.stacks.stage_stacks import PlannedStack
from infra.stage.names import foundation_stack
from infra.targets.target import EMBEDDED, Target, find_target
from infra.templates.sources import Template, foundation_template
from jobpipe.domain.clock import now
from jobpipe.domain.commands.command import DeleteItem
from jobpipe.domain.jobs.job import Job, Status, new_job
from jobpipe.domain.jobs.job_filter import EVERY_JOB
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_rows import job_to_row
from jobpipe.stores.jobs.dynamodb_job_lists import partitions_of
from jobpipe.stores.jobs.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.jobs.dynamodb_recent_jobs import DynamoDbRecentJobs, recent_partitions

pytestmark = pytest.mark.slow

ON, OFF = {"JobLists": "on"}, {"JobLists": "off"}


@pytest.mark.parametrize("parameters", [ON, OFF])
def test_an_index_that_is_missing_is_added_once(tmp_path: Path, parameters: dict[str, str]) -> None:
    template = foundation_template("local")
    properties = table_properties(template, parameters)["JobsTable"]
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    with running_emulator(tmp_path) as emulator:
        dynamodb = embedded_target(emulator.port, tmp_path).client("dynamodb")
        dynamodb.create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                each for each in properties["AttributeDefinitions"] if each["AttributeName"] == "job_id"
            ],
            KeySchema=properties["KeySchema"],
        )

        for _ in range(2):
            add_missing_indexes(dynamodb, template, parameters, {"JobsTable": "jobs"}, Progress(console))

        indexes = dynamodb.describe_table(TableName="jobs")["Table"]["GlobalSecondaryIndexes"]
        wanted = properties["GlobalSecondaryIndexes"]
        assert {index["IndexName"]: index["KeySchema"] for index in indexes} == {
            index["IndexName"]: index["KeySchema"] for index in wanted
        }
    text = console.export_text()
    assert [text.count(f"{index['IndexName']}: ") for index in wanted] == [1] * len(wanted)


def embedded_target(port: int, state_dir: Path) -> Target:
    settings = Settings(stage=LOCAL_STAGE, port=port, endpoint_url=None, state_dir=state_dir)
    target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
    assert target is not None
    return target


def only_with(template: Template, index_name: str) -> Template:
    """Return the template as a release had it whose jobs table has this index only."""
    before = copy.deepcopy(template)
    del before["Parameters"]["JobLists"], before["Conditions"]["JobListsOn"]
    properties = before["Resources"]["JobsTable"]["Properties"]
    (index,) = [each for each in properties["GlobalSecondaryIndexes"] if each.get("IndexName") == index_name]
    properties["GlobalSecondaryIndexes"] = [index]
    names = {key["AttributeName"] for each in (properties, index) for key in each["KeySchema"]}
    properties["AttributeDefinitions"] = [
        each for each in properties["AttributeDefinitions"] if each.get("AttributeName") in names
    ]
    return before


@pytest.mark.parametrize("earlier", ["trouble", "lists"])
@pytest.mark.parametrize("wanted", [ON, OFF, {}])
def test_each_update_of_a_stage_adds_one_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str, wanted: dict[str, str]
) -> None:
    """DynamoDB creates or removes one index per update; the emulator would do with two."""
    template = foundation_template(LOCAL_STAGE)
    with running_emulator(tmp_path) as emulator:
        target = embedded_target(emulator.port, tmp_path)
        dynamodb = target.client("dynamodb")
        settings = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=tmp_path)
        deployer = Deployer(target, LOCAL_STAGE, settings, Progress(Console(quiet=True)), wanted)
        stack, given = foundation_stack(LOCAL_STAGE), {"Stage": LOCAL_STAGE} | wanted
        defaults = target.default_parameters(LOCAL_STAGE)
        table = deployer.stacks().deploy(stack, only_with(template, earlier), given, defaults).outputs["JobsTable"]
        sent: list[set[str]] = []
        deploy = Stacks.deploy

        def recorded(self: Stacks, name: str, template: Template, *others: Any) -> StackResult:
            before = index_names(dynamodb, table)
            assert before is not None
            result = deploy(self, name, template, *others)
            after = index_names(dynamodb, table)
            assert after is not None
            assert len(before ^ after) <= 1, "CloudFormation refuses an update with two indexes"
            sent.append(after)
            return result

        monkeypatch.setattr(Stacks, "deploy", recorded)
        executor = deployer.create_executor()
        outputs = executor.deploy_foundation(PlannedStack(stack, template), given)

        lists_all = wanted != OFF
        assert sent[-1] == {"trouble", "lists", "due"} | ({"recent"} if lists_all else set())
        assert executor.stage_stacks.planned(PlannedStack(stack, template), {})["JobLists"] == (
            "on" if lists_all else "off"
        )
        assert outputs["JobsTable"] == table
        count = len(sent)
        executor.deploy_foundation(PlannedStack(stack, template), given)
        assert len(sent) == count + 1, "a stage that has all of its indexes needs no step"


def test_a_stage_of_an_earlier_release_lists_earlier_and_later_failures(tmp_path: Path) -> None:
    template = foundation_template(LOCAL_STAGE)
    with running_emulator(tmp_path) as emulator:
        target = embedded_target(emulator.port, tmp_path)
        settings = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=tmp_path)
        deployer = Deployer(target, LOCAL_STAGE, settings, Progress(Console(quiet=True)), {})
        stack, given = foundation_stack(LOCAL_STAGE), {"Stage": LOCAL_STAGE}
        before, defaults = only_with(template, "trouble"), target.default_parameters(LOCAL_STAGE)
        table = deployer.stacks().deploy(stack, before, given, defaults).outputs["JobsTable"]
        clients = AwsClients(make=lambda service, **_: target.client(service))
        row = job_to_row(_job())
        del row["owner_shard"]
        row |= {"status": {"S": "failed"}, "trouble": {"S": "failed#2026-11-22T12:00:00.000Z"}}
        clients.dynamodb.put_item(TableName=table, Item=row)

        deployer.create_executor().deploy_foundation(PlannedStack(stack, template), given)

        jobs, job = DynamoDbJobs(clients, table, timedelta(days=7)), _job()
        jobs.put_new(job, now())
        jobs.fail(job.ref, {"status": 409}, now())
        listed = jobs.list_jobs("alice", Status.FAILED, 10, None, now()).jobs
        assert [each.job_id for each in listed] == [job.job_id, row["job_id"]["S"]]
        recent = DynamoDbRecentJobs(clients, table).page("alice", EVERY_JOB, 10, None, now()).jobs
        assert [each.job_id for each in recent] == [job.job_id], "the other was accepted without a shard"


def test_the_stores_read_the_indexes_that_the_template_makes() -> None:
    indexes = table_properties(foundation_template("prod"), ON)["JobsTable"]["GlobalSecondaryIndexes"]
    read = [*partitions_of("alice"), *recent_partitions("alice")]
    assert {index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]] for index in indexes} == {
        **{partition.index: [partition.key, partition.order] for partition in read},
        "due": ["due_shard", "due"],  # what is due (tests/contract/test_schedule.py)
    }


def _job() -> Job:
    return new_job(DeleteItem(secrets.token_hex(8)), "alice", None, now(), timedelta(days=7))
