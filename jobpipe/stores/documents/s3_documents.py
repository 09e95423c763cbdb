"""The documents bucket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from jobpipe.domain.documents.item import DocumentRef
from jobpipe.domain.errors import Unavailable
from jobpipe.runtime.aws import AwsClients, aws_call, error_code

_BUCKET = "The documents bucket"
_GONE = {"NoSuchKey", "NoSuchVersion"}
_NO_VERSION = "null"  # S3's version id for an object that was put while versioning was disabled


class S3Documents:
    """An implementation of DocumentStore on S3."""

    def __init__(self, clients: AwsClients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket

    def put(self, key: str, text: str) -> DocumentRef:
        """Store the text under a new key; raise Unavailable while the bucket's versioning is disabled."""
        with aws_call(_BUCKET):
            response = self._clients.s3.put_object(
                Bucket=self._bucket, Key=key, Body=text.encode(), ContentType="application/json"
            )
        # Versioning may take some minutes after it was first enabled, and operators may suspend it. Until it is on,
        # nothing is committed: a row must not refer to an object that a deletion removes permanently.
        version_id = response.get("VersionId", _NO_VERSION)
        if version_id == _NO_VERSION:
            raise Unavailable(f"{_BUCKET} does not store versions at the moment.")
        return DocumentRef(key, version_id)

    def get(self, ref: DocumentRef) -> tuple[DocumentRef, str] | None:
        """Return the text and the version that was read, or None if the bucket no longer has it."""
        try:
            with aws_call(_BUCKET):
                response = self._clients.s3.get_object(Bucket=self._bucket, Key=ref.key, VersionId=ref.version_id)
                return ref, response["Body"].read().decode()
        except ClientError as error:
            if error_code(error) not in _GONE:
                raise
        # A repeated put may have arrived after the first one. Then its version is current, and the lifecycle rule
        # deletes the version that the row names. Both have the same text, since each key is written once.
        return self._current(ref.key)

    def get_by_key(self, key: str) -> str | None:
        """Return the current text under the key."""
        found = self._current(key)
        return None if found is None else found[1]

    def _current(self, key: str) -> tuple[DocumentRef, str] | None:
        try:
            with aws_call(_BUCKET):
                response = self._clients.s3.get_object(Bucket=self._bucket, Key=key)
                return DocumentRef(key, response.get("VersionId", _NO_VERSION)), response["Body"].read().decode()
        except ClientError as error:
            if error_code(error) in _GONE:
                return None
            raise

    def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects; their versions stay until the bucket's lifecycle deletes them."""
        for key in keys:
            with aws_call(_BUCKET):
                self._clients.s3.delete_object(Bucket=self._bucket, Key=key)

    def delete_together(self, keys: Sequence[str]) -> set[str]:
        """Delete up to 1,000 objects in one call, and return the keys of the objects that were not deleted."""
        objects: Any = [{"Key": key} for key in keys]
        with aws_call(_BUCKET):
            response = self._clients.s3.delete_objects(
                Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True}
            )
        return {error["Key"] for error in response.get("Errors", [])}

    def keys(self, prefix: str) -> list[str]:
        """Return all keys that start with the prefix."""
        with aws_call(_BUCKET):
            pages = self._clients.s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]
