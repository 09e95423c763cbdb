"""docs/deploying.md and docs/reference/rights.md name the rights that a deployment needs."""

from __future__ import annotations

import ast
import re

import pytest

from infra.settings import ROOT
from scripts.reference import rights
from tests.infra.rendered import NAMES, template

PAGE = (ROOT / "docs" / "reference" / "rights.md").read_text()
ROWS = {row.split("|")[1].strip(" `"): row for row in PAGE.splitlines() if re.match(r"\| `[a-z0-9]+` \|", row)}


def test_every_service_of_the_templates_is_named() -> None:
    types = {resource["Type"] for name in NAMES for resource in template(name)["Resources"].values()}
    services = {kind.split("::")[1].lower() for kind in types}

    assert set(ROWS) == services | {"cloudformation"}
    short = (
        (ROOT / "docs" / "deploying.md").read_text().partition("The credentials need")[2].partition("\n\nNames")[0]
    )
    assert services | {"cloudformation"} <= set(re.findall("`([a-z0-9]+)`", short))


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("iam", "ListRolePolicies"),
        ("iam", "ListAttachedRolePolicies"),
        ("kms", "RevokeGrant"),
        ("kms", "EnableKeyRotation"),
        ("dynamodb", "DescribeContinuousBackups"),
        ("lambda", "GetAccountSettings"),
        ("s3", "DeleteObjectVersion"),
        ("cloudformation", "DescribeStackEvents"),
    ],
)
def test_rights_of_handlers_and_of_our_calls_are_named(service: str, action: str) -> None:
    assert f"`{action}`" in ROWS[service]


def test_every_right_of_a_handler_is_in_the_page() -> None:
    for service, actions in rights.by_handlers().items():
        for action in actions:
            assert f"`{action}`" in (ROWS.get(service) or PAGE.partition("declared for properties")[2]), (
                service,
                action,
            )


def test_calls_are_found_behind_paginators_and_waiters_too() -> None:
    source = """
s3.get_paginator("list_object_versions").paginate()
dynamodb.get_waiter("table_exists").wait()
gateway.delete_api_key(apiKey=key)
"""
    found = {right for name in rights.called_names(ast.parse(source)) for right in rights._rights_of_call(name)}
    assert found == {"s3:ListBucketVersions", "dynamodb:DescribeTable", "apigateway:DELETE"}


def test_a_call_that_several_services_have_is_not_guessed() -> None:
    with pytest.raises(LookupError, match="tag_resource may be a call of"):
        list(rights._rights_of_call("tag_resource"))
