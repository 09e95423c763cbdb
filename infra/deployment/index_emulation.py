"""What LocalStack cannot do with a table, made good: a new index of an old one is reported as made, and is not."""

from typing import Any

from infra.cli.progress import Progress
from infra.templates.sources import Template

_TABLE = "AWS::DynamoDB::Table"


def add_missing_indexes(dynamodb: Any, template: Template, tables: dict[str, str], progress: Progress) -> None:
    """Gives the tables, by their logical ids, the global secondary indexes that the template has and they lack."""
    for logical, resource in template["Resources"].items():
        wanted = resource["Properties"].get("GlobalSecondaryIndexes") if resource["Type"] == _TABLE else None
        if wanted:
            _add_missing(dynamodb, tables[logical], resource["Properties"], progress)


def _add_missing(dynamodb: Any, table: str, properties: dict[str, Any], progress: Progress) -> None:
    there = dynamodb.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", [])
    names = {index["IndexName"] for index in there}
    for index in properties["GlobalSecondaryIndexes"]:
        if index["IndexName"] not in names:
            progress.event(
                table, "INDEXING", f"{index['IndexName']}: the emulator's CloudFormation has left it out"
            )
            dynamodb.update_table(
                TableName=table,
                AttributeDefinitions=properties["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            dynamodb.get_waiter("table_exists").wait(TableName=table)
