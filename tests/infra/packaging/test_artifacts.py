"""Write access to the artifacts bucket is not enough to choose what the Lambdas run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from rich.console import Console

from infra.cli.progress import Progress
from infra.deployment import artifacts
from infra.deployment.artifacts import code_key, upload, uploaded_version
from infra.errors import OperatorError
from infra.packaging.package import Package
from tests.helpers.embedded import embedded
from tests.helpers.stubbed import a_client
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
    path.write_bytes(b"built")
    return Package("api", path, tmp_path / "template.json", "c0ffee", rebuilt=False)


def uploaded(s3: Any, package: Package, bucket: str, console: Console | None = None) -> str:
    return upload(s3, package, bucket, Progress(console or Console(quiet=True)), 0.01)


def stored(s3: Any, bucket: str, package: Package, version: str) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=code_key(package), VersionId=version)["Body"].read()
    return body


def test_another_object_under_the_key_does_not_count_as_the_zip(s3: Any, bucket: str, package: Package) -> None:
    s3.put_object(Bucket=bucket, Key=code_key(package), Body=b"other", ChecksumAlgorithm="SHA256")

    assert uploaded_version(s3, package, bucket) is None
    assert stored(s3, bucket, package, uploaded(s3, package, bucket)) == b"built"


def test_an_object_that_is_put_later_is_another_version(s3: Any, bucket: str, package: Package) -> None:
    first = uploaded(s3, package, bucket)
    s3.put_object(Bucket=bucket, Key=code_key(package), Body=b"other", ChecksumAlgorithm="SHA256")

    assert stored(s3, bucket, package, first) == b"built"
    second = uploaded(s3, package, bucket)
    assert second != first
    assert stored(s3, bucket, package, second) == b"built"


def test_an_uploaded_zip_is_not_uploaded_again(s3: Any, bucket: str, package: Package) -> None:
    version = uploaded(s3, package, bucket)

    assert uploaded(s3, package, bucket) == uploaded_version(s3, package, bucket) == version
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_a_bucket_without_versioning_is_refused(s3: Any, package: Package) -> None:
    s3.create_bucket(Bucket="without-versions")

    with pytest.raises(OperatorError, match="without-versions keeps no versions"):
        uploaded(s3, package, "without-versions")


class Refusing:
    """S3 for a caller without rights. It answers a HEAD without a body, so the code is a number."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.put: list[str] = []

    def head_object(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "HeadObject")

    def get_bucket_versioning(self, **_: str) -> dict[str, str]:
        return {"Status": "Enabled"}

    def put_object(self, *, Bucket: str, Key: str, **_: Any) -> dict[str, str]:  # noqa: N803  # boto3's names
        self.put.append(f"{Bucket}/{Key}")
        return {"VersionId": "v"}


def test_a_zip_is_uploaded_without_permission_to_look_for_it(package: Package) -> None:
    may_put = Refusing("403")

    assert uploaded(may_put, package, "bucket") == "v"
    assert may_put.put == ["bucket/api/c0ffee.zip"]
    with pytest.raises(ClientError):
        uploaded(Refusing("500"), package, "bucket")


@pytest.fixture
def settling(package: Package) -> Iterator[tuple[Any, Stubber]]:
    """S3 just after versioning was first enabled, when the zip does not exist yet."""
    client = a_client("s3")
    with Stubber(client) as stub:
        expected = {"Bucket": "b", "Key": code_key(package), "ChecksumMode": "ENABLED"}
        stub.add_client_error("head_object", "404", "Not Found", 404, expected_params=expected)
        stub.add_response("get_bucket_versioning", {"Status": "Enabled"}, {"Bucket": "b"})
        yield client, stub
        stub.assert_no_pending_responses()


def put(stub: Stubber, package: Package, answer: dict[str, str]) -> None:
    expected = {"Bucket": "b", "Key": code_key(package), "Body": ANY, "ChecksumSHA256": ANY}
    stub.add_response("put_object", answer, expected)


def test_a_zip_counts_as_uploaded_when_s3_shows_its_version(
    settling: tuple[Any, Stubber], package: Package, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3, stub = settling
    put(stub, package, {})
    put(stub, package, {"VersionId": "null"})
    put(stub, package, {"VersionId": "v3"})
    by_version = {"Bucket": "b", "Key": code_key(package), "VersionId": "v3"}
    stub.add_client_error("head_object", "404", "Not Found", 404, expected_params=by_version)
    stub.add_response("head_object", {"VersionId": "v3"}, by_version)
    monkeypatch.setattr(artifacts, "QUIET_SECONDS", 0)
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))

    assert uploaded(s3, package, "b", console) == "v3"
    text = console.export_text()
    assert text.count("does not give objects a version yet: S3 may need up to 15 minutes") == 1, (
        "once, not at each try"
    )
    assert text.count(f"b/{code_key(package)} is not visible yet: S3 may need up to 15 minutes") == 1


def test_the_wait_for_versions_ends(
    settling: tuple[Any, Stubber], package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, stub = settling
    put(stub, package, {})
    monkeypatch.setattr(artifacts, "VERSIONING_SECONDS", 0)

    with pytest.raises(
        OperatorError, match=r"the bucket b does not give objects a version yet, after 15 minutes .* run it again"
    ):
        uploaded(s3, package, "b")


def test_the_wait_is_as_long_as_aws_says() -> None:
    model = a_client("s3").meta.service_model.operation_model("PutBucketVersioning")
    assert "We recommend that you wait for 15 minutes after enabling versioning" in model.documentation
    assert artifacts.VERSIONING_SECONDS == 15 * 60


@pytest.mark.parametrize("app", ["api", "worker"])
def test_every_function_runs_a_version_that_its_stack_names(app: str) -> None:
    functions = rendered(app, CodeVersion="v7").of_type("AWS::Lambda::Function")

    assert functions
    assert {name: each["Code"]["S3ObjectVersion"] for name, each in functions.items()} == dict.fromkeys(
        functions, "v7"
    )
