"""Takes a stage away, with all that it held."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.api_emulation import delete_strays
from infra.api_keys import delete_keys
from infra.aws_errors import suppress_gone
from infra.change_sets import Stacks
from infra.package import APPS
from infra.progress import Progress
from infra.retained import Held, held_by
from infra.settings import Settings
from infra.stack_names import app_stack, foundation_stack, log_groups, operations_stack
from infra.stage_file import stage_file
from infra.targets import Target

_DELETE_AT_ONCE = 1000  # objects per DeleteObjects


@dataclass(frozen=True)
class Teardown:
    """The end of one stage in one target."""

    target: Target
    stage: str
    settings: Settings
    progress: Progress

    def destroy(self) -> None:
        """Leaves nothing: keys, stacks, objects in all versions, retained resources, log groups, the stage file.

        It goes by names, so that one that was interrupted anywhere is ended by the next.
        """
        delete_keys(self.target.client("apigateway"), self.stage)  # nobody gets in any more
        self._stacks().delete(operations_stack(self.stage))  # so that no alarm rings for what goes
        # writers first, so that nothing refills a bucket that was emptied
        with ThreadPoolExecutor(len(APPS)) as pool:
            list(pool.map(lambda app: self._stacks().delete(app_stack(self.stage, app)), APPS))
        held = held_by(self.target, self.stage)
        for bucket in _of(held, "AWS::S3::Bucket"):
            self._empty(bucket)
        self._unprotect(held)
        self._stacks().delete(foundation_stack(self.stage))
        self._delete_retained(held)
        delete_strays(self.target, self.stage)
        self._delete_log_groups()
        stage_file(self.settings.state_dir, self.stage).unlink(missing_ok=True)

    def _stacks(self) -> Stacks:
        return Stacks(self.target.client("cloudformation"), self.progress, self.target.poll_seconds)

    def _empty(self, bucket: str) -> None:
        s3 = self.target.client("s3")
        count = 0
        with suppress_gone():
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, MaxKeys=_DELETE_AT_ONCE):
                found = page.get("Versions", []) + page.get("DeleteMarkers", [])
                versions = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                for start in range(0, len(versions), _DELETE_AT_ONCE):
                    some = versions[start : start + _DELETE_AT_ONCE]
                    s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
                    count += len(some)
        if count:
            self.progress.event("s3", "EMPTIED", f"{bucket} ({count} versions)")

    def _unprotect(self, held: list[Held]) -> None:
        dynamodb = self.target.client("dynamodb")
        for table in _of(held, "AWS::DynamoDB::Table"):
            with suppress_gone():
                if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                    dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
                    dynamodb.get_waiter("table_exists").wait(TableName=table)

    def _delete_retained(self, held: list[Held]) -> None:
        """What outlives its stack by its deletion policy; in the local stage nothing does."""
        dynamodb, kms, s3, sqs = (self.target.client(name) for name in ("dynamodb", "kms", "s3", "sqs"))
        for table in _of(held, "AWS::DynamoDB::Table"):
            with suppress_gone():
                dynamodb.delete_table(TableName=table)
                self.progress.event("dynamodb", "DELETED", table)
        for bucket in _of(held, "AWS::S3::Bucket"):
            with suppress_gone():
                s3.delete_bucket(Bucket=bucket)
                self.progress.event("s3", "DELETED", bucket)
        for queue in _of(held, "AWS::SQS::Queue"):
            with suppress_gone():
                sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"])
                self.progress.event("sqs", "DELETED", queue)
        for alias in _of(held, "AWS::KMS::Alias"):
            with suppress_gone():
                key = kms.describe_key(KeyId=alias)["KeyMetadata"]
                # the alias last, since an interrupted destruction finds the key by it
                if key["KeyState"] != "PendingDeletion":
                    kms.schedule_key_deletion(KeyId=key["KeyId"])
                kms.delete_alias(AliasName=alias)
                self.progress.event("kms", "SCHEDULED", f"AWS deletes {alias} after 30 days, not sooner")

    def _delete_log_groups(self) -> None:
        """Those of this stage by name: the one called `team` must not take those of `team-1` with it."""
        logs = self.target.client("logs")
        for group in log_groups(self.stage):
            with suppress_gone():
                logs.delete_log_group(logGroupName=group)


def _of(held: list[Held], kind: str) -> Iterator[str]:
    return (each.name for each in held if each.kind == kind)
