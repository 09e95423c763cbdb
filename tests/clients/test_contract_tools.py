"""Linters find no error in the contract; Prism serves it, and finds no violation between a client and a stage."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import tenacity

from tests.clients.conftest import Use
from tests.clients.test_generated_clients import DOCUMENT, OPERATIONS, check_all_used, openapi_python_client
from tests.clients.toolbox import CONTRACT, PROGRAMS, PYTHON_TOOLS, environment, run
from tests.helpers.documented import documented

LINTERS = {
    "redocly": ("redocly", "lint", "--config", Path(__file__).with_name("redocly.yaml")),
    "spectral": ("spectral", "lint", "--ruleset", Path(__file__).with_name("spectral.yaml")),
}
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_no_error(linter: str) -> None:
    run(*LINTERS[linter], CONTRACT, variables=QUIET)


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_the_error_of_another_document(linter: str, tmp_path: Path) -> None:
    broken = json.loads(CONTRACT.read_text())
    del broken["paths"]["/items/{item_id}"]["get"]["parameters"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    with pytest.raises(AssertionError, match="item_id"):
        run(*LINTERS[linter], tmp_path / "broken.json", variables=QUIET)


@contextmanager
def prism(log: Path, *arguments: str) -> Iterator[str]:
    """Run Prism as a server during the block; yield its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = ["prism", *arguments, "--errors", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as output:
        server = subprocess.Popen(
            command, env=environment(), stdout=output, stderr=output, stdin=subprocess.DEVNULL
        )
        try:
            tenacity.Retrying(
                stop=tenacity.stop_after_delay(60),
                wait=tenacity.wait_fixed(0.1),
                retry=tenacity.retry_if_result(lambda output: "is listening" not in output),
            )(log.read_text)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def referenced(node: dict[str, Any]) -> dict[str, Any]:
    """Return the target of a reference in the document."""
    _, _, kind, name = node["$ref"].split("/")
    found: dict[str, Any] = DOCUMENT["components"][kind][name]
    return found


def example_request(template: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Return a valid request that consists of the document's examples."""
    parameters = [referenced(each) for each in operation.get("parameters", [])]
    request: dict[str, Any] = {"path": template, "params": {}, "headers": {"x-api-key": "any"}}
    for parameter in parameters:
        if parameter["in"] == "path":
            value = parameter.get("example", "8f14e45f-ceea-467f-a8d0-3f5e0c9d1b2a")
            request["path"] = request["path"].replace(f"{{{parameter['name']}}}", value)
        elif parameter.get("required"):
            request["params"][parameter["name"]] = parameter["schema"]["enum"][0]
    if "requestBody" in operation:
        schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
        request["json"] = referenced(schema)["examples"][0]
    return request


def test_prism_serves_every_answer_of_every_operation(tmp_path: Path) -> None:
    """For each status in the document, the mock's answer is valid for Prism and for the tests' own validator."""
    served, failures = set(), []
    with prism(tmp_path / "log", "mock", str(CONTRACT)) as url, requests.Session() as session:
        session.trust_env = False
        for template, methods in DOCUMENT["paths"].items():
            for method, operation in methods.items():
                request = example_request(template, operation)
                path = request.pop("path")
                for status in operation["responses"]:
                    headers = {**request["headers"], "Prefer": f"code={status}"}
                    answer = session.request(method, url + path, timeout=60, **{**request, "headers": headers})
                    if "sl-violations" in answer.headers or answer.status_code != int(status):
                        failures.append(
                            f"{operation['operationId']} {status}: {answer.status_code} {answer.text[:300]}"
                        )
                        continue
                    validator = type(documented())(DOCUMENT)
                    validator.check(method.upper(), path, answer.status_code, answer.headers, answer.text)
                    served.add(operation["operationId"])
    assert failures == []
    assert served == OPERATIONS


def test_prism_finds_no_violation_between_a_client_and_a_stage(tmp_path: Path, use: Use) -> None:
    """With --errors its proxy answers any violation with 500."""
    installed = openapi_python_client(tmp_path)
    with use() as (recorder, variables), prism(tmp_path / "log", "proxy", str(CONTRACT), recorder.url) as url:
        program = PROGRAMS / "openapi_python_client.py"
        more = {"URL": url, "VALID": "only", "PYTHONPATH": str(installed)}
        run(PYTHON_TOOLS / "python", program, variables=variables | more)
        check_all_used(recorder)
    assert "violation" not in (tmp_path / "log").read_text().lower()
