"""Adds indexes to tables one at a time, since CloudFormation refuses an update that adds two."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

from botocore.exceptions import ClientError

from infra.templates.rendering import Rendered
from infra.templates.sources import Template

TABLE = "AWS::DynamoDB::Table"
_INDEXES = "GlobalSecondaryIndexes"


def table_properties(template: Template, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the properties of the tables by logical id, with these parameters resolved."""
    known = {name: value for name, value in parameters.items() if name in template["Parameters"]}
    return Rendered(template, **known).of_type(TABLE)


def index_names(dynamodb: Any, table: str) -> set[str] | None:
    """Return the names of the table's indexes, or None if there is no such table."""
    try:
        described = dynamodb.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None
    return {index["IndexName"] for index in described.get(_INDEXES, [])}


def intermediate_templates(dynamodb: Any, template: Template, parameters: Mapping[str, str]) -> list[Template]:
    """Return the templates to deploy before this one, each of which adds one index.

    A table that does not exist yet gets all of its indexes when it is created.
    """
    steps: list[Template] = []
    for logical_id, properties in table_properties(template, parameters).items():
        present = index_names(dynamodb, properties["TableName"])
        if present is None:
            continue
        missing = [each["IndexName"] for each in properties.get(_INDEXES, []) if each["IndexName"] not in present]
        steps += (without_indexes(template, logical_id, properties, missing[n:]) for n in range(1, len(missing)))
    return steps


def without_indexes(template: Template, logical_id: str, properties: Any, names: Collection[str]) -> Template:
    """Return the template without these indexes of the table with these properties."""
    kept = [each for each in properties[_INDEXES] if each["IndexName"] not in names]
    used = {key["AttributeName"] for each in (properties, *kept) for key in each["KeySchema"]}
    changed = copy.deepcopy(template)
    changed["Resources"][logical_id]["Properties"] |= {
        _INDEXES: kept,
        "AttributeDefinitions": [
            each for each in properties["AttributeDefinitions"] if each["AttributeName"] in used
        ],
    }
    return changed
