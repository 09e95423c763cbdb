"""The KMS key of what outlived a stack: there is one at most, it is usable, and no other takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from infra.aws_errors import is_denied
from infra.change_set_requests import ToImport
from infra.errors import OperatorError
from infra.remaining import Remaining
from infra.retained import names
from infra.targets import Target
from infra.templates import Template

_KEY, _ALIAS = "AWS::KMS::Key", "AWS::KMS::Alias"
_MENDED_BY = {
    "Disabled": "aws kms enable-key --key-id {0}",
    "PendingDeletion": "aws kms cancel-key-deletion --key-id {0} && aws kms enable-key --key-id {0}",
}


@dataclass(frozen=True)
class DataKey:
    """The stage's own key, which all of it is encrypted with."""

    arn: str
    alias: str | None  # None if it has none any more

    def to_import(self, template: Template) -> list[ToImport]:
        """The key and its alias: a key has no name, and goes by its id."""
        by_kind = {each["Type"]: logical_id for logical_id, each in template["Resources"].items()}
        identified = {_KEY: {"KeyId": self.arn.rpartition("/")[2]}}
        if self.alias:
            identified[_ALIAS] = {"AliasName": self.alias}
        return [
            {"ResourceType": kind, "LogicalResourceId": by_kind[kind], "ResourceIdentifier": identifier}
            for kind, identifier in identified.items()
        ]


def data_key(target: Target, stage: str, template: Template, found: list[Remaining]) -> DataKey | None:
    """The key of what was found; None if AWS's own keys encrypt it. Refuses what would leave data unreadable."""
    kms = target.client("kms")
    resources = template["Resources"]
    (alias,) = (name for each, name in names(target, stage, template).items() if resources[each]["Type"] == _ALIAS)
    of_alias = _describe(kms, alias)
    keys: dict[str, list[str]] = {}
    for each in found:
        keys.setdefault(_of(kms, each), []).append(each.name)
    if set(keys) <= {""}:
        if of_alias:
            raise OperatorError(
                f"{alias} names the key {of_alias['Arn']}, and nothing of {stage} is there that it encrypts:"
                f" `aws kms delete-alias --alias-name {alias}` makes room for another"
            )
        return None
    if len(keys) > 1:
        parts = (f"{', '.join(names)} with {arn or 'a key of AWS'}" for arn, names in sorted(keys.items()))
        raise OperatorError(
            f"what {stage} holds is encrypted with several keys, so no stack can take it over: {'; '.join(parts)}"
        )
    (arn,) = keys
    if of_alias and of_alias["Arn"] != arn:
        raise OperatorError(
            f"what {stage} holds is encrypted with {arn}, and {alias} names another key, {of_alias['Arn']}:"
            f" `aws kms update-alias --alias-name {alias} --target-key-id {arn}`"
        )
    return DataKey(arn, alias if of_alias else None)


def _of(kms: Any, each: Remaining) -> str:
    """The ARN of its key, if that is the account's own; nothing if AWS's."""
    if each.key is None:
        return ""
    key = _describe(kms, each.key)
    if key is None:
        raise OperatorError(
            f"{each.name} is encrypted with {each.key}, which is not there any more: nobody can read what is in it"
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
        # who has no right to KMS, which is needed with a key of the stage's own only, can have none there
        if error.response["Error"]["Code"] == "NotFoundException" or (
            key.startswith("alias/") and is_denied(error)
        ):
            return None
        raise
    return found
