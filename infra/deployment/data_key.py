"""The KMS key of resources that remain of a deleted stack: at most one, which is usable and must stay the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.cli.aws_errors import is_denied
from infra.deployment.remaining import Remaining
from infra.deployment.retained import names
from infra.errors import OperatorError
from infra.stacks.change_set_requests import ToImport
from infra.targets.target import Target
from infra.templates.sources import Template

_KEY, _ALIAS = "AWS::KMS::Key", "AWS::KMS::Alias"
_MENDED_BY = {
    "Disabled": "aws kms enable-key --key-id {0}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {0} && aws kms enable-key --key-id {0}",
}


@dataclass(frozen=True)
class DataKey:
    """The stage's own key, which encrypts all of its data."""

    arn: str
    alias: str | None  # None if the alias was deleted

    def to_import(self, template: Template) -> list[ToImport]:
        """The key, which is identified by its id, and its alias, as resources to import."""
        by_kind = {each["Type"]: logical_id for logical_id, each in template["Resources"].items()}
        identified = {_KEY: {"KeyId": self.arn.rpartition("/")[2]}}
        if self.alias:
            identified[_ALIAS] = {"AliasName": self.alias}
        return [
            {"ResourceType": kind, "LogicalResourceId": by_kind[kind], "ResourceIdentifier": identifier}
            for kind, identifier in identified.items()
        ]


def data_key(target: Target, stage: str, template: Template, found: list[Remaining]) -> DataKey | None:
    """The key of these resources; None if AWS's own keys encrypt them. OperatorError if data were unreadable."""
    kms = target.client("kms")
    resources = template["Resources"]
    (alias,) = (name for each, name in names(target, stage, template).items() if resources[each]["Type"] == _ALIAS)
    of_alias = _describe(kms, alias)
    keys: dict[str, list[str]] = {}
    for each in found:
        keys.setdefault(_key_arn(kms, each), []).append(each.name)
    if set(keys) <= {""}:
        if of_alias:
            raise OperatorError(
                f"{alias} names the key {of_alias['Arn']}, but that key encrypts nothing that remains of {stage}:"
                f" `aws kms delete-alias --alias-name {alias}` makes room for another"
            )
        return None
    if len(keys) > 1:
        parts = (f"{', '.join(names)} with {arn or 'a key of AWS'}" for arn, names in sorted(keys.items()))
        raise OperatorError(
            f"the data of {stage} is encrypted with several keys, so no stack can import it: {'; '.join(parts)}"
        )
    (arn,) = keys
    if of_alias and of_alias["Arn"] != arn:
        raise OperatorError(
            f"the data of {stage} is encrypted with {arn}, but {alias} names another key, {of_alias['Arn']}:"
            f" `aws kms update-alias --alias-name {alias} --target-key-id {arn}`"
        )
    return DataKey(arn, alias if of_alias else None)


def _key_arn(kms: Any, each: Remaining) -> str:
    """The ARN of the resource's key; empty if the key is AWS's own."""
    if each.key is None:
        return ""
    key = _describe(kms, each.key)
    if key is None:
        raise OperatorError(
            f"{each.name} is encrypted with {each.key}, which no longer exists, so its data cannot be read"
        )
    if key.get("KeyManager") == "AWS":
        return ""
    arn, state = str(key["Arn"]), key["KeyState"]
    if state != "Enabled":
        mended = _MENDED_BY.get(state, "see the key in the console of KMS").format(arn)
        raise OperatorError(f"{each.name} is encrypted with {arn}, which is {state}: `{mended}`")
    return arn


def _describe(kms: Any, key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError as error:
        # KMS permissions are needed only if the stage has its own key, so a caller without them has no alias
        if error.response["Error"]["Code"] == "NotFoundException" or (
            key.startswith("alias/") and is_denied(error)
        ):
            return None
        raise
    return found
