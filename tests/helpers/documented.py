"""Checks that the OpenAPI document describes every response that a test gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from api_lambda.chalicelib.contract.openapi import document
from jobpipe.domain.documents.collection import ONLY_ITEMS
from jobpipe.domain.documents.collection import Registry as Collections
from tests.helpers.memory import RETENTION

_ROOT = "urn:openapi"


class Documented:
    """An OpenAPI document to check responses by; `strict` where no gateway adds headers."""

    def __init__(self, openapi: dict[str, Any], *, strict: bool = False) -> None:
        self.openapi = openapi
        self._strict = strict
        self._registry: Registry[Any] = Registry().with_resource(_ROOT, DRAFT202012.create_resource(openapi))
        self._validators: dict[str, Draft202012Validator] = {}
        self._templates: list[tuple[str, list[str]]] = [
            (template, template.removeprefix("/").split("/")) for template in openapi["paths"]
        ]
        self._headers = {name.lower() for name in openapi["components"]["headers"]}

    def check(self, method: str, target: str, status: int, headers: Mapping[str, str], body: str) -> None:
        """Raise AssertionError unless the document allows this response to the method and target."""
        here = f"{method} {target[:100]}: {status}"
        headers_sent = {name.lower(): value for name, value in headers.items()}
        template = self.template(target.partition("?")[0])
        operation = self.openapi["paths"].get(template, {}).get(method.lower())
        if operation is None:
            # This is the gateway's response to an unknown route.
            assert status == 404, f"{here} of a route that is not in the document"
            if method != "HEAD":
                self._check_body("/components/schemas/Problem", body, here)
            return
        pointer = f"/paths/{_escape(template)}/{method.lower()}/responses/{status}"
        answer = operation["responses"].get(str(status))
        assert answer is not None, f"{here} is not in the document: {body[:300]}"
        if "$ref" in answer:
            pointer = answer["$ref"].removeprefix("#")
            answer = self._at(pointer)
        self._check_headers(answer["headers"], headers_sent, here)
        media_type = headers_sent["content-type"].partition(";")[0]
        assert media_type in answer["content"], f"{here} is not in the document as {media_type}"
        if self._strict:
            unknown = headers_sent.keys() - {"content-type"} - {name.lower() for name in answer["headers"]}
            assert not unknown, f"{here} has {unknown}, of which the document does not know"
        if media_type != "text/html" and method != "HEAD":
            self._check_body(f"{pointer}/content/{_escape(media_type)}/schema", body, here)

    def template(self, path: str) -> str:
        """Return the document's path that matches this one, or an empty text."""
        segments = path.strip("/").split("/")  # a slash at the end changes nothing
        for template, parts in self._templates:
            if len(parts) == len(segments) and all(
                part == segment or part.startswith("{") for part, segment in zip(parts, segments, strict=True)
            ):
                return template
        return ""

    def _check_headers(self, documented: Mapping[str, Any], headers_sent: Mapping[str, str], here: str) -> None:
        for name, header in documented.items():
            pointer = header["$ref"].removeprefix("#")
            value = headers_sent.get(name.lower())
            if value is None:
                assert not self._at(pointer)["required"], f"{here} lacks {name}"
                continue
            number = self._at(pointer)["schema"].get("type") == "integer"
            self.check_value(f"{pointer}/schema", int(value) if number else value, f"{here}, {name}")
        undocumented = self._headers & headers_sent.keys() - {name.lower() for name in documented}
        assert not undocumented, f"{here} has {undocumented}, of which the document does not know"

    def _check_body(self, pointer: str, body: str, here: str) -> None:
        self.check_value(pointer, json.loads(body), f"{here} {body[:300]}")

    def check_value(self, pointer: str, value: Any, here: str) -> None:
        """Raise AssertionError unless the value is valid by the schema at the pointer."""
        validator = self._validators.get(pointer)
        if validator is None:
            validator = self._validators[pointer] = Draft202012Validator(
                {"$ref": f"{_ROOT}#{pointer}"},
                registry=self._registry,
                format_checker=Draft202012Validator.FORMAT_CHECKER,
            )
        wrong = next(validator.iter_errors(value), None)
        assert wrong is None, f"{here} is not as documented at {wrong.json_path}: {wrong.message[:300]}"

    def _at(self, pointer: str) -> Any:
        node: Any = self.openapi
        for step in pointer.strip("/").split("/"):
            node = node[step.replace("~1", "/").replace("~0", "~")]
        return node


@cache
def documented(collections: Collections = ONLY_ITEMS) -> Documented:
    """Return this checkout's document for a stage with these collections that keeps jobs for RETENTION."""
    return Documented(document(RETENTION, collections), strict=True)


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
