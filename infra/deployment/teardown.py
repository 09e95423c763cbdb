"""Takes a stage away, with all that it held."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from infra.cli.aws_errors import suppress_gone
from infra.cli.progress import Progress
from infra.deployment.api_emulation import delete_strays
from infra.deployment.retained import delete_held, held_by, of_kind, unprotect
from infra.errors import OperatorError
from infra.keys.api_keys import delete_keys
from infra.packaging.package import APPS
from infra.settings import Settings
from infra.stacks.change_sets import Stacks
from infra.stage.names import app_stack, foundation_stack, log_groups, operations_stack
from infra.stage.stage_file import earlier_deployment, stage_file
from infra.targets.target import Target

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
        # A client each, made here: boto3's sessions are not for several threads.
        apps = [(self._stacks(), app_stack(self.stage, app)) for app in APPS]
        with ThreadPoolExecutor(len(apps)) as pool:
            list(pool.map(lambda app: app[0].delete(app[1]), apps))
        held = held_by(self.target, self.stage)
        for bucket in of_kind(held, "AWS::S3::Bucket"):
            self._empty(bucket)
        unprotect(self.target, held)
        self._stacks().delete(foundation_stack(self.stage))
        delete_held(self.target, held, self.progress)  # in the local stage nothing is left
        delete_strays(self.target, self.stage)
        self._delete_log_groups()
        earlier = earlier_deployment(self.settings.state_dir, self.stage)
        if earlier is None or earlier.endpoint_url == self.target.endpoint_url:  # else it is another emulator's
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
                    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
                    for error in answer.get("Errors", []):  # the call itself succeeds
                        raise OperatorError(f"{bucket}/{error['Key']} cannot be deleted: {error.get('Message')}")
                    count += len(some)
        if count:
            self.progress.event("s3", "EMPTIED", f"{bucket} ({count} versions)")

    def _delete_log_groups(self) -> None:
        """Those of this stage by name: the one called `team` must not take those of `team-1` with it."""
        logs = self.target.client("logs")
        for group in log_groups(self.stage):
            with suppress_gone():
                logs.delete_log_group(logGroupName=group)
