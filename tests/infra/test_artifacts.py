"""Whoever may put objects into the bucket of the artifacts cannot choose what the Lambdas run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.artifacts import code_key, upload, uploaded_version
from infra.errors import OperatorError
from infra.package import Package
from tests.embedded import embedded
from tests.infra.rendered import rendered


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with embedded(tmp_path_factory.mktemp("artifacts")) as (target, _):
        yield target.client("s3")


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = f"artifacts-{abs(hash(request.node.name))}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def package(tmp_path: Path) -> Package:
    path = tmp_path / "lambda.zip"
    path.write_bytes(b"ours")
    return Package("api", path, tmp_path / "template.json", "c0ffee", rebuilt=False)


def held(s3: Any, bucket: str, package: Package, version: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=code_key(package), VersionId=version)["Body"].read()
    return body


def test_what_lies_there_already_is_not_taken_for_the_zip(s3: Any, bucket: str, package: Package) -> None:
    s3.put_object(Bucket=bucket, Key=code_key(package), Body=b"theirs", ChecksumAlgorithm="SHA256")

    assert uploaded_version(s3, package, bucket) is None
    assert held(s3, bucket, package, upload(s3, package, bucket)) == b"ours"


def test_what_is_put_there_later_is_another_version(s3: Any, bucket: str, package: Package) -> None:
    first = upload(s3, package, bucket)
    s3.put_object(Bucket=bucket, Key=code_key(package), Body=b"theirs", ChecksumAlgorithm="SHA256")

    assert held(s3, bucket, package, first) == b"ours"
    second = upload(s3, package, bucket)
    assert second != first
    assert held(s3, bucket, package, second) == b"ours"


def test_a_zip_that_is_there_is_not_sent_again(s3: Any, bucket: str, package: Package) -> None:
    version = upload(s3, package, bucket)

    assert upload(s3, package, bucket) == uploaded_version(s3, package, bucket) == version
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_bucket_that_keeps_no_versions_is_refused(s3: Any, package: Package) -> None:
    s3.create_bucket(Bucket="without-versions")

    with pytest.raises(OperatorError, match="without-versions keeps no versions"):
        upload(s3, package, "without-versions")


class Refusing:
    """S3 to someone who lacks rights: it answers a HEAD without a body, so that the code is a number."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.put: list[str] = []

    def head_object(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "HeadObject")

    def put_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, str]:  # noqa: N803  # boto3's names
        self.put.append(f"{Bucket}/{Key}")
        return {"VersionId": "v"}


def test_a_zip_that_may_not_be_looked_for_is_put(package: Package) -> None:
    may_put = Refusing("403")

    assert upload(may_put, package, "bucket") == "v"
    assert may_put.put == ["bucket/api/c0ffee.zip"]
    with pytest.raises(ClientError):
        upload(Refusing("500"), package, "bucket")


@pytest.mark.parametrize("app", ["api", "worker"])
def test_every_function_runs_a_version_that_its_stack_names(app: str) -> None:
    functions = rendered(app, CodeVersion="v7").of_type("AWS::Lambda::Function")

    assert functions
    assert {name: each["Code"]["S3ObjectVersion"] for name, each in functions.items()} == dict.fromkeys(
        functions, "v7"
    )
