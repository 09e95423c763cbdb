"""schemathesis sends requests from the OpenAPI document to a deployed stage; its settings are in schemathesis.toml.

Run it on any stage:
    JOBPIPE_API_KEY=… schemathesis --config-file tests/openapi/schemathesis.toml run URL/openapi.json --url URL
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api_lambda.chalicelib.endpoints.routes import ROUTES, Route, routes_of
from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.settings import LOCAL_STAGE
from tests.helpers import commands
from tests.helpers.deployed import Stage
from tests.helpers.embedded import embedded
from tests.helpers.shop import SHOP, shop

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def shop_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Deploy a stage with orders and subscriptions, which takes task tokens."""
    with embedded(tmp_path_factory.mktemp("shop")) as (target, settings):
        chosen = replace(settings, collections=SHOP)
        parameters = target.with_arns({"TaskTokens": "none"})
        yield Stage(Deployer(target, LOCAL_STAGE, chosen, Progress(), parameters).deploy())


def test_the_api_is_as_documented(stage: Stage, tmp_path: Path) -> None:
    """It sends valid and invalid requests, alone and in sequences: no answer is undocumented or a 5xx."""
    with its_webhooks_deleted(stage):
        check(stage, tmp_path, ROUTES)


def test_the_routes_of_collections_are_as_documented(shop_stage: Stage, tmp_path: Path) -> None:
    """The same for each route that follows from a collection."""
    check(shop_stage, tmp_path, routes_of(shop()))


@contextmanager
def its_webhooks_deleted(stage: Stage) -> Iterator[None]:
    """Delete the webhooks that the block creates: the owner can have ten, and other tests create some, too."""
    known = {each.id for each in stage.client.webhooks.list()}
    try:
        yield
    finally:
        for made in stage.client.webhooks.list():
            if made.id not in known:
                stage.client.webhooks.delete(made.id)


def check(stage: Stage, tmp_path: Path, routes: Sequence[Route]) -> None:
    """Send requests to all routes; the stage must have no others."""
    if not stage.renders_gateway_responses:
        pytest.fail("the gateway of this stage has other error documents; use a stage on another target")
    base_url = stage.deployment.base_url
    fixed = ["--generation-deterministic", "--seed", "1"] if os.environ.get("CI") else []
    done = commands.run(
        *(str(Path(sys.executable).with_name("schemathesis")), "--no-color", "--config-file", str(CONFIG)),
        *("run", f"{base_url}/openapi.json", "--url", base_url, *fixed),
        *("--report", "har", "--report-har-path", str(tmp_path / "requests.har")),
        env={**os.environ, "JOBPIPE_API_KEY": stage.deployment.api_key, "PYTHONPATH": str(commands.ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A change of the tool or its settings must not make it send nothing.
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in done.stdout, done.stdout
    generated, operations = (re.search(rf"(\d+) {what}", done.stdout) for what in ("generated", "selected"))
    assert generated is not None
    assert operations is not None
    # The number depends on the speed of the machine: about 40 for each operation on an idle one.
    assert int(generated[1]) > 5 * int(operations[1]), done.stdout
    served = served_operations(stage, json.loads((tmp_path / "requests.har").read_text()))
    # The key was accepted, and writes had an effect. The ids that are used depend on the speed of the machine.
    keyed = {(route.method, route.path) for route in routes if not route.open}
    by_id = {(method, path) for method, path in keyed if "{" in path}
    assert keyed - by_id <= served, served
    assert by_id & served, served


def served_operations(stage: Stage, har: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the method and path of each operation that was answered with success."""
    root = urlsplit(stage.deployment.base_url).path
    return {
        (
            entry["request"]["method"],
            stage.documented.template(urlsplit(entry["request"]["url"]).path.removeprefix(root)),
        )
        for entry in har["log"]["entries"]
        if entry["response"]["status"] // 100 == 2
    }


def test_the_stage_serves_its_documents_with_their_media_types(stage: Stage) -> None:
    html = "text/html; charset=utf-8"
    for path, kind in (("/openapi.json", "application/json"), ("/docs", html), ("/console", html)):
        answer = stage.request("GET", path, key=None)
        assert answer.headers["content-type"] == kind
    assert set(stage.documented.openapi["paths"]) >= {"/items", "/jobs/{job_id}"}
