"""No new key replaces the key of a foundation's data. botocore's Stubber gives KMS's answers."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber

from infra.deployment.adoption import plan_adoption
from infra.deployment.remaining import DataKey, RemainingResource, find_data_key
from infra.errors import OperatorError
from infra.targets.target import AWS, Target
from tests.helpers.stubbed import a_client
from tests.infra.foundations import ALIAS, KEY, OTHER, PROD, TEMPLATE, remaining_resource

TARGET = Target(AWS, "us-east-1", None, "", boto3.Session(region_name="us-east-1"))


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = a_client("kms")
    monkeypatch.setattr(Target, "client", lambda *_: client)
    monkeypatch.setattr(Target, "account", lambda _: "000000000000")
    with Stubber(client) as stub:
        yield stub


def add_key(
    kms: Stubber, key_id: str, arn: str | None, *, state: str = "Enabled", manager: str = "CUSTOMER"
) -> None:
    if arn is None:
        kms.add_client_error(
            "describe_key", "NotFoundException", "no such key", 400, expected_params={"KeyId": key_id}
        )
        return
    metadata = {"KeyId": arn[-36:], "Arn": arn, "KeyState": state, "KeyManager": manager}
    kms.add_response("describe_key", {"KeyMetadata": metadata}, {"KeyId": key_id})


def key_of(*found: RemainingResource) -> DataKey | None:
    return find_data_key(TARGET, PROD, TEMPLATE, list(found))


def test_the_key_of_all_resources_is_imported(kms: Stubber) -> None:
    for alias in (KEY, None):
        add_key(kms, ALIAS, alias)
        add_key(kms, KEY, KEY)
        add_key(kms, ALIAS[6:], KEY)
        found = key_of(remaining_resource("JobsTable", KEY), remaining_resource("DocumentsBucket", ALIAS[6:]))
        assert found == DataKey(KEY, ALIAS if alias else None)
    sent = {
        each["LogicalResourceId"]: each["ResourceIdentifier"] for each in DataKey(KEY, None).to_import(TEMPLATE)
    }
    assert sent == {"EncryptionKey": {"KeyId": KEY[-36:]}}


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("Disabled", f"is Disabled: `aws kms enable-key --key-id {KEY}`"),
        (
            "PendingDeletion",
            f"is PendingDeletion: `aws kms cancel-key-deletion --key-id {KEY} && aws kms enable-key",
        ),
        ("Unavailable", "is Unavailable"),
    ],
)
def test_an_unusable_key_is_refused_with_a_remedy(kms: Stubber, state: str, remedy: str) -> None:
    add_key(kms, ALIAS, KEY, state=state)
    add_key(kms, KEY, KEY, state=state)
    with pytest.raises(OperatorError) as refused:
        key_of(remaining_resource("ItemsTable", KEY))
    assert remedy in str(refused.value)


def test_no_new_key_replaces_a_deleted_one(kms: Stubber) -> None:
    add_key(kms, ALIAS, None)
    add_key(kms, KEY, None)
    with pytest.raises(OperatorError, match="its data cannot be read"):
        key_of(remaining_resource("ItemsTable", KEY))


def test_another_key_under_the_alias_is_refused(kms: Stubber) -> None:
    add_key(kms, ALIAS, OTHER)
    add_key(kms, KEY, KEY)
    with pytest.raises(OperatorError, match=f"update-alias --alias-name {ALIAS} --target-key-id {KEY}"):
        key_of(remaining_resource("ItemsTable", KEY))


@pytest.mark.parametrize("other", [OTHER, None])
def test_several_keys_are_refused(kms: Stubber, other: str | None) -> None:
    add_key(kms, ALIAS, KEY)
    add_key(kms, KEY, KEY)
    if other:
        add_key(kms, OTHER, OTHER)
    with pytest.raises(OperatorError, match="several keys"):
        key_of(remaining_resource("ItemsTable", KEY), remaining_resource("DocumentsBucket", other))


def test_an_alias_of_a_key_that_encrypts_nothing_is_refused(kms: Stubber) -> None:
    for found in ([], [remaining_resource("ItemsTable")]):
        add_key(kms, ALIAS, KEY)
        with pytest.raises(OperatorError, match=f"delete-alias --alias-name {ALIAS}"):
            key_of(*found)


def test_a_stage_without_its_own_key_needs_no_permission_for_kms(kms: Stubber) -> None:
    add_key(kms, ALIAS, None)
    add_key(kms, OTHER, OTHER, manager="AWS")
    assert key_of(remaining_resource("ItemsTable", OTHER), remaining_resource("DocumentsBucket")) is None
    kms.add_client_error("describe_key", "AccessDeniedException", "no", 400)
    assert key_of(remaining_resource("ItemsTable")) is None


def test_returning_to_the_key_of_aws_is_refused(kms: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    add_key(kms, ALIAS, KEY)
    add_key(kms, KEY, KEY)
    monkeypatch.setattr(
        "infra.deployment.adoption.find_remaining", lambda *_: [remaining_resource("ItemsTable", KEY)]
    )
    with pytest.raises(OperatorError, match=r"must stay encrypted with the stage's own key"):
        plan_adoption(TARGET, PROD, TEMPLATE, {"Encryption": "aws-owned"})
