"""The statements of docs/operations.md on keys, backups and logs agree with AWS's models and our templates."""

from __future__ import annotations

import re
from typing import Any

import pytest

from infra.settings import ROOT
from infra.templates.sources import foundation_template
from scripts.models.cost.data import read_data
from scripts.models.cost.standing import month
from tests.helpers.stubbed import a_client
from tests.infra.rendered import rendered

PAGE = (ROOT / "docs" / "operations.md").read_text()
WORDS = " ".join(PAGE.split())
NUMBERS = {"seven": 7}


def documented(service: str, shape: str, member: str) -> str:
    """Return the documentation of a member in botocore's model, without markup."""
    found = a_client(service).meta.service_model.shape_for(shape).members[member].documentation
    return " ".join(re.sub("<[^>]+>", "", found).split())


def test_a_table_is_archived_as_aws_documents() -> None:
    text = documented("dynamodb", "ArchivalSummary", "ArchivalReason")
    (days,) = re.findall(r"KMS key being inaccessible for more than (\w+) days", text)
    assert "An On-Demand backup was created at the archival time" in text
    assert f"unusable for more than {days} days, DynamoDB archives a table" in WORDS
    assert f"Enabling it again within {days} days restores it" in WORDS
    assert "`ARCHIVED`" in PAGE
    assert "ARCHIVED" in a_client("dynamodb").meta.service_model.shape_for("TableStatus").enum
    same_name = documented("dynamodb", "ArchivalSummary", "ArchivalBackupArn")
    assert "same table name, you will need to delete the original table" in same_name
    retention = foundation_template("prod")["Resources"]["CommandsQueue"]["Properties"]["MessageRetentionPeriod"]
    left = retention // 86_400 - NUMBERS[days]
    assert f"for {retention // 86_400} days, so at most {'seven' if left == 7 else left} of them remain" in WORDS


def test_the_recipe_for_an_archived_table_uses_existing_calls_and_the_templates_settings() -> None:
    section = PAGE.partition("### A table that was archived")[2].partition("\n## ")[0]
    methods = a_client("dynamodb").meta.method_to_api_mapping
    called = {name for name in re.findall(r"aws dynamodb ([a-z-]+)", section) if name != "wait"}
    assert called >= {
        "restore-table-from-backup",
        "delete-table",
        "update-time-to-live",
        "update-continuous-backups",
    }
    assert {name.replace("-", "_") for name in called} <= set(methods)
    by_hand = a_client("dynamodb").meta.service_model.operation_model("RestoreTableFromBackup").documentation
    assert "Time to Live (TTL) settings" in by_hand
    tables = rendered("foundation").of_type("AWS::DynamoDB::Table").values()
    expiring = {
        each["TableName"]: each["TimeToLiveSpecification"] for each in tables if "TimeToLiveSpecification" in each
    }
    ((table, expiry),) = expiring.items()
    specification = f"--time-to-live-specification AttributeName={expiry['AttributeName']},"
    assert f"update-time-to-live --table-name {table} {specification}" in " ".join(section.split())
    assert sum("TableName" in each for each in tables) == 5
    assert "for each of the five tables" in section


def test_the_page_states_by_how_much_backups_outlive_the_key() -> None:
    text = documented("dynamodb", "BackupSummary", "BackupType")
    (retained,) = re.findall(r"retained for (\d+) days \(at no additional cost\)", text)
    text = documented("kms", "ScheduleKeyDeletionRequest", "PendingWindowInDays")
    (window,) = re.findall(r"it defaults to (\d+)", text)
    (key,) = rendered("foundation", Encryption="customer-managed").of_type("AWS::KMS::Key").values()
    assert "PendingWindowInDays" not in key
    assert "PendingWindowInDays" not in (ROOT / "infra" / "deployment" / "stateful.py").read_text()
    assert f"those backups are usable for {window} days, not {retained}" in WORDS
    assert f"DynamoDB keeps a deleted table's last backup for {retained} days" in WORDS
    assert f"KMS waits {window} days before it deletes a key" in WORDS
    assert f"it can be restored for {window} days, since KMS then deletes the key" in WORDS
    shape = a_client("dynamodb").meta.service_model.shape_for("PointInTimeRecoverySpecification")
    most = shape.members["RecoveryPeriodInDays"].metadata["max"]
    assert f"| tables' point-in-time recovery | {most} days |" in PAGE


def test_the_rotations_of_a_key_are_priced_as_the_template_has_them() -> None:
    (key,) = rendered("foundation", Encryption="customer-managed").of_type("AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True
    assert "RotationPeriodInDays" not in key, "a year, as KMS's own default is"
    assert "365" in documented("kms", "EnableKeyRotationRequest", "RotationPeriodInDays")
    data = read_data()
    prices = data.prices
    costs = {what: usage.dollars(prices) for what, (_, usage) in month(data).items()}
    first, later = "a key of the stage's own, in its first year", "the same after its second rotation"
    assert [int(costs[first]), int(costs[later])] == [1, 3]
    assert "Each of its first two rotations adds a dollar a month, later ones none" in WORDS


@pytest.mark.parametrize("stack", ["api", "worker"])
def test_lambda_itself_filters_no_lines(stack: str) -> None:
    """Lambda would drop lines that the audit reads."""
    assert "ApplicationLogLevel" in a_client("lambda").meta.service_model.shape_for("LoggingConfig").members
    functions: dict[str, Any] = rendered(stack).of_type("AWS::Lambda::Function")
    assert functions
    for name, each in functions.items():
        assert "ApplicationLogLevel" not in str(each), name
        assert each.get("LoggingConfig", {}).get("LogFormat", "Text") == "Text", name
    assert "Never set Lambda's own `ApplicationLogLevel`" in WORDS
