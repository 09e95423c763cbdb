"""A template that is too large for a request goes through the artifacts bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from infra.cli.progress import Progress
from infra.errors import OperatorError
from infra.packaging.package import package_all
from infra.stacks.change_sets import Stacks
from infra.stacks.template_bodies import OBJECT_LIMIT, TemplateBodies
from infra.templates.sources import INLINE_LIMIT, to_json
from tests.helpers.embedded import embedded

BUCKET = "artifacts-of-a-test"
PARAMETERS: Any = [{"ParameterKey": "ArtifactsBucket", "ParameterValue": BUCKET}]


def template_of(size: int) -> dict[str, Any]:
    """Return a template of a topic that is so many bytes long."""
    resources = {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "of-a-large-template"}}}
    template: dict[str, Any] = {
        "Parameters": {"ArtifactsBucket": {"Type": "String"}},
        "Metadata": {"filler": ""},
        "Resources": resources,
    }
    template["Metadata"]["filler"] = "x" * (size - len(to_json(template)))
    assert len(to_json(template)) == size
    return template


class FakeS3:
    """S3 with one object."""

    class meta:  # noqa: N801 - as in boto3
        endpoint_url = "https://s3.eu-central-1.amazonaws.com"

    def __init__(self, version: str | None) -> None:
        self.version = version
        self.put: dict[str, Any] = {}

    def put_object(self, **put: Any) -> dict[str, str]:
        self.put = put
        return {} if self.version is None else {"VersionId": self.version}


def test_a_small_template_is_in_the_request() -> None:
    template = template_of(INLINE_LIMIT)
    assert TemplateBodies().of("s", template, PARAMETERS) == {"TemplateBody": to_json(template)}


@pytest.mark.parametrize(("version", "suffix"), [("v7", "?versionId=v7"), ("null", ""), (None, "")])
def test_a_large_template_is_an_object_in_its_version(version: str | None, suffix: str) -> None:
    template, s3 = template_of(INLINE_LIMIT + 1), FakeS3(version)
    url = f"https://s3.eu-central-1.amazonaws.com/{BUCKET}/templates/s.json{suffix}"
    assert TemplateBodies(lambda: s3).of("s", template, PARAMETERS) == {"TemplateURL": url}
    assert s3.put["Body"].decode() == to_json(template)


@pytest.mark.parametrize(
    ("size", "parameters", "bodies", "why"),
    [
        (INLINE_LIMIT + 1, PARAMETERS, TemplateBodies(), "exceeds 51200 bytes"),
        (INLINE_LIMIT + 1, [], TemplateBodies(lambda: FakeS3("v")), "exceeds 51200 bytes"),
        (OBJECT_LIMIT + 1, PARAMETERS, TemplateBodies(lambda: FakeS3("v")), "too many collections"),
    ],
)
def test_a_template_that_cannot_be_passed_is_refused(
    size: int, parameters: Any, bodies: TemplateBodies, why: str
) -> None:
    with pytest.raises(OperatorError, match=why):
        bodies.of("s", template_of(size), parameters)


def test_cloudformation_reads_a_large_template_from_the_bucket(tmp_path: Path) -> None:
    with embedded(tmp_path) as (target, _):
        s3 = target.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        stacks = Stacks(
            target.client("cloudformation"),
            Progress(Console(quiet=True)),
            target.poll_seconds,
            bodies=TemplateBodies(lambda: target.client("s3")),
        )
        template = template_of(INLINE_LIMIT + 1)
        values = {"ArtifactsBucket": BUCKET}
        assert stacks.deploy("large", template, values).changed
        assert not stacks.deploy("large", template, values).changed
        assert stacks.template("large") == template


@pytest.mark.slow
def test_the_templates_of_forty_collections_can_be_passed(tmp_path: Path) -> None:
    """The most collections that a folder may have, each with operations."""
    for number in range(40):
        folder = tmp_path / "collections" / f"a-collection-with-a-long-name-{number:02}"
        folder.mkdir(parents=True)
        (folder / "collection.toml").write_text('title = "Thing"\n')
        (folder / "schema.json").write_text('{"type": "object", "properties": {"a": {"type": "string"}}}')
        (folder / "operations.py").write_text(
            '"""What happens to it."""\n\nfrom jobpipe.operation import operation\n\n\n'
            '@operation()\ndef touch(thing):\n    """Touch it."""\n    return thing\n'
        )
    packages = package_all(tmp_path / "build", tmp_path / "collections")
    template = packages["api"].template()
    assert len(to_json(template)) < OBJECT_LIMIT
    body = template["Resources"]["RestAPI"]["Properties"]["Body"]
    paths = {step for path in body["paths"] for step in _prefixes(path)}
    assert len(paths) < 300, "API Gateway takes 300 resources"


def _prefixes(path: str) -> list[str]:
    steps = path.strip("/").split("/")
    return ["/".join(steps[: n + 1]) for n in range(len(steps))]
