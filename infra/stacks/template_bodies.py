"""Passes a template to CloudFormation: in the request if it is small enough, else through the artifacts bucket.

The API's template contains each route of each collection. A request may have 51,200 bytes, and an object 1,000,000.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from infra.errors import OperatorError
from infra.stacks.parameters import Parameter
from infra.templates.sources import INLINE_LIMIT, Template, to_json

OBJECT_LIMIT = 1_000_000
_BUCKET = "ArtifactsBucket"  # the parameter of the stacks that have one


@dataclass(frozen=True)
class TemplateBodies:
    """Passes templates to CloudFormation; without S3, only small ones."""

    s3: Callable[[], Any] | None = None

    def of(self, name: str, template: Template, parameters: Iterable[Parameter]) -> dict[str, str]:
        """Return the request member with this stack's template, after storing a large template in the bucket."""
        body = to_json(template).encode()
        if len(body) <= INLINE_LIMIT:
            return {"TemplateBody": body.decode()}
        if len(body) > OBJECT_LIMIT:
            raise OperatorError(f"the template of {name} exceeds {OBJECT_LIMIT} bytes: too many collections")
        values = {each["ParameterKey"]: each.get("ParameterValue") for each in parameters}
        bucket = values.get(_BUCKET)
        if self.s3 is None or bucket is None:
            raise OperatorError(f"the template of {name} exceeds {INLINE_LIMIT} bytes")
        s3, key = self.s3(), f"templates/{name}.json"
        put = s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")
        # The version ensures that CloudFormation reads this object, whoever else writes to the bucket.
        version = put.get("VersionId", "null")
        suffix = "" if version == "null" else f"?versionId={version}"
        return {"TemplateURL": f"{s3.meta.endpoint_url}/{bucket}/{key}{suffix}"}


INLINE_ONLY = TemplateBodies()
"""For stacks without an artifacts bucket."""
