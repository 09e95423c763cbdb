"""Uploads the Lambdas' zips to the artifacts bucket, so that stacks run exactly what was built here.

Anyone with write access to the bucket could have put another object under a zip's key. So a zip counts as uploaded
only if the object's SHA-256 in S3 equals the zip's, and stacks name the object's version, which cannot change.

For some minutes after versioning was first enabled on a bucket, S3 may give an object no version, or return 404 for
an object that it has just stored. So a version is passed to a stack only after S3 has found it.
"""

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeVar

import tenacity
from botocore.exceptions import ClientError

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.packaging.package import Package

VERSIONING_SECONDS = 900  # AWS documents that enabling versioning takes up to 15 minutes
QUIET_SECONDS = 10  # before the wait is reported
_MISSING = {"404", "NoSuchKey", "NoSuchVersion", "NotFound"}
NOT_UPLOADED = "not-uploaded-yet"
Result = TypeVar("Result")
# S3 returns 403 for a missing object if the caller may not list the bucket. If the caller may not write either, the
# upload fails.
_INVISIBLE = {"403", "404", "NoSuchBucket", "NoSuchKey", "NotFound"}


def code_key(package: Package) -> str:
    """Return the key of a zip in the bucket."""
    return f"{package.app}/{package.content_hash}.zip"


def uploaded_version(s3: Any, package: Package, bucket: str) -> str | None:
    """Return the latest version under the zip's key if its content is the zip, else None."""
    try:
        found = s3.head_object(Bucket=bucket, Key=code_key(package), ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _INVISIBLE:
            raise
        return None
    same = found.get("ChecksumSHA256") == _sha256(package.zip_path.read_bytes())
    return _version_id(found) if same else None


def upload(s3: Any, package: Package, bucket: str, progress: Progress, poll_seconds: float) -> str:
    """Upload the zip if needed, wait until S3 finds it, and return its version."""
    version = uploaded_version(s3, package, bucket)
    if version is None:
        refuse_unversioned(s3, bucket)
        body = package.zip_path.read_bytes()
        unversioned = f"the bucket {bucket} does not give objects a version yet"
        version = _wait_for(lambda: _put(s3, package, bucket, body), unversioned, progress, poll_seconds)
    found, invisible = version, f"{bucket}/{code_key(package)} is not visible yet"
    _wait_for(lambda: _is_visible(s3, package, bucket, found), invisible, progress, poll_seconds)
    return version


def refuse_unversioned(s3: Any, bucket: str) -> None:
    """Raise OperatorError if versioning is not enabled, since waiting does not change that."""
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        raise OperatorError(f"the bucket {bucket} keeps no versions, so the code of a Lambda could be replaced")


def _put(s3: Any, package: Package, bucket: str, body: bytes) -> str | None:
    put = s3.put_object(Bucket=bucket, Key=code_key(package), Body=body, ChecksumSHA256=_sha256(body))
    return _version_id(put)


def _is_visible(s3: Any, package: Package, bucket: str, version: str) -> bool:
    """Whether S3 finds this version, or the caller may not read it."""
    try:
        s3.head_object(Bucket=bucket, Key=code_key(package), VersionId=version)
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return False
        if error.response["Error"]["Code"] != "403":
            raise
    return True


def _wait_for(call: Callable[[], Result | None], problem: str, progress: Progress, poll_seconds: float) -> Result:
    """Call until the result is truthy, report a long wait once, and raise OperatorError after 15 minutes."""
    reported = False

    def report(state: tenacity.RetryCallState) -> None:
        nonlocal reported
        if not reported and (state.seconds_since_start or 0) >= QUIET_SECONDS:
            reported = True
            progress.say(f"{problem}: S3 may need up to 15 minutes after versioning was first enabled; waiting")

    retrying = tenacity.Retrying(
        wait=tenacity.wait_fixed(poll_seconds),
        stop=tenacity.stop_after_delay(VERSIONING_SECONDS),
        retry=tenacity.retry_if_result(lambda result: not result),
        before_sleep=report,
    )
    try:
        result = retrying(call)
    except tenacity.RetryError:
        raise OperatorError(f"{problem}, after 15 minutes of waiting: run it again later") from None
    assert result is not None  # noqa: S101 - None is retried
    return result


def _version_id(response: dict[str, Any]) -> str | None:
    version: str | None = response.get("VersionId")
    return None if version == "null" else version  # a bucket without versioning overwrites the version `null`


def _sha256(body: bytes) -> str:
    return b64encode(hashlib.sha256(body).digest()).decode()
