"""Works around what emulators cannot change in place: a REST API, and the indexes of a table."""

from typing import Any

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.deployment.indexes import table_properties
from infra.stacks.change_sets import Stacks
from infra.stage.names import api_name, app_stack
from infra.targets.target import Target
from infra.templates.sources import Template, of_type


def delete_changed_api(target: Target, stage: str, template: Template, stacks: Stacks, progress: Progress) -> None:
    """Delete the stage's API stack if its API differs from the template's, so that it can be created again.

    MiniStack replaces an API whose body changes, which fails since the old API still has the id. LocalStack
    replaces the stage whose deployment changes, which fails since the old stage still has the name, and leaves a
    usage plan that makes the next deployment fail. The stack holds no keys, so its deletion loses nothing.
    """
    stack = app_stack(stage, "api")
    deployed = stacks.template(stack)
    if deployed is not None and _api_body(deployed) == _api_body(template):
        return
    if deployed is not None:
        progress.event(stack, "REPLACING", f"the API has changed, which {target.name} cannot do in place")
        stacks.delete(stack)
    delete_usage_plans(target, stage)


def delete_usage_plans(target: Target, stage: str) -> None:
    """Delete usage plans of the stage that no longer belong to a stack."""
    gateway = target.client("apigateway")
    pages = gateway.get_paginator("get_usage_plans").paginate()
    for plan in [plan for page in pages for plan in page.get("items", [])]:
        if plan.get("name") == api_name(stage):
            with suppress_gone():
                gateway.delete_usage_plan(usagePlanId=plan["id"])


def _api_body(template: Template) -> object:
    apis = of_type(template, "AWS::ApiGateway::RestApi").values()
    return next((api["Body"] for api in apis), None)


def add_missing_indexes(
    dynamodb: Any, template: Template, parameters: dict[str, str], tables: dict[str, str], progress: Progress
) -> None:
    """Add the indexes that existing tables lack, since LocalStack only reports that it has created them.

    `tables` has the tables' names by their logical ids, and `parameters` the values that decide about indexes.
    """
    for logical_id, properties in table_properties(template, parameters).items():
        if "GlobalSecondaryIndexes" in properties:
            _add_missing(dynamodb, tables[logical_id], properties, progress)


def _add_missing(dynamodb: Any, table: str, properties: dict[str, Any], progress: Progress) -> None:
    existing = dynamodb.describe_table(TableName=table)["Table"].get("GlobalSecondaryIndexes", [])
    names = {index["IndexName"] for index in existing}
    for index in properties["GlobalSecondaryIndexes"]:
        if index["IndexName"] not in names:
            progress.event(
                table, "INDEXING", f"{index['IndexName']}: the emulator's CloudFormation did not create it"
            )
            dynamodb.update_table(
                TableName=table,
                AttributeDefinitions=properties["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            dynamodb.get_waiter("table_exists").wait(TableName=table)
