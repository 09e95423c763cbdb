"""A table that was made before its index, on a real DynamoDB: the embedded emulator's."""

from pathlib import Path

from rich.console import Console

from infra.emulator import running_emulator
from infra.index_emulation import add_missing_indexes
from infra.progress import Progress
from infra.settings import Settings
from infra.targets import EMBEDDED, find_target
from infra.templates import foundation_for


def test_an_index_that_is_missing_is_added_once(tmp_path: Path) -> None:
    template = foundation_for("local")
    properties = template["Resources"]["JobsTable"]["Properties"]
    console = Console(record=True, width=200, file=(tmp_path / "said").open("w"))
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
    told = console.export_text()
    assert [told.count(f"{index['IndexName']}: ") for index in wanted] == [1] * len(wanted)
