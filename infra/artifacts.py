"""The Lambdas' zips in the bucket of the artifacts: what a stack is told to run is what was built here.

A key says nothing of the bytes under it: whoever may put an object there could have been first. So a zip counts as
uploaded only if S3's own SHA-256 of it is that of the zip at hand, and stacks name its version, which
stays as it is.
"""

import hashlib
from base64 import b64encode
from typing import Any

from botocore.exceptions import ClientError

from infra.errors import OperatorError
from infra.package import Package

NOT_UPLOADED = "not-uploaded-yet"
# 403: who may not list is not told that it is absent; who may not write either learns that by the put
_NOT_SEEN = {"403", "404", "NoSuchBucket", "NoSuchKey", "NotFound"}


def code_key(package: Package) -> str:
    """Where a zip lies in the bucket."""
    return f"{package.app}/{package.content_hash}.zip"


def uploaded_version(s3: Any, package: Package, bucket: str) -> str | None:
    """The latest version under the zip's key, if its bytes are the zip's."""
    try:
        found = s3.head_object(Bucket=bucket, Key=code_key(package), ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NOT_SEEN:
            raise
        return None
    same = found.get("ChecksumSHA256") == _sha256(package.zip_path.read_bytes())
    return _named(found.get("VersionId")) if same else None


def upload(s3: Any, package: Package, bucket: str) -> str:
    """The version that holds the zip's bytes; puts them there unless they are the latest already."""
    version = uploaded_version(s3, package, bucket)
    if version is None:
        body = package.zip_path.read_bytes()
        put = s3.put_object(Bucket=bucket, Key=code_key(package), Body=body, ChecksumSHA256=_sha256(body))
        version = _named(put.get("VersionId"))
    if version is None:
        raise OperatorError(f"the bucket {bucket} keeps no versions, so that what Lambda runs could be exchanged")
    return version


def _named(version: str | None) -> str | None:
    """`null` is what a bucket without versioning keeps, and overwrites."""
    return None if version == "null" else version


def _sha256(body: bytes) -> str:
    """As S3 tells it."""
    return b64encode(hashlib.sha256(body).digest()).decode()
