"""Indexes for tables that were created before them, in the embedded emulator's DynamoDB."""

import copy
import secrets
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment.emulation import add_missing_indexes
from infra.emulator import running_emulator
from infra.settings import LOCAL_STAGE, Settings
from infra.stacks.change_sets import Stacks
from infra.targets.target import EMBEDDED, find_target
from infra.templates.sources import foundation_for
from jobpipe.domain.clock import now
from jobpipe.domain.commands import DeleteItem
from jobpipe.domain.job import Job, Status, new_job
from jobpipe.runtime.aws import AwsClients
from jobpipe.stores.dynamodb_jobs import DynamoDbJobs
from jobpipe.stores.dynamodb_rows import job_to_row


def test_an_index_that_is_missing_is_added_once(tmp_path: Path) -> None:
    template = foundation_for("local")
    properties = template["Resources"]["JobsTable"]["Properties"]
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    with running_emulator(tmp_path) as emulator:
        settings = Settings(stage="local", port=emulator.port, endpoint_url=None, state_dir=tmp_path)
        target = find_target(EMBEDDED, "local", settings, start=False)
        assert target is not None
        dynamodb = target.client("dynamodb")
        dynamodb.create_table(
            TableName="jobs",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                each for each in properties["AttributeDefinitions"] if each["AttributeName"] == "job_id"
            ],
            KeySchema=properties["KeySchema"],
        )

        for _ in range(2):
            add_missing_indexes(dynamodb, template, {"JobsTable": "jobs"}, Progress(console))

        indexes = dynamodb.describe_table(TableName="jobs")["Table"]["GlobalSecondaryIndexes"]
        wanted = properties["GlobalSecondaryIndexes"]
        assert {index["IndexName"]: index["KeySchema"] for index in indexes} == {
            index["IndexName"]: index["KeySchema"] for index in wanted
        }
    text = console.export_text()
    assert [text.count(f"{index['IndexName']}: ") for index in wanted] == [1] * len(wanted)


def test_an_update_of_a_stage_adds_one_index_and_lists_earlier_and_later_failures(tmp_path: Path) -> None:
    """DynamoDB creates or removes one index per update, so a release may add only one."""
    template = foundation_for(LOCAL_STAGE)
    before = copy.deepcopy(template)
    properties = before["Resources"]["JobsTable"]["Properties"]
    (added,) = [index for index in properties["GlobalSecondaryIndexes"] if index["IndexName"] != "trouble"]
    properties["GlobalSecondaryIndexes"].remove(added)
    names = {key["AttributeName"] for key in added["KeySchema"]}
    properties["AttributeDefinitions"] = [
        each for each in properties["AttributeDefinitions"] if each["AttributeName"] not in names
    ]
    with running_emulator(tmp_path) as emulator:
        settings = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=tmp_path)
        target = find_target(EMBEDDED, LOCAL_STAGE, settings, start=False)
        assert target is not None
        stacks = Stacks(target.client("cloudformation"), Progress(), target.poll_seconds)
        defaults = target.default_parameters(LOCAL_STAGE)
        parameters = {"Stage": LOCAL_STAGE}
        table = stacks.deploy("foundation", before, parameters, defaults).outputs["JobsTable"]
        clients = AwsClients(make=lambda service, **_: target.client(service))
        row = job_to_row(_job())
        del row["owner_shard"]
        row |= {"status": {"S": "failed"}, "trouble": {"S": "failed#2026-11-22T12:00:00.000Z"}}
        clients.dynamodb.put_item(TableName=table, Item=row)

        stacks.deploy("foundation", template, parameters, defaults)

        jobs, job = DynamoDbJobs(clients, table, timedelta(days=7)), _job()
        jobs.put_new(job, now())
        jobs.fail(job.ref, {"status": 409}, now())
        listed = jobs.failed_or_retrying("alice", Status.FAILED, 10, None, now()).jobs
        assert [each.job_id for each in listed] == [job.job_id, row["job_id"]["S"]]


def _job() -> Job:
    return new_job(DeleteItem(secrets.token_hex(8)), "alice", None, now(), timedelta(days=7))
